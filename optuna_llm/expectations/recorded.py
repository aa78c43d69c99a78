"""What was expected of a trial when it was proposed, as its record says, for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from optuna_llm.expectations.recalibration import recalibration_by
from optuna_llm.surrogate.online import DEVIATIONS


if TYPE_CHECKING:
    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation


# So many of the newest earlier predictions tell how far this one is to be believed.
_MEMORY = 100


def recorded_quantiles(
    history: History, o: Observation, levels: Sequence[float]
) -> list[float] | None:
    """Return the quantiles that were expected of a trial, corrected by what came of earlier ones.

    Args:
        history: The study.
        o: One of its trials.
        levels: Increasing quantile levels in (0, 1).

    Returns:
        As the objective returns them, one for each level; None where nothing is recorded, as of
        other samplers' trials and of those at the start of a study, or of several objectives.
    """
    if history.is_multi_objective or not _is_recorded(o):
        return None
    earlier: list[Observation] = []
    for e in reversed(history.complete):
        if e.number < o.number and _is_recorded(e):
            earlier.append(e)
            if len(earlier) == _MEMORY:
                break
    losses = np.array([(e.values or ())[0] for e in earlier])
    correction = recalibration_by(earlier, losses)
    expected = np.array([o.expected.expected])
    if o.signs[0] > 0:
        return [float(q) for q in correction.quantiles(expected, levels)[0]]
    # The lowest quantile of the negated objective is the highest of the objective.
    mirrored = [1.0 - level for level in reversed(levels)]
    return [-float(q) for q in correction.quantiles(expected, mirrored)[0][::-1]]


def _is_recorded(o: Observation) -> bool:
    return len(o.expected.expected) == len(DEVIATIONS)
