"""What trials have lost: one number for each, comparable among them; lower is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from optuna_llm.history.fidelity import aligned_values
from optuna_llm.history.fidelity import last_values
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation


MultiFidelity = Literal["aligned", "last", "ignore"]

_MAX_PRUNED_AWAITED = 50
_AUGMENTATION = 0.05


def losses_of(
    trials: Sequence[Observation],
    weights: Sequence[float] | np.ndarray = (),
    *,
    multi_fidelity: MultiFidelity = "aligned",
) -> np.ndarray:
    """Return the signed value of each trial, an estimate of it, or a weighting of its values.

    Args:
        trials: Complete trials, and with one objective also others that have reported, n of them.
        weights: Of the objectives, where there are several.
        multi_fidelity: What a trial that was stopped has lost: ``"last"``: its last value; else
            what it would have come to (:func:`optuna_llm.history.fidelity.aligned_values`).

    Returns:
        Shape (n,).
    """
    if len(weights) > 0:
        values = np.array([o.values for o in trials], dtype=float)
        return _chebyshev(values.reshape(-1, len(weights)), weights)
    final = [None if o.values is None else o.values[0] for o in trials]
    if all(o.values is not None for o in trials):
        return np.array(final, dtype=float)
    curves = [o.intermediate_values for o in trials]
    if multi_fidelity == "last":
        return last_values(curves, final)
    return aligned_values(curves, final)


def known_and_awaited(
    history: History, multi_fidelity: MultiFidelity = "aligned"
) -> tuple[list[Observation], list[Observation]]:
    """Return the trials whose losses are known or can be estimated, and those to be awaited.

    A running trial that has reported joins the former, but not where trials have constraints that
    it has not set yet: what has not met them is no success.

    Args:
        history: The study.
        multi_fidelity: ``"ignore"``: only complete trials count.
    """
    known, awaited = list(history.complete), list(history.running)
    if multi_fidelity == "ignore" or history.is_multi_objective:
        # Their values say nothing, but the same again would be pruned again.
        return known, awaited + list(history.pruned[-_MAX_PRUNED_AWAITED:])
    constraints = {name for o in known for name in o.constraints}
    reported = [o for o in awaited if o.intermediate_values and constraints <= set(o.constraints)]
    known += [o for o in history.pruned if o.intermediate_values] + reported
    numbers = {o.number for o in reported}
    return known, [o for o in awaited if o.number not in numbers]


def _chebyshev(values: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the augmented Chebyshev scalarisation of the ranks of several objectives.

    As in ParEGO (Knowles 2006), but of ranks: objectives may differ in spread by any factor.

    Args:
        values: Objective values, shape (n, objectives), lower is better.
        weights: Of the objectives, not negative, summing to one.

    Returns:
        Shape (n,), from 0 to 1.05, lower is better.
    """
    ranks = np.column_stack([np.unique(v, return_inverse=True)[1] for v in values.T])
    weighted = ranks / np.maximum(ranks.max(axis=0, initial=0), 1) * np.asarray(weights)
    return np.asarray(weighted.max(axis=1, initial=0.0) + _AUGMENTATION * weighted.sum(axis=1))
