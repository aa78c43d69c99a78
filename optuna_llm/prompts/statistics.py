"""What can be computed from a history for a reader who sees only a part of it.

Everything is deterministic, and takes a sample of at most :data:`MAX_SAMPLE` trials, so that its
cost does not grow with the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import math
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.search_space import SearchSpace


MAX_SAMPLE = 250
_ELITE_SHARE = 0.2
_MIN_ELITE = 3
# The region in which trends are looked for: the best third, or what there is of so many trials.
_GOOD_SHARE = 1 / 3
_MIN_GOOD = 8


def evenly(observations: Sequence[Observation], limit: int = MAX_SAMPLE) -> list[Observation]:
    """Return at most ``limit`` observations, evenly spaced, the first and the last among them."""
    if len(observations) <= limit:
        return list(observations)
    chosen = np.linspace(0, len(observations) - 1, limit).round().astype(int)
    return [observations[i] for i in chosen]


# --------------------------------------------------------------------------------------
# Diversity


def diverse(
    space: SearchSpace,
    candidates: Sequence[Observation],
    chosen: Sequence[Observation],
    limit: int,
) -> list[Observation]:
    """Return observations that are far from the chosen ones and from each other.

    Greedy max-min selection: each pick is the candidate whose nearest neighbour among all chosen
    so far is farthest, as :meth:`~optuna_llm.space.search_space.SearchSpace.distances` has it.
    """
    pool = evenly(candidates)
    if not pool or not len(space):
        return []
    x = space.coordinates(o.params for o in pool)
    if chosen:
        anchors = space.coordinates(o.params for o in chosen)
        nearest = np.min([space.distances(x, a) for a in anchors], axis=0)
    else:
        nearest = space.distances(x, np.full(len(space), np.nan))
    picked: list[Observation] = []
    while len(picked) < min(limit, len(pool)) and nearest.max() > 0:
        best = int(np.argmax(nearest))
        picked.append(pool[best])
        nearest = np.minimum(nearest, space.distances(x, x[best]))
    return picked


# --------------------------------------------------------------------------------------
# What good trials have in common


@dataclass(frozen=True)
class Effect:
    """What the history says about one parameter.

    Attributes:
        name: The parameter.
        strength: How much of the ranking it explains, 0 to 1; 0 where chance explains as much.
        correlation: Rank correlation with a better result among the best third of the trials,
            positive where larger is better; None for a choice or where it is not significant.
        elite: For a number, the smallest and the largest value among the best fifth.
        n_elite: Number of trials of that fifth, at least three.
        levels: For a choice: each choice tried, with its number of trials and its best trial,
            the best choice first.
    """

    name: str
    strength: float = 0.0
    correlation: float | None = None
    elite: tuple[Any, Any] | None = None
    n_elite: int = 0
    levels: tuple[tuple[Any, int, Observation], ...] = ()


def effects(space: SearchSpace, history: History) -> list[Effect]:
    """Return what the complete trials say about each parameter, the strongest effect first."""
    ranked = evenly([o for o in history.ranking if o.values is not None])
    x = space.coordinates(o.params for o in ranked)
    found = [
        _level_effect(space, name, column, ranked)
        if isinstance(space.distributions[name], CategoricalDistribution)
        else _numeric_effect(space, name, column)
        for name, column in zip(space.names, x.T, strict=True)
    ]
    return sorted(found, key=lambda e: -e.strength)


def _numeric_effect(space: SearchSpace, name: str, column: np.ndarray) -> Effect:
    from scipy.stats import rankdata

    distribution = space.distributions[name]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    active = column[~np.isnan(column)]
    if len(active) < 4:
        return Effect(name)
    best = active[: max(_MIN_ELITE, math.ceil(_ELITE_SHARE * len(active)))]
    elite = (from_unit(distribution, best.min()), from_unit(distribution, best.max()))
    # What diverged lies far from the optimum and would hide where it is.
    good = active[: max(_MIN_GOOD, math.ceil(_GOOD_SHARE * len(active)))]
    correlation = _rank_correlation(good)
    # An optimum in the middle has no correlation, but its thirds differ.
    thirds = np.floor(3 * (rankdata(active) - 1) / len(active))
    of_all = _rank_correlation(active)
    strength = max(abs(of_all or 0.0), _strength_of_groups(thirds))
    return Effect(name, strength, correlation, elite, len(best))


def _rank_correlation(column: np.ndarray) -> float | None:
    """Return the rank correlation of values with a better result; None where chance explains it.

    Args:
        column: The values of a parameter, that of the best trial first; shape (n,).
    """
    from scipy.stats import rankdata

    ranks = rankdata(column)
    if len(column) < _MIN_ELITE or np.ptp(ranks) == 0:
        return None
    rho = -float(np.corrcoef(ranks, np.arange(len(column)))[0, 1])
    return rho if abs(rho) >= 1.96 / math.sqrt(len(column) - 1) else None


def _level_effect(
    space: SearchSpace, name: str, column: np.ndarray, ranked: Sequence[Observation]
) -> Effect:
    active = np.flatnonzero(~np.isnan(column))
    levels, first, counts = np.unique(column[active], return_index=True, return_counts=True)
    # The first trial of a level is its best.
    shown = tuple(
        (space.value(name, levels[i]), int(counts[i]), ranked[active[first[i]]])
        for i in np.argsort(first)
    )
    return Effect(name, _strength_of_groups(column[active]), levels=shown)


def _strength_of_groups(groups: np.ndarray) -> float:
    """Return how far groups explain the positions of their members; 0 where chance does.

    Args:
        groups: The group of each trial, the best trial first; shape (n,).

    Returns:
        The root of the share of variance between the groups, corrected for their number.
    """
    n, position = len(groups), np.arange(len(groups), dtype=float)
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    between, within = len(counts) - 1, n - len(counts)
    if between < 1 or within < 2:
        return 0.0
    means = np.bincount(inverse, weights=position) / counts
    share = float(np.sum(counts * (means - position.mean()) ** 2)) / (n * position.var())
    # By chance, n times the share has a chi-squared distribution.
    if n * share < between + 2 * math.sqrt(2 * between):
        return 0.0
    return math.sqrt(max(1 - (1 - share) * (n - 1) / within, 0.0))


# --------------------------------------------------------------------------------------
# The Pareto front


def crowding_sorted(front: Sequence[Observation]) -> list[Observation]:
    """Return a Pareto front, the least crowded trials first (NSGA-II, Deb et al. 2002)."""
    if not front:
        return []
    values = np.array([o.values for o in front], dtype=float)
    crowding = np.zeros(len(front))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        crowding[order[[0, -1]]] = np.inf
        spread = column[order[-1]] - column[order[0]]
        if np.isfinite(spread) and spread > 0:
            crowding[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return [front[i] for i in np.argsort(-crowding, kind="stable")]


def front_gaps(front: Sequence[Observation]) -> list[tuple[int, Observation, Observation]]:
    """Return the widest gap of a Pareto front along each objective: objective, two trials."""
    gaps = []
    for objective in range(len(front[0].signs) if front else 0):
        finite = [o for o in front if o.values and math.isfinite(o.values[objective])]
        ordered = sorted(finite, key=lambda o: (o.values or ())[objective])
        pairs = [
            ((b.values or ())[objective] - (a.values or ())[objective], i)
            for i, (a, b) in enumerate(itertools.pairwise(ordered))
        ]
        if pairs and max(pairs)[0] > 0:
            i = max(pairs)[1]
            gaps.append((objective, ordered[i], ordered[i + 1]))
    return gaps
