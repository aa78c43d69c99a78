"""Evaluations stopped at different steps of their learning curves, made comparable."""

from __future__ import annotations

from collections import Counter
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import NamedTuple

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


class Aligned(NamedTuple):
    """What evaluations would have come to.

    Attributes:
        values: Shape (n,), lower is better. Where not ``in_units``, only their order means
            something: they are places behind all the others.
        in_units: Which of the values are in units of the objective, bool, shape (n,): final ones,
            and those that could be carried to the end.
    """

    values: np.ndarray
    in_units: np.ndarray


def aligned_values(
    curves: Sequence[Mapping[int, float]], final: Sequence[float | None]
) -> np.ndarray:
    """Return the values of :func:`align`, shape (n,)."""
    return align(curves, final).values


def align(curves: Sequence[Mapping[int, float]], final: Sequence[float | None]) -> Aligned:
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
        The values, and which of them are more than places.
    """
    values = np.array([np.nan if f is None else f for f in final], dtype=float)
    stopped = [i for i, f in enumerate(final) if f is None]
    if not stopped:
        return Aligned(values, np.ones(len(values), dtype=bool))
    last = {i: max(curves[i]) for i in stopped}
    gains = _gains(curves, final, set(last.values()))
    for i, step in last.items():
        if step in gains:
            values[i] = curves[i][step] + gains[step]
    finished_values = [f for f in final if f is not None]
    if finished_values:
        values[stopped] = np.maximum(values[stopped], min(finished_values))
    in_units = ~np.isnan(values)
    unknown = [int(i) for i in np.flatnonzero(~in_units)]
    unknown.sort(key=lambda i: (-last[i], curves[i][last[i]]))
    known = values[np.isfinite(values)]
    worst = known.max() if len(known) else 0.0
    unit = (np.ptp(known) if len(known) else 0.0) / len(curves) or 1.0
    for place, i in enumerate(unknown):
        values[i] = worst + unit * (place + 1)
    return Aligned(values, in_units)


def _gains(
    curves: Sequence[Mapping[int, float]], final: Sequence[float | None], steps: set[int]
) -> dict[int, float]:
    """Return the median change from each of the steps to the end, where it can be known."""
    finished = [(c, f) for c, f in zip(curves, final, strict=True) if f is not None]

    def to_the_end(step: int) -> list[float]:
        return [f - c[step] for c, f in finished if step in c]

    changes = {step: to_the_end(step) for step in steps}
    gains = {s: _median(found) for s, found in changes.items() if len(found) >= _MIN_SHARED}
    unknown = steps - gains.keys()
    # Any way to the end leads over a step from which it is known.
    ends = Counter(step for c, _ in finished for step in c) if unknown else Counter()
    ends = Counter({step: n for step, n in ends.items() if n >= _MIN_SHARED})
    if not ends:
        return gains
    ways = _ways(curves, min(unknown), ends)
    for first in unknown & ways.keys():
        way = [first]
        while way[-1] in ways:
            way.append(ways[way[-1]])
        gains[way[-1]] = _median(to_the_end(way[-1]))
        for step, later in zip(way[-2::-1], way[:0:-1], strict=True):
            shared = [c[later] - c[step] for c in curves if step in c and later in c]
            gains[step] = _median(shared) + gains[later]
    return gains


def _ways(
    curves: Sequence[Mapping[int, float]], lowest: int, ends: Mapping[int, int]
) -> dict[int, int]:
    """Return from which step to go on to which: the highest that is shared and leads to an end.

    Args:
        curves: Reported values by step.
        lowest: The lowest step to start from.
        ends: Steps from which no way is needed.
    """
    rows = defaultdict(list)
    highest = max(ends)
    for row, curve in enumerate(curves):
        for step in curve:
            if lowest <= step <= highest:
                rows[step].append(row)
    steps = sorted(step for step, of in rows.items() if len(of) >= _MIN_SHARED)
    held: list[list[int]] = [[] for _ in curves]
    for column, step in enumerate(steps):
        for row in rows[step]:
            held[row].append(column)
    columns = [np.array(h, dtype=np.intp) for h in held]
    leads = np.array([step in ends for step in steps], dtype=bool)
    ways = {}
    for column in range(len(steps) - 1, -1, -1):
        if leads[column]:
            continue
        together = np.concatenate([columns[row] for row in rows[steps[column]]])
        n_shared = np.bincount(together, minlength=len(steps))
        later = np.flatnonzero((n_shared >= _MIN_SHARED) & leads)
        if len(later) and later[-1] > column:
            leads[column] = True
            ways[steps[column]] = steps[later[-1]]
    return ways


def _median(changes: Sequence[float]) -> float:
    finite = [c for c in changes if math.isfinite(c)]
    return float(np.median(finite)) if finite else 0.0
