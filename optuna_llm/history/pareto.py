"""Non-domination: which of several results are best where there are several objectives."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np


# With three objectives and more, so many of the best rows are compared with all others.
_MAX_COMPARED = 1000


def non_domination_ranks(values: np.ndarray) -> np.ndarray:
    """Return the front of each row of (n, objectives), lower is better; 0 is the best front.

    Exact for up to two objectives, in n log n steps, and for up to 1,000 different rows. Of more
    rows with more objectives, only the 1,000 with the lowest mean rank can dominate others.
    """
    # The unique rows are in lexicographic order: whatever dominates a row stands before it.
    rows, inverse = np.unique(values, axis=0, return_inverse=True)
    fronts = _two_fronts(rows[:, -1]) if rows.shape[1] <= 2 else _fronts(rows)
    return fronts[inverse.ravel()]


def _two_fronts(last: np.ndarray) -> np.ndarray:
    """Return the fronts of rows by increasing first objective, from their last one, (n,)."""
    # Of each front the lowest last objective so far; they increase from front to front.
    lowest: list[float] = []
    fronts = np.zeros(len(last), dtype=int)
    for i, value in enumerate(last.tolist()):
        front = bisect_right(lowest, value)
        lowest[front : front + 1] = [value]
        fronts[i] = front
    return fronts


def _fronts(rows: np.ndarray) -> np.ndarray:
    compared = np.arange(len(rows))
    if len(rows) > _MAX_COMPARED:
        ranks = np.mean([np.unique(v, return_inverse=True)[1] for v in rows.T], axis=0)
        compared = np.sort(np.argsort(ranks, kind="stable")[:_MAX_COMPARED])
    fronts = np.zeros(len(rows), dtype=int)
    for i, row in enumerate(rows):
        before = compared[: np.searchsorted(compared, i)]
        # The front of a row is one behind the last of those that dominate it.
        dominating = fronts[before][(rows[before] <= row).all(axis=1)]
        fronts[i] = dominating.max(initial=-1) + 1
    return fronts


def is_on_front(values: np.ndarray) -> np.ndarray:
    """Say which rows of (n, objectives) no other one dominates, exactly; bool, shape (n,)."""
    rows, inverse = np.unique(values, axis=0, return_inverse=True)
    front = np.zeros(len(rows), dtype=bool)
    for i, row in enumerate(rows):
        front[i] = not (rows[:i][front[:i]] <= row).all(axis=1).any()
    return front[inverse.ravel()]
