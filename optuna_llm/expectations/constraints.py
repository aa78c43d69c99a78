"""The constraints of a study: by how much trials break them, and a model of each."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from optuna_llm.surrogate.feasibility import Feasibility
from optuna_llm.surrogate.quantile import QuantileEnsemble


if TYPE_CHECKING:
    from optuna_llm.history.history import Observation


def constraint_models(
    names: Sequence[str],
    trials: Sequence[Observation],
    features: np.ndarray,
    pending: np.ndarray,
    seed: Callable[[str], int],
) -> list[QuantileEnsemble | Feasibility]:
    """Return a model of each constraint, fitted to the trials that know it.

    It is a regression, for values tell how far the border is; but a classifier where one side of
    the border has a single value, which tells no distance.

    Args:
        names: Of the constraints.
        trials: Trials, n of them.
        features: Theirs, shape (n, f).
        pending: Of trials under way, shape (p, f).
        seed: Returns the seed of the model with a name.
    """
    models: list[QuantileEnsemble | Feasibility] = []
    for name in names:
        rows = [i for i, o in enumerate(trials) if name in o.constraints]
        values = finite([trials[i].constraints[name] for i in rows])
        own = seed(f"constraint {name}")
        broken = values > 0
        sides = values[broken], values[~broken]
        if any(len(side) > 1 and np.ptp(side) == 0 for side in sides):
            models.append(Feasibility(seed=own, tolerance=0.0).fit(features[rows], broken))
        else:
            models.append(QuantileEnsemble(seed=own).fit(features[rows], values, pending))
    return models


def violations(trials: Sequence[Observation], names: Sequence[str]) -> np.ndarray:
    """Return by how much each of n trials breaks its constraints in all, shape (n,).

    Each constraint counts in units of its median violation; infinite, NaN and unknown values are
    infinite violations.
    """
    total = np.zeros(len(trials))
    for name in names:
        values = np.array([o.constraints.get(name, np.inf) for o in trials], dtype=float)
        broken = np.maximum(np.where(np.isnan(values), np.inf, values), 0.0)
        known = broken[(broken > 0) & np.isfinite(broken)]
        total += broken / (np.median(known) if len(known) else 1.0)
    return total


def finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return constraint values (n,) with finite stand-ins beyond all others for the others."""
    array = np.array(values, dtype=float)
    array[np.isnan(array)] = np.inf
    known = np.append(array[np.isfinite(array)], 0.0)
    unit = max(float(known.max() / 2 - known.min() / 2), 0.5)
    return np.asarray(np.clip(array, known.min() - unit, known.max() + unit))
