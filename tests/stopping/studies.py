"""Studies whose end is known: a bowl that was searched for long, or that has just begun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from optuna_llm.history.history import History
from optuna_llm.stopping.remaining import Remaining


SPACE = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}


def bowl(x: float, y: float) -> float:
    return (x - 0.3) ** 2 + (y - 0.6) ** 2


def study_of(
    points: Sequence[Sequence[float]],
    values: Sequence[float] | None = None,
    *,
    direction: str = "minimize",
    **attributes: Any,
) -> optuna.Study:
    """Return a study of trials at points (n, 2), with the values of a bowl if none are given."""
    study = optuna.create_study(direction=direction)
    sign = 1 if direction == "minimize" else -1
    for i, (x, y) in enumerate(points):
        value = sign * bowl(x, y) if values is None else values[i]
        params = {"x": float(x), "y": float(y)}
        study.add_trial(
            create_trial(value=value, params=params, distributions=SPACE, **attributes)
        )
    return study


def spread_points(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 2))


def converged_points(n: int) -> np.ndarray:
    """Return points all over the space, and as many that close in on the optimum."""
    rng = np.random.default_rng(1)
    near = np.array([0.3, 0.6]) + 0.5 ** np.arange(n // 2)[:, None] * rng.normal(size=(n // 2, 2))
    return np.vstack([spread_points(n - n // 2), np.clip(near, 0, 1)])


def remaining_of(study: optuna.Study) -> Remaining:
    return Remaining(History.from_study(study))
