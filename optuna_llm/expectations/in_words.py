"""What a statistical sampler says of a trial, in one sentence for people."""

from __future__ import annotations

import numpy as np
from optuna.study import StudyDirection

from optuna_llm.history.history import History
from optuna_llm.space.numbers import format_number
from optuna_llm.space.words import counted


def expectation(
    history: History,
    levels: np.ndarray,
    quantiles: np.ndarray,
    *,
    feasible: float | None = None,
) -> str:
    """Say what a surrogate expects of a configuration that it has chosen.

    Args:
        history: The study.
        levels: Quantile levels (k,), symmetric around the one in the middle, 0.5.
        quantiles: What the surrogate predicts at these levels of each signed objective, shape
            (objectives, k), or (k,) of a single one; of another shape where it only knows a
            weighting of several.
        feasible: The probability that all constraints are met, where there are any.
    """
    n = history.n_ranked
    chance = "" if feasible is None else f", {feasible:.0%} likely to meet the constraints"
    quantiles = np.atleast_2d(quantiles)
    k = len(history.directions)
    if len(quantiles) != k:
        promise = f"The most promising for one weighting of the {k} objectives"
        return f"{promise}{chance}, after {counted(n, 'trial')}."
    if not history.complete:
        # What a stopped trial would have come to is not known in units of the objective.
        order = f"the order of {counted(n, 'trial')}"
        return f"The most promising by {order}{chance}; none is complete yet."
    signs = [-1 if d == StudyDirection.MAXIMIZE else 1 for d in history.directions]
    each = ", ".join(
        f"{name}: {_interval(levels, sign * own)}"
        for name, sign, own in zip(history.metric_names, signs, quantiles, strict=True)
    )
    told = f"Expected {each}{chance}, after {counted(n, 'trial')}"
    feasible_values = [o.values[0] for o in history.complete if o.values and o.violation == 0]
    if not feasible_values:
        return f"{told}."
    if k > 1:
        return f"{told}; chosen for what it may add to their Pareto front."
    return f"{told}; their best: {format_number(signs[0] * min(feasible_values))}."


def likeness(history: History, probability: float) -> str:
    """Say how much a configuration looks like the best third of the trials."""
    trials = counted(history.n_ranked, "trial")
    return f"Looks like the best third of {trials} rather than the others: {probability:.0%}."


def _interval(levels: np.ndarray, quantiles: np.ndarray) -> str:
    """Return a median and its interval, such as ``2 (80% interval 1 to 3)``."""
    low, median, high = sorted(float(quantiles[i]) for i in (0, len(quantiles) // 2, -1))
    return (
        f"{format_number(median)} ({levels[-1] - levels[0]:.0%} interval {format_number(low)} to"
        f" {format_number(high)})"
    )
