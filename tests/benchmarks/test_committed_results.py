"""What the pages say of the committed results, and that it is what these say."""

from __future__ import annotations

from pathlib import Path
import re

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


def test_committed_results_hold_eight_tasks_and_five_seeds() -> None:
    names = {name.partition("/")[::2] for name in select(["guard"], ["report"])}
    assert len(names) == 8
    for sampler in GROUPS["guard"]:
        own = TABLE.xs(sampler, level="sampler").index
        for suite, task in names:
            seeds = {s for a, b, s in own if (a, b) == (suite, task)}
            assert seeds >= set(range(5))


@pytest.mark.parametrize(
    ("ours", "base", "good_at_10", "good_at_50", "others_at_50"),
    [
        # The base knows usual values itself, so that a model has less to add.
        ("LLM", "CQR", 0.8, 1.0, 1.15),
        ("LLM on TPE", "TPE", 0.5, 0.8, 1.05),
    ],
)
def test_guard_whatever_the_model_is_worth(
    ours: str, base: str, good_at_10: float, good_at_50: float, others_at_50: float
) -> None:
    """What README promises of good, useless and wrong models, against the base sampler alone."""
    assert ratio(f"{ours}, good model", base, 10) <= good_at_10
    assert ratio(f"{ours}, good model", base, 50) <= good_at_50
    for model in ("random", "worst"):
        assert ratio(f"{ours}, {model} model", base, 50) <= others_at_50
        assert ratio(f"{ours}, {model} model", "TPE", 50) <= 0.8


def test_without_a_model() -> None:
    """What README promises of the embedded prior."""
    assert ratio("LLM, no model", "Random", 5) <= 0.5
    assert ratio("LLM, no model", "Random", 10) <= 0.5
    assert ratio("LLM, no model", "TPE", 10) < 1
    assert ratio("LLM, no model", "TPE", 25) < 1
    assert ratio("LLM, no model", "TPE", 50) <= 1


def test_the_page_of_the_guard_shows_the_committed_results() -> None:
    page = (ROOT / "docs" / "guard.md").read_text()
    for line in paired(ROWS, "CQR").splitlines():
        assert line in page


def test_readme_shows_their_ratios_to_tpe() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = dict(re.findall(r"^\| (`.*?) \| (\d.*) \|$", readme, re.M))
    named = {
        "`LLMSampler()`, no model": "LLM, no model",
        "`LLMSampler`, a good stand-in for a model": "LLM, good model",
        "`LLMSampler`, one that is always wrong": "LLM, worst model",
        "`CQRSampler()`, statistics alone": "CQR",
        "Optuna's `RandomSampler`": "Random",
    }
    shown |= dict(re.findall(r"^\| (Optuna's .*?) \| (\d.*) \|$", readme, re.M))
    assert set(shown) == set(named)
    for line in paired(ROWS, "TPE").splitlines():
        sampler, *cells = line.strip("| ").split(" | ")
        for told, name in named.items():
            if name == sampler:
                ratios = [re.sub(r".*\((.+)x, (.+)\)", r"\1 (\2)", c) for c in cells[2:5]]
                assert shown[told] == " | ".join(ratios)


def test_the_page_of_the_benchmarks_shows_the_committed_results() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text()
    rows = read([ROOT / "benchmarks" / "results" / "peers.csv"])
    for line in markdown(rows, "TPE").splitlines():
        assert line.startswith("###") or line in page
