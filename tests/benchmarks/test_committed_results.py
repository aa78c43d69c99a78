"""What the pages say of the committed results, and that it is what these say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import statistics
from benchmarks.report import markdown
from benchmarks.report import paired
from benchmarks.results import read
from benchmarks.samplers import GROUPS
from benchmarks.tasks import select


ROOT = Path(__file__).parents[2]
ROWS = read([ROOT / "benchmarks" / "results" / "guard.csv"])
TABLE = statistics.regrets(ROWS)


def ratio(sampler: str, baseline: str, n_trials: int) -> float:
    means = TABLE[n_trials - 1].groupby("sampler").mean()
    return float(means[sampler] / means[baseline])


def test_committed_results_hold_eight_tasks_and_ten_seeds() -> None:
    names = {name.partition("/")[::2] for name in select(["guard"], ["report"])}
    assert len(names) == 8
    for sampler in GROUPS["guard"]:
        own = TABLE.xs(sampler, level="sampler").index
        for suite, task in names:
            seeds = {s for a, b, s in own if (a, b) == (suite, task)}
            assert seeds >= set(range(10))


@pytest.mark.parametrize(("ours", "base"), [("LLM", "CQR"), ("LLM on TPE", "TPE")])
def test_guard_whatever_the_model_is_worth(ours: str, base: str) -> None:
    """What README promises of good, useless and wrong models, against the base sampler alone."""
    assert ratio(f"{ours}, good model", base, 10) <= 0.5
    assert ratio(f"{ours}, good model", base, 50) <= 0.8
    assert ratio(f"{ours}, random model", base, 50) <= 1.05
    assert ratio(f"{ours}, worst model", base, 50) <= 1.05


def test_without_a_model() -> None:
    """What README promises of the embedded prior."""
    assert ratio("LLM, no model", "Random", 5) <= 0.5
    assert ratio("LLM, no model", "Random", 10) <= 0.5
    assert ratio("LLM, no model", "TPE", 10) < 1
    assert ratio("LLM, no model", "TPE", 25) < 1
    assert ratio("LLM, no model", "TPE", 50) <= 1


def test_readme_shows_the_committed_results() -> None:
    readme = (ROOT / "README.md").read_text()
    for line in paired(ROWS, "CQR").splitlines():
        assert line in readme


def test_the_page_of_the_benchmarks_shows_the_committed_results() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text()
    rows = read([ROOT / "benchmarks" / "results" / "peers.csv"])
    for line in markdown(rows, "TPE").splitlines():
        assert line.startswith("###") or line in page
