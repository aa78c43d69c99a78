"""Which trials of the sources a new study begins with: each one's best, then what differs.

The best trials of one study are nearly one point; so each source in its turn gives its best, the
newest first (ordered transfer, Hellan et al. 2023, arXiv 2308.06100), and then what is both good
and far from all that was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optuna_llm.space.search_space import SearchSpace
from optuna_llm.transfer.matching import Carried
from optuna_llm.transfer.matching import Match
from optuna_llm.transfer.sources import SourceTrial


# Mean difference of coordinates below which two configurations are one.
_LEAST_DISTANCE = 0.05
# Only the better part of a source is worth a trial, and of a source with few trials its best.
_BETTER_SHARE = 0.5
_MIN_TRIALS = 8


@dataclass(frozen=True)
class Point:
    """A trial of a source that the new study begins with.

    Attributes:
        match: Its source, held against the new space.
        trial: The trial there.
        carried: What it is in the new space.
    """

    match: Match
    trial: SourceTrial
    carried: Carried

    @property
    def quality(self) -> float:
        """The share of its source's trials that are not better, in (0, 1]."""
        return 1 - self.trial.place / len(self.match.source.trials)

    def __str__(self) -> str:
        n = len(self.match.source.trials)
        rank = "best" if self.trial.place == 0 else f"number {self.trial.place + 1}"
        return f"trial {self.trial.number} of {self.match.source.name!r}, {rank} of {n}"


def choose(matches: Sequence[Match], n: int, space: SearchSpace, taken: np.ndarray) -> list[Point]:
    """Return at most n points to begin with, no two of them nearly the same.

    Args:
        matches: The sources, newest first, held against the space.
        n: How many points at most.
        space: The new space.
        taken: Coordinates (k, parameters) of what the study runs anyway.
    """
    groups = [_candidates(m) for m in matches]
    every = [p for group in groups for p in group]
    rows = space.coordinates([p.carried.params for p in every])
    gaps = np.full(len(every), np.inf)
    for row in taken:
        gaps = np.minimum(gaps, space.distances(rows, row))
    quality = np.array([p.quality for p in every])
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    chosen: list[Point] = []

    def take(index: int) -> None:
        chosen.append(every[index])
        np.minimum(gaps, space.distances(rows, rows[index]), out=gaps)

    for group in range(len(groups)):
        free = np.flatnonzero((owner == group) & (gaps >= _LEAST_DISTANCE))
        if len(free) and len(chosen) < n:
            take(int(free[0]))
    while len(chosen) < n:
        free = np.flatnonzero(gaps >= _LEAST_DISTANCE)
        if len(free) == 0:
            break
        take(int(free[np.argmax(quality[free] * np.minimum(gaps[free], 1.0))]))
    return chosen


def _candidates(match: Match) -> list[Point]:
    """Return what of a source is worth a trial, best first.

    That is what has kept all its values; only where nothing has, the rest of what is left counts.
    """
    n_all = len(match.source.trials)
    n_better = 1 if n_all < _MIN_TRIALS else int(np.ceil(_BETTER_SHARE * n_all))
    better = [t for t in match.comparable if t.place < n_better] or list(match.comparable[:1])
    points = [Point(match, t, match.carry(t)) for t in better]
    points = [p for p in points if any(pair.target in p.carried.params for pair in match.pairs)]
    return [p for p in points if not p.carried.lost] or points
