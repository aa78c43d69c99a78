"""Boxes in the search space that are worth a name: where trials fail, where few have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import math

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.prompts.statistics import evenly
from optuna_llm.prompts.text import show_name
from optuna_llm.prompts.text import show_value
from optuna_llm.space import SearchSpace
from optuna_llm.space import from_unit
from optuna_llm.space import labels
from optuna_llm.space import to_unit


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
    inside = np.array([mask for _, mask in conditions], dtype=float)
    hits, misses = inside[:, :k] @ inside[:, :k].T, inside[:, k:] @ inside[:, k:].T
    # The diagonal holds single conditions. A second one may have its edge at any failed trial.
    n_pairs = max(len(conditions) * (len(conditions) - 1) / 2, 1)
    n_boxes = np.where(np.eye(len(conditions)) > 0, len(conditions), k * n_pairs)
    chance = np.full(hits.shape, np.inf)
    enough = hits >= needed
    chance[enough] = np.log(n_boxes[enough]) + _log_fisher(
        hits[enough].astype(int), misses[enough].astype(int), k, n
    )
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


def _log_fisher(hits: np.ndarray, misses: np.ndarray, k: int, n: int) -> np.ndarray:
    """Return the log probability that a box of as many trials holds as many failed ones or more.

    Args:
        hits: Failed trials inside, any shape.
        misses: Other trials inside, the same shape.
        k: Failed trials.
        n: Other trials.
    """
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, k + n + 1)))])

    def log_choose(total: np.ndarray | int, part: np.ndarray | int) -> np.ndarray:
        possible = (part >= 0) & (part <= total)
        part = np.where(possible, part, 0)
        value = log_factorial[total] - log_factorial[part] - log_factorial[total - part]
        return np.where(possible, value, -np.inf)

    size = hits + misses
    tail = np.full(hits.shape, -np.inf)
    for more in range(int(k - hits.min(initial=k)) + 1):
        inside = hits + more
        term = log_choose(size, inside) + log_choose(k + n - size, k - inside)
        tail = np.logaddexp(tail, np.where(inside <= k, term, -np.inf))
    return np.asarray(tail - log_choose(k + n, k))


def _conditions(
    space: SearchSpace, name: str, column: np.ndarray, failed: np.ndarray, needed: int
) -> list[tuple[str, np.ndarray]]:
    """Return the conditions on one parameter that hold enough failed trials: text and mask."""
    failed = np.sort(failed[~np.isnan(failed)])
    if len(failed) < needed:
        return []
    distribution = space.distributions[name]
    shown = show_name(name)
    if isinstance(distribution, CategoricalDistribution):
        levels, counts = np.unique(failed, return_counts=True)
        level = levels[np.argmax(counts)]
        value = show_value(space, name, distribution.choices[int(level)])
        return [(f"{shown} = {value}", column == level)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    found = []
    # The edge of all failed trials, and of all but as many as may be missing.
    for spare in sorted({0, len(failed) - needed}):
        low, high = failed[spare], failed[-1 - spare]
        for sign, edge, mask in ((">=", low, column >= low), ("<=", high, column <= high)):
            value = show_value(space, name, from_unit(distribution, edge))
            found.append((f"{shown} {sign} {value}", mask))
    return found


# --------------------------------------------------------------------------------------
# Where few trials have been


@dataclass(frozen=True)
class _Side:
    """One part of one parameter's range: its text, its ends as coordinates, its share."""

    parameter: str
    text: str
    low: float
    high: float
    share: float


def undersampled_boxes(space: SearchSpace, history: History, limit: int = 3) -> list[Box]:
    """Return boxes in one or two parameters that hold the fewest trials for their size.

    A number is cut into thirds, a choice into its levels. Among equally empty boxes the one comes
    first whose sides have done better in other trials. Parameters that are not always active
    are left out: a box across two branches holds nothing.
    """
    ranked = evenly(history.ranking)
    failed, running = evenly(history.failed), evenly(history.running)
    always = SearchSpace({n: d for n, d in space.distributions.items() if n not in space.optional})
    n_trials = len(ranked) + len(failed) + len(running)
    if n_trials < _MIN_TRIALS or not len(always):
        return []
    x = always.coordinates(o.params for o in (*ranked, *failed, *running))
    columns = dict(zip(always.names, x.T, strict=True))
    sides = [side for name in always.names for side in _sides(always, name)]
    inside = np.array(
        [(s.low <= columns[s.parameter]) & (columns[s.parameter] <= s.high) for s in sides]
    ).astype(float)
    counts = inside @ inside.T
    shares = np.array([s.share for s in sides])
    expected = n_trials * np.where(np.eye(len(sides)) > 0, shares, np.outer(shares, shares))
    density = (counts + 1) / (expected + 1)
    # Mean rank of the trials of each side, failures last; a side without trials is unknown.
    badness = np.concatenate(
        [np.linspace(0, 1, len(ranked)), np.ones(len(failed)), np.full(len(running), 0.5)]
    )
    own = np.diag(counts)
    mean = np.where(own > 0, inside @ badness / np.maximum(own, 1), 0.5)
    first, second = np.triu_indices(len(sides))
    parameters = np.array([always.names.index(s.parameter) for s in sides])
    usable = (first == second) | (parameters[first] != parameters[second])
    usable &= density[first, second] < 1
    first, second = first[usable], second[usable]
    worse = np.maximum(mean[first], mean[second])
    order = np.lexsort((worse.round(9), density[first, second].round(9)))[:limit]
    return [
        Box(
            conditions=tuple(dict.fromkeys((sides[i].text, sides[j].text))),
            n_inside=int(counts[i, j]),
            n_trials=n_trials,
        )
        for i, j in zip(first[order], second[order], strict=True)
    ]


def _sides(space: SearchSpace, name: str) -> list[_Side]:
    """Cut one parameter into parts: the levels of a choice, the thirds of a number."""
    distribution, shown = space.distributions[name], show_name(name)
    if isinstance(distribution, CategoricalDistribution):
        texts = labels(distribution)
        return [
            _Side(name, f"{shown} = {show_name(text)}", i, i, 1 / len(texts))
            for i, text in enumerate(texts[:_MAX_LEVELS])
        ]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    n_values = math.inf if step is None else round((high - low) / step) + 1
    ends: list[tuple[float, float]]
    if step is not None and n_values <= _MAX_LEVELS:
        grid = [low + i * step for i in range(int(n_values))]
        parts = np.array_split(np.arange(len(grid)), min(_N_BINS, len(grid)))
        ends = [(grid[part[0]], grid[part[-1]]) for part in parts]
    else:
        edges = [from_unit(distribution, i / _N_BINS) for i in range(_N_BINS + 1)]
        ends = list(itertools.pairwise(edges))
    sides = []
    for start, end in ends:
        first, last = show_value(space, name, start), show_value(space, name, end)
        text = f"{shown} = {first}" if start == end else f"{shown} from {first} to {last}"
        a, b = to_unit(distribution, start), to_unit(distribution, end)
        sides.append(_Side(name, text, a - 1e-9, b + 1e-9, 1 / len(ends)))
    return sides
