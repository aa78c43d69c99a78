"""Whose turn it is: the share of trials that the model earns, and when to leave it alone.

Everything is computed from the trials' records in the storage, so that any number of workers,
and a study resumed in a new process, come to the same answer without talking to each other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from optuna_llm.provenance import SOURCES


if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from optuna_llm.history import History
    from optuna_llm.history import Observation
    from optuna_llm.provenance import Source


# A model's share before it is known what its trials are worth, and the embedded prior's: once the
# base sampler has data to learn from, usual values have little to add.
INITIAL_SHARES: Mapping[Source, float] = {"llm": 0.3, "prior": 0.1}
MIN_SHARE = 0.05
MAX_SHARE = 0.7
# The benefit is read off this many of the newest trials of each side ...
_WINDOW = 12
# ... and believed half when there are this many of the rarer side.
_HALF_BELIEF = 3.0
_GOLDEN_RATIO = (1 + math.sqrt(5)) / 2

FAILURES_TO_PAUSE = 3
_LONGEST_PAUSE = 48
# Errors that cost no request: the model was not asked.
NOT_ASKED = ("paused", "budget")


def is_turn(number: int, share: float) -> bool:
    """Spread a share of the trials evenly over the trial numbers.

    The multiples of the golden ratio fill the unit interval evenly (Weyl), so about ``share`` of
    any run of consecutive numbers are turns, whichever worker draws them. Trial 1 is one.
    """
    return ((number - 1) * _GOLDEN_RATIO) % 1.0 < share


def model_share(history: History, proposer: Source) -> float:
    """Return the share of trials that a proposer has earned, between 0.05 and 0.7.

    A trial's merit is the fraction of the earlier trials that it beats; a failed one has none, and
    so has a turn in which the surrogate found the proposals not worth a trial. The share starts at
    0.3 for the model and at 0.1 for the prior. It moves with the difference of the mean merits of
    the proposer's newest trials and of all others' newest trials, shrunk towards no difference
    while either are few.

    Args:
        history: The study.
        proposer: ``llm`` or ``prior``.
    """
    initial = INITIAL_SHARES[proposer]
    position = {o.number: i for i, o in enumerate(history.ranking)}
    numbers = np.array(sorted(position))
    positions = np.array([position[n] for n in numbers])

    def merit(o: Observation) -> float | None:
        if o.state == TrialState.FAIL:
            return 0.0
        earlier = positions[: np.searchsorted(numbers, o.number)]
        if o.number not in position or len(earlier) == 0:
            return None
        return float(np.mean(earlier > position[o.number]))

    def newest(wanted: Sequence[str]) -> list[float]:
        merits: list[float] = []
        for o in reversed(history.observations):
            if o.record is None or o.record.source not in wanted or o.record.design:
                continue
            value = merit(o)
            if value is not None:
                merits.append(value)
            if len(merits) == _WINDOW:
                break
        return merits

    own, other = newest([proposer]), newest([s for s in SOURCES if s != proposer])
    own += [0.0] * sum(
        1
        for o in history.observations[-_WINDOW:]
        if o.record is not None and o.record.vetoed == proposer
    )
    if not own or not other:
        return initial
    belief = min(len(own), len(other)) / (min(len(own), len(other)) + _HALF_BELIEF)
    difference = float(np.mean(own) - np.mean(other))
    return min(max(initial + belief * difference, MIN_SHARE), MAX_SHARE)


def is_paused(history: History, number: int) -> bool:
    """Say whether the circuit breaker leaves the model alone at this trial.

    After three failed requests in a row the model is left alone for 3 trials; each further failure
    doubles the pause, up to 48 trials. One good reply closes the breaker.
    """
    failures, last_failure = 0, None
    for o in reversed(history.observations):
        record = o.record
        if record is None or (record.requests == 0 and record.error is None):
            continue
        if record.error in NOT_ASKED:
            continue
        if record.error is None:
            break
        failures += 1
        last_failure = o.number if last_failure is None else last_failure
    if failures < FAILURES_TO_PAUSE or last_failure is None:
        return False
    pause: int = min(FAILURES_TO_PAUSE * 2 ** (failures - FAILURES_TO_PAUSE), _LONGEST_PAUSE)
    return number <= last_failure + pause
