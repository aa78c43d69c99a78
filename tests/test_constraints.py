"""Constraints are regressed, each by itself; what has not met them is no success."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.history import History


CENTRE = np.array([0.6, 0.45, 0.5])
RADIUS = 0.3
BEST = CENTRE.sum() - RADIUS * math.sqrt(3)


def suggest(trial: optuna.Trial) -> np.ndarray:
    return np.array([trial.suggest_float(f"x{i}", 0, 1) for i in range(3)])


def ball(x: np.ndarray) -> float:
    return float(((x - CENTRE) ** 2).sum() - RADIUS**2)


def in_a_ball(trial: optuna.Trial) -> float:
    x = suggest(trial)
    trial.set_constraint("ball", ball(x))
    return float(x.sum())


def feasible(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [
        t
        for t in study.trials
        if t.state == TrialState.COMPLETE and all(v <= 0 for v in t.constraints.values())
    ]


def best(study: optuna.Study) -> float:
    return min((t.values[0] for t in feasible(study)), default=math.inf)


@pytest.mark.parametrize("sampler", [CQRSampler, LLMSampler])
def test_the_best_on_the_border_is_found(sampler: Callable[..., Any]) -> None:
    study = optuna.create_study(sampler=sampler(seed=0))
    study.optimize(in_a_ball, n_trials=35)
    assert best(study) - BEST < 0.02
    assert len(feasible(study)) > 5


def test_the_size_of_a_constraint_counts_not_only_its_sign() -> None:
    study = optuna.create_study()
    space = {"x": FloatDistribution(0, 1)}
    for x in (0.0, 0.1, 0.2, 0.8, 0.9, 1.0):
        study.add_trial(
            create_trial(
                params={"x": x}, distributions=space, value=x, constraints={"c": 0.35 - x}
            )
        )
    surrogate = StudySurrogate.of(
        History.from_study(study), History.from_study(study).search_space(), seed=0
    )
    met = np.exp(surrogate.log_feasible(surrogate.features([{"x": x} for x in (0.1, 0.35, 0.6)])))
    assert met[0] < met[1] < met[2]


@pytest.mark.parametrize("report", [False, True])
def test_workers_that_have_reported_are_awaited_until_their_constraints_are_known(
    report: bool,
) -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=1))
    rng = np.random.default_rng(0)
    running: list[tuple[optuna.Trial, np.ndarray]] = []
    for _ in range(40):
        while len(running) < 4:
            trial = study.ask()
            x = suggest(trial)
            if report:
                trial.report(float(x.sum()), 0)
            running.append((trial, x))
        trial, x = running.pop(int(rng.integers(4)))
        trial.set_constraint("ball", ball(x))
        study.tell(trial, float(x.sum()))
    assert len(feasible(study)) > 8
    assert best(study) - BEST < 0.15


def test_several_constraints_each_with_a_border_of_its_own() -> None:
    def objective(trial: optuna.Trial) -> float:
        x = suggest(trial)
        trial.set_constraint("low", 1e6 * (0.3 - x[0]))
        trial.set_constraint("sum", 1e-6 * (0.8 - x.sum()))
        return float(x.sum() + x[0])

    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=35)
    assert best(study) - 1.1 < 0.05


@pytest.mark.parametrize(
    "told",
    [
        lambda x: math.inf if x < 0.5 else -1.0,
        lambda x: float(x < 0.5),
        lambda x: max(0.5 - x, 0.0),
        lambda x: math.inf if x < 0.5 else 0.4 - x,
    ],
    ids=["infinite", "yes or no", "no more than met", "infinite beside distances"],
)
def test_constraints_that_tell_no_distance(told: Callable[[float], float]) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = suggest(trial)
        trial.set_constraint("c", told(float(x[0])))
        return float(x.sum())

    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=30)
    met = [t for t in study.trials if t.params["x0"] >= 0.5]
    assert len(met) > 12
    assert min(t.values[0] for t in met) < 0.6


def test_nothing_but_infinite_violations_is_no_feasible_study() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0, n_startup_trials=4))

    def objective(trial: optuna.Trial) -> float:
        trial.set_constraint("c", math.inf)
        return float(suggest(trial).sum())

    study.optimize(objective, n_trials=8)
    assert "likely to meet" in study.trials[-1].user_attrs["llm:rationale"]


def test_the_best_feasible_trial_is_among_the_rows_that_count() -> None:
    study = optuna.create_study()
    rng = np.random.default_rng(0)
    space = {"x": FloatDistribution(0, 1)}
    for i in range(1500):
        x = float(rng.random())
        # The lower, the better, but only one in a hundred is feasible, and none of the lowest.
        met = i % 100 == 50
        value = x + (1.0 if met else 0.0)
        trial = create_trial(
            params={"x": x},
            distributions=space,
            value=value,
            constraints={"c": -1.0 if met else x},
        )
        study.add_trial(trial)
    history = History.from_study(study)
    surrogate = StudySurrogate.of(history, history.search_space(), seed=0)
    assert len(surrogate.trials) == 500
    assert int((surrogate.violation == 0).sum()) == 15


def test_two_objectives_within_a_constraint() -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = suggest(trial)
        trial.set_constraint("ball", ball(x))
        return float(x[0] + x[2]), float(1 - x[0] + x[1])

    study = optuna.create_study(directions=["minimize"] * 2, sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=35)
    assert len(feasible(study)) > 10


def test_failures_and_constraints_keep_their_own_rules() -> None:
    """What fails is avoided, what is infeasible may lie next to the best."""

    def objective(trial: optuna.Trial) -> float:
        x = suggest(trial)
        if x[1] > 0.7:
            raise MemoryError
        trial.set_constraint("ball", ball(x))
        return float(x.sum())

    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=40, catch=(MemoryError,))
    assert best(study) - BEST < 0.05
    assert sum(t.state == TrialState.FAIL for t in study.trials[20:]) <= 3
