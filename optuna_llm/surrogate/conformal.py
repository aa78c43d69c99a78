"""Conformal calibration: quantiles with the coverage that they promise on exchangeable data.

All functions take and return arrays; units are those of the values given. References: Vovk,
Gammerman and Shafer 2005; Papadopoulos et al. 2011 (scores normalised by nearest neighbours);
Tibshirani et al. 2019 (weighted scores).
"""

from __future__ import annotations

import numpy as np

from optuna_llm.errors import ConfigurationError


_NOISE_WIDTH = 0.25


def check_levels(levels: np.ndarray) -> np.ndarray:
    """Return quantile levels as an array, or say what is wrong with them.

    Raises:
        ConfigurationError: Not one-dimensional, empty, or not strictly between 0 and 1.
    """
    levels = np.atleast_1d(np.asarray(levels, dtype=float))
    if levels.ndim != 1 or len(levels) == 0 or not np.all((levels > 0) & (levels < 1)):
        raise ConfigurationError(
            f"levels={levels.tolist()} must be a flat list of numbers strictly between 0 and 1."
        )
    return levels


def score_quantiles(
    scores: np.ndarray, levels: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return conformal quantiles of calibration scores, for one more exchangeable score.

    A new score is equally likely to fall into each of the n + 1 gaps between n scores. Hence
    level p is the order statistic number p (n + 1), interpolated between neighbours; this is
    where the finite-sample correction stands. Beyond the smallest and the largest score there is
    no such promise; there the quantile is that score. With weights, a score counts for as many as
    it stands for, and the new one as the average (Tibshirani et al. 2019).

    Args:
        scores: Shape (n,), n >= 1.
        levels: Quantile levels in (0, 1), any shape.
        weights: Of the scores, positive, shape (n,); equal by default.

    Returns:
        An array of the shape of ``levels``.
    """
    if weights is None:
        return np.asarray(np.quantile(scores, levels, method="weibull"))
    order = np.argsort(scores)
    below = np.cumsum(weights[order])
    return np.asarray(np.interp(levels, below / (below[-1] + weights.mean()), scores[order]))


def shrunk_score_quantiles(
    scores: np.ndarray,
    levels: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    full_trust: int = 40,
) -> np.ndarray:
    """Return conformal quantiles of scores, leaning on the normal distribution when few.

    Args:
        scores: Out-of-sample residuals in units of their predicted deviation, shape (n,), n >= 0.
        levels: Quantile levels in (0, 1), shape (q,).
        weights: Of the scores, positive, shape (n,); equal by default.
        full_trust: From this n on the scores alone decide.

    Returns:
        Shape (q,), increasing in the level.
    """
    from scipy.special import ndtri

    n = len(scores)
    if n == 0:
        return np.asarray(ndtri(levels))
    trust = min(1.0, n / full_trust)
    # The normal's scale: the scores', with two pseudo-scores of 1 against being all zero.
    scale = np.sqrt((np.sum(scores**2) + 2.0) / (n + 2.0))
    return np.asarray(
        trust * score_quantiles(scores, levels, weights) + (1 - trust) * scale * ndtri(levels)
    )


class NeighbourWidth:
    """A relative width that grows with the distance to what is known.

    ``g(x) = 1/4 + 3/4 min(d(x) / median d, 2)`` with d the distance to the nearest known point
    and the median over the known points themselves, each without itself. Scores divided by g are
    as exchangeable as the points are, so calibration stays valid, while quantiles are narrow next
    to known points and wide in empty regions.

    Args:
        X: Known points, shape (n, f), without NaN.
    """

    def __init__(self, X: np.ndarray) -> None:
        from scipy.spatial.distance import cdist

        self._X = X
        if len(X) < 2:
            self._own = np.zeros(len(X))
        else:
            distances = cdist(X, X)
            np.fill_diagonal(distances, np.inf)
            self._own = distances.min(axis=1)
        positive = self._own[self._own > 0]
        self._median = float(np.median(positive)) if len(positive) else 0.0

    def __call__(
        self, X: np.ndarray, pending: np.ndarray | None = None, *, noise: bool = True
    ) -> np.ndarray:
        """Return widths at points X (m, f), shape (m,).

        Args:
            X: Points, shape (m, f).
            pending: Points (p, f) that count as known.
            noise: With False, the width vanishes at known points.
        """
        from scipy.spatial.distance import cdist

        known = self._X if pending is None else np.vstack([self._X, pending])
        return self._width(cdist(X, known).min(axis=1)) - (0.0 if noise else _NOISE_WIDTH)

    def own(self) -> np.ndarray:
        """Return the widths at the known points, each by the others alone; shape (n,)."""
        return self._width(self._own)

    def _width(self, distance: np.ndarray) -> np.ndarray:
        if self._median == 0:
            return np.ones(len(distance))
        return _NOISE_WIDTH + 0.75 * np.minimum(distance / self._median, 2.0)
