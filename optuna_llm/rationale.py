"""What a statistical sampler says of a trial, in one sentence for people."""

from __future__ import annotations

import numpy as np

from optuna_llm.history import History
from optuna_llm.space import format_number


def expectation(
    history: History,
    levels: np.ndarray,
    quantiles: np.ndarray,
    *,
    of_violation: bool = False,
) -> str:
    """Say what a surrogate expects of a configuration that it has chosen.

    Args:
        history: The study.
        levels: Quantile levels (k,), symmetric around the one in the middle, 0.5.
        quantiles: What the surrogate predicts at these levels, (k,): the signed objective of a
            study with one objective, or the violation of the constraints.
        of_violation: Whether it is the violation, because no trial has met the constraints yet.
    """
    n = len(history.ranking)
    if history.is_multi_objective and not of_violation:
        k = len(history.directions)
        return f"The most promising for one weighting of the {k} objectives, after {n} trials."
    best = None if of_violation else history.best
    sign = 1 if best is None else best.signs[0]
    low, median, high = sorted(sign * float(quantiles[i]) for i in (0, len(quantiles) // 2, -1))
    told = (
        f"Expected {'violation' if of_violation else history.metric_names[0]}:"
        f" {format_number(median)} ({levels[-1] - levels[0]:.0%} interval {format_number(low)} to"
        f" {format_number(high)}), after {n} trials"
    )
    if best is None or best.values is None:
        return f"{told}."
    return f"{told}; their best: {format_number(sign * best.values[0])}."
