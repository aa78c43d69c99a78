"""Predictive distributions corrected online by what came of earlier ones.

Conformal intervals hold on exchangeable data. The trials of an optimiser are not exchangeable:
they crowd around the best, each was chosen for its prediction (the winner's curse), and what they
sample of the objective changes as they move. So the predictions of past trials are compared with
their outcomes, and the levels of new ones are moved accordingly (recalibration, Kuleshov et al.
2018; online, as adaptive conformal inference, Gibbs and Candes 2021; by scores whose weights fade,
Barber et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
import sys

import numpy as np

from optuna_llm.surrogate.conformal import check_levels


# A predictive distribution is recorded as its quantiles at these deviations of a standard normal.
DEVIATIONS = np.array([-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0])
_LIMIT = 8.0
# Each newer outcome lets the weight of the older ones fade by this factor, ...
_FADING = 0.95
_MEMORY = 100
# ... and the belief that no correction is needed weighs as much as so many of the newest.
_PRIOR_WEIGHT = 2.0
_N_PRIOR = 99


def deviations(expected: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Return where outcomes lie in their predictive distributions, in standard deviations.

    Were the predictions right, these were standard normal.

    Args:
        expected: Predicted quantiles at :data:`DEVIATIONS`, shape (n, deviations), increasing
            along each row.
        outcomes: What came, shape (n,), finite.

    Returns:
        Shape (n,), at most 8 from 0. An outcome in the middle of a jump of the distribution
        counts as its middle.
    """
    return np.array([_deviation(q, y) for q, y in zip(expected, outcomes, strict=True)])


def _deviation(quantiles: np.ndarray, outcome: float) -> float:
    below = int(np.searchsorted(quantiles, outcome, side="left"))
    up_to = int(np.searchsorted(quantiles, outcome, side="right"))
    if below < up_to:
        return float(DEVIATIONS[below] + DEVIATIONS[up_to - 1]) / 2
    if 0 < below < len(quantiles):
        return float(np.interp(outcome, quantiles[below - 1 : below + 1], _cell(below)))
    # Beyond the last quantile as steep as in front of it.
    side, last, inner = (-1, 0, 1) if below == 0 else (1, -1, -2)
    # In halves: differences of huge values would overflow.
    slope = abs(quantiles[last] / 2 - quantiles[inner] / 2) / abs(
        DEVIATIONS[last] - DEVIATIONS[inner]
    )
    with np.errstate(divide="ignore", over="ignore"):
        beyond = np.abs(outcome / 2 - quantiles[last] / 2) / slope
    return float(np.clip(DEVIATIONS[last] + side * beyond, -_LIMIT, _LIMIT))


def _cell(right: int) -> np.ndarray:
    return DEVIATIONS[right - 1 : right + 1]


class Recalibration:
    """A map of quantile levels, learnt from the outcomes of earlier predictions.

    Where an outcome of the past lay in its predictive distribution is a score; the quantile that
    is told is the one that lies where that share of the scores did. The newest scores count most,
    and two scores' worth of a standard normal stands for no correction: with no outcomes yet,
    quantiles are told as they are predicted.

    Args:
        scores: :func:`deviations` of earlier predictions, the newest last, shape (n,).
    """

    def __init__(self, scores: np.ndarray | Sequence[float] = ()) -> None:
        from scipy.special import ndtri

        own = np.asarray(scores, dtype=float)[-_MEMORY:]
        prior = ndtri((np.arange(_N_PRIOR) + 0.5) / _N_PRIOR)
        every = np.concatenate([own, prior])
        weights = np.concatenate(
            [_FADING ** np.arange(len(own))[::-1], np.full(_N_PRIOR, _PRIOR_WEIGHT / _N_PRIOR)]
        )
        order = np.argsort(every, kind="stable")
        self._scores, weights = every[order], weights[order]
        self._below = (np.cumsum(weights) - weights / 2) / weights.sum()

    def quantiles(self, expected: np.ndarray, levels: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return corrected quantiles.

        Args:
            expected: Predicted quantiles at :data:`DEVIATIONS`, shape (m, deviations).
            levels: In (0, 1), increasing.

        Returns:
            Shape (m, levels), increasing along each row, in units of ``expected``.
        """
        places = np.interp(check_levels(np.asarray(levels)), self._below, self._scores)
        # Linear between the deviations, and on beyond the last.
        right = np.clip(np.searchsorted(DEVIATIONS, places), 1, len(DEVIATIONS) - 1)
        share = (places - DEVIATIONS[right - 1]) / (DEVIATIONS[right] - DEVIATIONS[right - 1])
        # In halves: differences of huge values would overflow.
        left, other = expected[:, right - 1] / 2, expected[:, right] / 2
        with np.errstate(over="ignore"):
            found = 2 * (left + share * (other - left))
        return np.asarray(np.clip(found, -sys.float_info.max, sys.float_info.max))
