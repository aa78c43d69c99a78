"""What earlier predictions of a study's trials have been worth, read off their records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from optuna_llm.surrogate.online import DEVIATIONS
from optuna_llm.surrogate.online import Recalibration
from optuna_llm.surrogate.online import deviations


if TYPE_CHECKING:
    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation


def has_unit(history: History) -> bool:
    """Whether losses are values of the objective, so that they compare along the search.

    Weighted ranks of several objectives do not, nor what trials have come to before one is whole.
    """
    return not history.is_multi_objective and bool(history.complete)


def recalibration_by(trials: Sequence[Observation], losses: np.ndarray) -> Recalibration:
    """Return the correction that recorded predictions of finished trials teach.

    Args:
        trials: Trials with known losses, n of them.
        losses: Theirs, signed values of the objective, shape (n,).
    """
    recorded = sorted(
        (o.number, o.expected.expected, loss)
        for o, loss in zip(trials, losses, strict=True)
        if o.state.is_finished()
        and len(o.expected.expected) == len(DEVIATIONS)
        and np.isfinite(loss)
    )
    if not recorded:
        return Recalibration()
    _, expected, outcomes = zip(*recorded, strict=True)
    return Recalibration(deviations(np.array(expected), np.array(outcomes)))
