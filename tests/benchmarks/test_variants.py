"""Failures that parameters do not explain, workers, and values reported before constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
import pytest

from benchmarks import run as running
from benchmarks.results import Job
from benchmarks.results import Row
from benchmarks.samplers import Endpoint
from benchmarks.samplers import Entry
from benchmarks.task import Task
from benchmarks.tasks import load
from benchmarks.variants import VARIANTS
from tests.benchmarks.tasks import Bowl


FLAKY = ("flaky-0.05", "flaky-0.1", "flaky-0.2")


class Bounded(Bowl):
    """A bowl of which the part left of x = 0.6 is infeasible; all of its kind is ``bowl``."""

    def constraints(self, params: Mapping[str, Any]) -> dict[str, float]:
        return {"left": 0.6 - params["x"]}


@pytest.fixture
def study_of(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def run(task: Task, sampler: str = "Random", seed: int = 0, n_trials: int = 45) -> list[Row]:
        monkeypatch.setattr(running, "load", lambda name: task)
        return running.run_study(Job(task.name, seed, sampler), n_trials, Endpoint())

    return run


def failed(rows: list[Row]) -> list[int]:
    return [row.trial for row in rows if row.value is None]


@pytest.mark.parametrize("n", [1, 3])
def test_interrupted_trials_are_few_late_and_the_same_for_all_samplers(n: int, study_of) -> None:  # type: ignore[no-untyped-def]
    task = VARIANTS[f"interrupted-{n}"](Bowl())
    of_seeds = []
    for seed in range(3):
        numbers = failed(study_of(task, "Random", seed))
        assert len(numbers) == n
        assert all(8 <= number <= 40 for number in numbers)
        assert failed(study_of(task, "QMC", seed)) == numbers
        of_seeds.append(numbers)
    assert len(set(map(tuple, of_seeds))) > 1


def test_flaky_trials_fail_at_their_rate_and_each_rate_at_those_of_the_smaller() -> None:
    found = [
        {
            (seed, number)
            for seed in range(40)
            for number in range(50)
            if VARIANTS[label](Bowl()).is_interrupted(seed, number)
        }
        for label in FLAKY
    ]
    for label, numbers in zip(FLAKY, found, strict=True):
        assert len(numbers) / 2000 == pytest.approx(float(label.partition("-")[2]), abs=0.02)
    assert found[0] < found[1] < found[2]


def test_a_failure_takes_its_trial_and_changes_no_other(study_of) -> None:  # type: ignore[no-untyped-def]
    plain = study_of(Bowl())
    flaky = study_of(VARIANTS["flaky-0.2"](Bowl()))
    assert len(flaky) == len(plain)
    assert failed(flaky)
    for row, other in zip(plain, flaky, strict=True):
        assert other.value in (None, row.value)
        assert other.observed is None


def test_an_infeasible_trial_is_told_but_does_not_count(study_of) -> None:  # type: ignore[no-untyped-def]
    plain, bounded = study_of(Bowl()), study_of(Bounded())
    assert 0 < len(failed(bounded)) < len(bounded)
    for row, other in zip(plain, bounded, strict=True):
        if other.value is None:
            assert other.observed == row.value
        else:
            assert (other.value, other.observed) == (row.value, None)


class Watching(RandomSampler):
    """Notes what is known of the trials under way whenever a trial begins."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.seen: list[list[optuna.trial.FrozenTrial]] = []
        self.ended: list[tuple[TrialState, dict[str, float]]] = []

    def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        under_way = study.get_trials(states=[TrialState.RUNNING])
        self.seen.append([t for t in under_way if t.number != trial.number])

    def after_trial(self, study, trial, state, values) -> None:  # type: ignore[no-untyped-def]
        self.ended.append((state, dict(trial.constraints)))


@pytest.mark.parametrize(
    ("label", "workers", "values"),
    [
        ("workers-4", 4, 0),
        ("reported", 1, 1),
        ("reported-workers-4", 4, 1),
    ],
)
def test_what_is_known_of_trials_under_way(
    label: str,
    workers: int,
    values: int,
    study_of,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contextlib import nullcontext

    from benchmarks import samplers

    watching = Watching()
    monkeypatch.setitem(samplers.SAMPLERS, "Watching", Entry(lambda s: nullcontext(watching)))
    rows = study_of(VARIANTS[label](Bounded()), "Watching")
    assert {len(seen) for seen in watching.seen[workers:]} == {workers - 1}
    for trial in (t for seen in watching.seen for t in seen):
        assert len(trial.intermediate_values) == values
        assert not trial.constraints
    assert all(list(constraints) == ["left"] for _, constraints in watching.ended)
    assert {state for state, _ in watching.ended} == {TrialState.COMPLETE}
    assert len(rows) == 45


def test_variants_of_constrained_tasks_keep_the_constraints() -> None:
    task = load("constrained/sphere-slope-5d-i1")
    for label in ("workers-4", "reported", "reported-workers-4", "flaky-0.1"):
        variant = load(f"constrained-{label}/sphere-slope-5d-i1")
        params = task.draw(np.random.default_rng(0), 1)[0]
        assert variant.constraints(params) == task.constraints(params)
        assert variant.reference == task.reference
