"""Evaluations stopped at different steps of their learning curves, made comparable."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math

import numpy as np


_MIN_SHARED = 4


def last_values(
    curves: Sequence[Mapping[int, float]], final: Sequence[float | None]
) -> np.ndarray:
    """Return what each evaluation last said, at whatever step (Salinas et al. 2023, section 5).

    Args:
        curves: Reported values by step; not empty where there is no final value.
        final: Final values; None for an evaluation that was stopped.

    Returns:
        Shape (n,).
    """
    return np.array(
        [c[max(c)] if f is None else f for c, f in zip(curves, final, strict=True)], dtype=float
    )


def aligned_values(
    curves: Sequence[Mapping[int, float]], final: Sequence[float | None]
) -> np.ndarray:
    """Return what each evaluation would have come to, lower is better.

    A value at a low step is not comparable with one at a high step. A stopped evaluation is
    carried upwards by the median change that evaluations which passed its last step have shown
    from there: to their final value, or else to the highest step that enough of them reached, and
    on from there. An evaluation stopped early is never taken for better than the best finished
    one. Where too few have gone on, the order of evaluations is by how far they came, then by
    value, after all the others.

    Args:
        curves: Reported values by step; not empty where there is no final value.
        final: Final values; None for an evaluation that was stopped.

    Returns:
        Shape (n,). Only its order is meaningful where there are too few to compare.
    """
    if not curves:
        return np.empty(0)
    gains: dict[int, float | None] = {}

    def gain(step: int) -> float | None:
        """Return the median change from a step to the final value; None if unknown."""
        if step in gains:
            return gains[step]
        gains[step] = None
        passed = [(c, f) for c, f in zip(curves, final, strict=True) if step in c]
        finished = [f - c[step] for c, f in passed if f is not None]
        if len(finished) >= _MIN_SHARED:
            gains[step] = _median(finished)
            return gains[step]
        later = sorted({s for c, _ in passed for s in c if s > step}, reverse=True)
        for s in later:
            changes = [c[s] - c[step] for c, _ in passed if s in c]
            if len(changes) >= _MIN_SHARED and (rest := gain(s)) is not None:
                gains[step] = _median(changes) + rest
                break
        return gains[step]

    values = np.full(len(curves), np.nan)
    for i, (curve, value) in enumerate(zip(curves, final, strict=True)):
        if value is not None:
            values[i] = value
        elif (change := gain(max(curve))) is not None:
            values[i] = curve[max(curve)] + change
    finished_values = [f for f in final if f is not None]
    stopped = np.array([f is None for f in final], dtype=bool)
    if finished_values:
        values[stopped] = np.maximum(values[stopped], min(finished_values))
    unknown = [i for i in range(len(curves)) if math.isnan(values[i])]
    unknown.sort(key=lambda i: (-max(curves[i]), curves[i][max(curves[i])]))
    known = values[np.isfinite(values)]
    worst = known.max() if len(known) else 0.0
    unit = (np.ptp(known) if len(known) else 0.0) / len(curves) or 1.0
    for place, i in enumerate(unknown):
        values[i] = worst + unit * (place + 1)
    return values


def _median(changes: Sequence[float]) -> float:
    finite = [c for c in changes if math.isfinite(c)]
    return float(np.median(finite)) if finite else 0.0
