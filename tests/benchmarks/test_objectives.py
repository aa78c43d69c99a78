"""Tasks with several objectives: what they return, what counts, and how a study of them runs."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import run as running
from benchmarks.references import UnknownTaskError
from benchmarks.results import Job
from benchmarks.results import Row
from benchmarks.samplers import Endpoint
from benchmarks.suites import objectives
from benchmarks.suites.objectives import Objectives
from benchmarks.task import UnavailableError
from benchmarks.tasks import load


TABLE = "objectives/nasbench201-cifar10-latency"


def available(name: str) -> Objectives:
    try:
        return objectives.load(name)
    except UnavailableError as error:
        pytest.skip(str(error))


def test_the_whole_table_has_reached_everything_and_nothing_is_nothing() -> None:
    task = available(TABLE)
    assert task.find_reference() == task.reference or task.reference.best < 0
    everything = [task.results(c) for c in task.draw(np.random.default_rng(0), 3000)]
    found = task.front_loss(everything)
    assert task.regret(task.front_loss([])) == 1.0
    assert 0 <= task.regret(found) < 0.1
    # What is dominated adds nothing, what is not does.
    worse = tuple(v + 1.0 for v in everything[0])
    assert task.front_loss([*everything, worse]) == found
    best = task.results(task.reference.configuration)
    assert task.front_loss([best]) < 0


def test_the_hypervolume_of_two_points_by_hand() -> None:
    task = available(TABLE)
    ideal, worst = np.array(task.reference.ideal), np.array(task.reference.worst)
    points = [tuple(ideal + np.array(u) * (worst - ideal)) for u in ((0.1, 0.6), (0.6, 0.1))]
    assert task.front_loss(points) == pytest.approx(-(2 * 1.0 * 0.5 - 0.5 * 0.5))


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("objectives/hpolib-naval_propulsion-time-size", 3),
        ("objectives/lcbench-3945-size", 2),
        ("objectives/rbv2_xgboost-16-log_loss-latency", 3),
        ("objectives/tree-diabetes-size", 2),
    ],
)
def test_a_task_of_each_kind(name: str, n: int) -> None:
    task = available(name)
    assert load(name).n_objectives == n
    for params in task.draw(np.random.default_rng(1), 3):
        losses = task.results(params)
        assert len(losses) == n
        assert np.isfinite(losses).all()
        assert losses == task.results(params)
        assert task.loss(params) == losses[0]
        assert task.regret(task.front_loss([losses])) <= 1.0


def test_a_limit_is_met_by_a_quarter_and_by_the_best() -> None:
    task = available("objectives/nasbench201-cifar10-time-within-size")
    drawn = task.draw(np.random.default_rng(0), 1000)
    assert 0.1 < np.mean([task.is_feasible(c) for c in drawn]) < 0.4
    assert task.is_feasible(task.reference.configuration)


@pytest.mark.parametrize("sampler", ["NSGA-II", "TPE"])
@pytest.mark.parametrize("variant", ["", "-workers-4", "-flaky-0.2"])
def test_a_study_only_gets_better(sampler: str, variant: str) -> None:
    name = TABLE.replace("/", f"{variant}/")
    rows: list[Row] = running.run_study(Job(name, 0, sampler), 12, Endpoint())
    values = [row.value for row in rows]
    assert all(v is not None for v in values)
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    assert load(TABLE).regret(values[-1] or 0.0) < 0.9


def test_infeasible_trials_reach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    task = available("objectives/nasbench201-cifar10-time-within-size")
    monkeypatch.setattr(running, "load", lambda name: task)
    monkeypatch.setattr(task, "limit", 0.001)
    rows = running.run_study(Job(task.name, 0, "Random"), 5, Endpoint())
    assert [row.value for row in rows] == [0.0] * 5


def test_what_makes_no_sense_is_refused() -> None:
    for variant in ("noisy", "failures", "reported"):
        with pytest.raises(UnavailableError, match="several objectives"):
            load(TABLE.replace("/", f"-{variant}/"))
    for name in ("objectives/none-a-b", "objectives/tree-wine", "objectives/tree-wine-cost"):
        with pytest.raises(UnknownTaskError):
            load(name)
