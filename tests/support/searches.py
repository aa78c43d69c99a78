"""Small objectives for searches without a model, and studies of them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler


def bowl(trial: optuna.Trial) -> float:
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    return (x - 0.3) ** 2 + (y - 0.6) ** 2


def tree(trial: optuna.Trial) -> float:
    """A conditional space with every kind of parameter; the optimum is 0 at the linear branch."""
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    value = abs(np.log10(rate) + 2) / 4
    if trial.suggest_categorical("model", ["trees", "linear", None]) == "linear":
        return value + abs(trial.suggest_float("ridge", 0, 1, step=0.25) - 0.5)
    value += 0.3 + trial.suggest_int("depth", 1, 9, step=2) / 10
    if trial.suggest_categorical("bag", [True, False]):
        value -= 0.1 * trial.suggest_categorical("share", [0.9, 0.1, 0.5])
    return value + trial.suggest_int("leaves", 2, 2048, log=True) / 2048


def optimised(sampler: BaseSampler, objective: Any, n_trials: int, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n_trials, catch=(RuntimeError,))
    return study


def seconds_of_a_proposal(
    study: optuna.Study, sampler: BaseSampler, space: dict[str, BaseDistribution], n: int
) -> float:
    """Return the median processor time of n proposals of a sampler in a study."""
    study.sampler = sampler
    spent = []
    for _ in range(n):
        start = time.process_time()
        study.ask(space)
        spent.append(time.process_time() - start)
    return float(np.median(spent))
