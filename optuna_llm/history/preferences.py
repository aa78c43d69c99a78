"""Which of two trials is better, as people have said it in optuna-dashboard: one order of all.

A preferential study of the dashboard has no values. Its pairs stand in system attributes of the
study, and trials that were compared are complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np


Pair = tuple[int, int]

_PREFIX = "preference:values"
_N_STEPS = 100
# Each trial has won and lost so many comparisons with an average one: of two trials that were
# never beaten the one that was compared more often is the stronger.
_IMAGINED = 0.5


def preferences_in(attributes: Mapping[str, Any]) -> tuple[Pair, ...]:
    """Return the pairs in a study's system attributes: numbers of the better and the other."""
    return tuple(
        (int(better), int(worse))
        for key in sorted(attributes)
        if key.startswith(_PREFIX)
        for better, worse in attributes[key]
    )


def strengths(numbers: Sequence[int], pairs: Sequence[Pair]) -> np.ndarray:
    """Return the strength of each trial, by the model of Bradley and Terry (1952).

    The probability that a trial is preferred to another is its share of the sum of both
    strengths. Fitted by minorisation and maximisation (Hunter 2004).

    Args:
        numbers: Of n trials.
        pairs: Of preferences; those of other trials do not count.

    Returns:
        Logarithms of the strengths, shape (n,), higher is better.
    """
    place = {number: i for i, number in enumerate(numbers)}
    known = [(place[b], place[w]) for b, w in pairs if b in place and w in place]
    wins = np.zeros((len(numbers), len(numbers)))
    for better, worse in known:
        wins[better, worse] += 1
    met = wins + wins.T
    strength = np.ones(len(numbers))
    for _ in range(_N_STEPS):
        against = met / (strength[:, None] + strength)
        average = 2 * _IMAGINED / (strength + 1)
        strength = (wins.sum(axis=1) + _IMAGINED) / (against.sum(axis=1) + average)
    return np.asarray(np.log(strength))
