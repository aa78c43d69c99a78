"""Objective values <-> the scale on which surrogates are fitted."""

from __future__ import annotations

import functools
import math
from typing import Literal
import warnings

import numpy as np


TargetScale = Literal["saturating", "rank", "raw"]

# In median deviations of the better half: linear up to here beyond the median, and from there on
# at most this much more.
_LINEAR, _BEYOND = 3.0, 3.0
_LEAST_UNIT = 1e-150


class TargetTransform:
    """A strictly increasing map between objective values and a scale of unit variance.

    ``"saturating"`` is linear, but bounded for values far worse than the median: the surrogate
    sees the shape of the valley, and divergence or 1e6-sized losses do not flatten it.
    ``"rank"`` replaces each value by the normal quantile of its rank (a Gaussian copula, Salinas
    et al. 2020). ``"raw"`` is linear. The result is standardised. Infinite values count as the
    worst (best) finite one, as a rank of their own in ``"rank"``.
    """

    def __init__(self, scale: TargetScale = "saturating") -> None:
        self._scale = scale

    def fit_transform(self, y: np.ndarray) -> np.ndarray:
        """Learn the map from values y of shape (n,), n >= 1, and return the scaled values."""
        n = len(y)
        finite = y[np.isfinite(y)]
        if len(finite) < n:
            _tell_of_infinite_values()
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
        clipped = np.clip(y, low, high)
        if self._scale == "rank":
            from scipy.special import ndtri
            from scipy.stats import rankdata

            z = ndtri((rankdata(y) - 0.5) / n)
        else:
            # In units of the largest: squares of huge values would overflow.
            relative = clipped / (np.abs(clipped).max() or 1.0)
            z = _saturating(relative) if self._scale == "saturating" else relative
            spread = z.std()
            z = (z - z.mean()) / spread if spread > 0 else np.zeros(n)
        self._z, first = np.unique(z, return_index=True)
        self._y = np.maximum.accumulate(clipped[first])
        # Without any spread, the size of the values is the only hint of their unit; the more
        # values agree, the less of it is believed.
        self._unit = max(abs(float(self._y[0])), 1e-12) / n if low != 0 else 1.0 / n
        return np.asarray(z)

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """Return the objective values of scaled values of any shape; linear beyond the data."""
        y = np.interp(z, self._z, self._y)
        for beyond, end, side in ((z < self._z[0], 0, 1), (z > self._z[-1], -1, -1)):
            y = np.where(beyond, self._y[end] + self._slope(end, side) * (z - self._z[end]), y)
        return np.asarray(y)

    def forward(self, y: float) -> float:
        """Return the scaled value of an objective value; linear beyond the data."""
        for beyond, end, side in ((y < self._y[0], 0, 1), (y > self._y[-1], -1, -1)):
            if beyond:
                distance = y / 2 - self._y[end] / 2
                return float(self._z[end] + distance / (self._slope(end, side) / 2))
        return float(np.interp(y, self._y, self._z))

    def _slope(self, end: int, side: int) -> float:
        """Return the slope of the map beyond one end: that of the next half unit inside."""
        inside = np.abs(self._z - self._z[end])
        far = np.flatnonzero((inside >= 0.5) & (self._y != self._y[end]))
        if len(far) == 0:
            far = np.flatnonzero(self._y != self._y[end])
        if len(far) == 0:
            return self._unit
        other = far[0] if side > 0 else far[-1]
        slope = (self._y[other] / 2 - self._y[end] / 2) / (self._z[other] - self._z[end])
        return min(float(slope), math.sqrt(np.finfo(float).max)) * 2


@functools.cache
def _tell_of_infinite_values() -> None:
    """Say once in a process that infinite values are not taken as they are."""
    warnings.warn(
        "Some objective values are infinite. A surrogate takes them for as bad (or good) as the"
        " worst (best) finite one; return a large finite value, or let the trial fail, if they"
        " are worse than that.",
        RuntimeWarning,
        stacklevel=2,
    )


def _saturating(y: np.ndarray) -> np.ndarray:
    """Return values in median deviations of the better half from the median, the tail bounded."""
    middle = np.median(y)
    deviations = np.abs(y - middle)
    better = deviations[y < middle]
    unit = np.median(better) if len(better) else np.mean(deviations)
    if unit == 0:
        return np.zeros(len(y))
    # Values are at most 1; squares of what is as much further as this are finite still.
    u = (y - middle) / max(unit, _LEAST_UNIT)
    excess = np.maximum(u - _LINEAR, 0.0)
    return np.asarray(np.minimum(u, _LINEAR) + excess / (1 + excess / _BEYOND))
