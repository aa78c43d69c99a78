"""Expected hypervolume improvement, where each objective has its own predicted quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optuna_llm.surrogate.acquisition import log_expected_improvement


_MAX_CELLS = 500_000


def log_expected_hypervolume_improvement(
    quantiles: Sequence[np.ndarray],
    levels: Sequence[float] | np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
) -> np.ndarray:
    """Return the logarithm of the expected growth of the hypervolume that is dominated.

    What is not dominated yet, up to the reference point, is given as disjoint boxes. Of each, a
    result y dominates the part above y, whose sides have the lengths
    ``max(upper - y, 0) - max(lower - y, 0)``. The objectives being predicted independently, the
    expected volume is the product of the expected lengths, each the difference of two expected
    improvements (Emmerich et al. 2011 for two objectives, Yang et al. 2019 for more): exact where
    the quantiles are those of normal distributions, as for which they are taken.

    Args:
        quantiles: Of each objective, shape (m, levels), as
            :func:`~optuna_llm.surrogate.acquisition.log_expected_improvement` takes them.
        levels: Their levels.
        lower: Lower corners of the boxes, shape (boxes, objectives), minus infinity included.
        upper: Their upper corners.

    Returns:
        Shape (m,).
    """
    m = len(quantiles[0])
    step = max(_MAX_CELLS // max(len(lower), 1), 1)
    parts = [
        _log_volumes([q[i : i + step] for q in quantiles], levels, np.stack([lower, upper]))
        for i in range(0, m, step)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _log_volumes(
    quantiles: Sequence[np.ndarray], levels: Sequence[float] | np.ndarray, boxes: np.ndarray
) -> np.ndarray:
    total = np.zeros((len(quantiles[0]), boxes.shape[1]))
    for own, ends_of_boxes in zip(quantiles, boxes.T, strict=True):
        # Many boxes have a side in common, and sides an end.
        sides, of_box = np.unique(ends_of_boxes, axis=0, return_inverse=True)
        ends, of_side = np.unique(sides, return_inverse=True)
        gains = np.column_stack([log_expected_improvement(own, levels, float(e)) for e in ends])
        below, above = (gains[:, of_side.reshape(sides.shape)[:, end]] for end in (0, 1))
        # log(exp(above) - exp(below)); a side of no length is nothing.
        with np.errstate(divide="ignore"):
            lengths = above + np.log(-np.expm1(np.minimum(below - above, 0.0)))
        total += lengths[:, of_box.ravel()]
    top = total.max(axis=1)
    scaled = np.exp(total - np.where(np.isfinite(top), top, 0.0)[:, None])
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(scaled.sum(axis=1)) + np.where(np.isfinite(top), top, 0.0))
