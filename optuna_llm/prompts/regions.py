"""Boxes in the search space that are worth a name: where trials fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from optuna_llm.history.history import Observation
from optuna_llm.prompts.statistics import evenly
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import show_name
from optuna_llm.space.words import show_value


MIN_FAILURES = 3
# A pattern that chance alone would show in one study of twenty is not shown.
_SIGNIFICANCE = 0.05
_COVERED_SHARE = 0.9
_MIN_TRIALS = 5
_N_BINS = 3
_MAX_LEVELS = 12


@dataclass(frozen=True)
class Box:
    """A part of the search space, named by one or two conditions.

    Attributes:
        conditions: The conditions, as text.
        n_inside: Number of trials of interest inside: the failed ones, or all.
        n_trials: Number of trials of interest.
        n_others_inside: Number of other finished trials inside.
        n_others: Number of other finished trials looked at.
    """

    conditions: tuple[str, ...]
    n_inside: int
    n_trials: int
    n_others_inside: int = 0
    n_others: int = 0

    def __str__(self) -> str:
        return " and ".join(self.conditions)


# --------------------------------------------------------------------------------------
# Where trials fail


def failure_boundary(
    space: SearchSpace, failed: Sequence[Observation], others: Sequence[Observation]
) -> Box | None:
    """Return the box of one or two conditions that tells failed trials from the others best.

    A box must hold nine tenths of the failed trials. Among such boxes the one wins that chance
    explains least: the one-sided p-value of Fisher's exact test, times the number of boxes tried.
    None where chance explains it well enough.
    """
    failed, others = evenly(failed), evenly(others)
    k, n = len(failed), len(others)
    if k < MIN_FAILURES or n == 0:
        return None
    x = space.coordinates(o.params for o in (*failed, *others))
    needed = math.ceil(_COVERED_SHARE * k)
    conditions = [
        condition
        for name, column in zip(space.names, x.T, strict=True)
        for condition in _conditions(space, name, column, column[:k], needed)
    ]
    if not conditions:
        return None
    # Its import takes as long as all of ours.
    from scipy.stats import hypergeom

    inside = np.array([mask for _, mask in conditions], dtype=float)
    hits, misses = inside[:, :k] @ inside[:, :k].T, inside[:, k:] @ inside[:, k:].T
    # The diagonal holds single conditions. A second one may have its edge at any failed trial.
    n_pairs = max(len(conditions) * (len(conditions) - 1) / 2, 1)
    n_boxes = np.where(np.eye(len(conditions)) > 0, len(conditions), k * n_pairs)
    chance = np.full(hits.shape, np.inf)
    enough = hits >= needed
    inside_enough, size = hits[enough], hits[enough] + misses[enough]
    # Not its logsf, which goes through the boxes one by one; nothing here is too small for sf.
    tail = hypergeom.sf(inside_enough - 1, k + n, k, size)
    chance[enough] = np.log(n_boxes[enough]) + np.log(tail)
    # Each unordered pair once; rounded, so that ties go to the first on any machine.
    chance = np.where(np.tri(len(hits), k=-1) > 0, np.inf, chance.round(9))
    i, j = np.unravel_index(int(np.argmin(chance)), chance.shape)
    if chance[i, j] > math.log(_SIGNIFICANCE):
        return None
    return Box(
        conditions=tuple(dict.fromkeys((conditions[i][0], conditions[j][0]))),
        n_inside=int(hits[i, j]),
        n_trials=k,
        n_others_inside=int(misses[i, j]),
        n_others=n,
    )


def _conditions(
    space: SearchSpace, name: str, column: np.ndarray, failed: np.ndarray, needed: int
) -> list[tuple[str, np.ndarray]]:
    """Return the conditions on one parameter that hold enough failed trials: text and mask."""
    failed = np.sort(failed[~np.isnan(failed)])
    if len(failed) < needed:
        return []
    shown = show_name(name)
    if space.n_choices[space.names.index(name)]:
        levels, counts = np.unique(failed, return_counts=True)
        level = levels[np.argmax(counts)]
        value = show_value(space, name, space.value(name, level))
        return [(f"{shown} = {value}", column == level)]
    found = []
    # The edge of all failed trials, and of all but as many as may be missing.
    for spare in sorted({0, len(failed) - needed}):
        low, high = failed[spare], failed[-1 - spare]
        for sign, edge, mask in ((">=", low, column >= low), ("<=", high, column <= high)):
            value = show_value(space, name, space.value(name, edge))
            found.append((f"{shown} {sign} {value}", mask))
    return found
