"""Whose turn it is: the share of trials that the model earns, and when to leave it alone.

Everything is computed from the trials' records in the storage, so that any number of workers,
and a study resumed in a new process, come to the same answer without talking to each other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from optuna_llm.history.origin import SOURCES
from optuna_llm.surrogate.feasibility import PRIOR_LOG_ODDS


if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation
    from optuna_llm.history.origin import Source


# The share of a model or an agent before it is known what its trials are worth, and that of the
# embedded prior: once the base sampler has data to learn from, usual values have little to add.
INITIAL_SHARES: Mapping[Source, float] = {"llm": 0.3, "agent": 0.3, "prior": 0.1}
# While the base sampler still knows nothing, a model or an agent proposes so many of the trials,
# and together with the embedded prior nine of ten.
STARTUP_SHARE = 0.65
STARTUP_KNOWLEDGE_SHARE = 0.9
MIN_SHARE = 0.05
MAX_SHARE = 0.7
# The benefit is read off this many of the newest trials of each side ...
WINDOW = 12
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

    A trial's merit is the fraction of the earlier trials that it beats; a turn in which the
    surrogate found the proposals not worth a trial has none. A failed trial has none either, as
    far as failures depend on who proposes: where all fail alike, it counts as little as an
    interrupted one, which does not count. The share starts at 0.3 for a model or an agent and at
    0.1 for the prior. It moves with the difference of the mean merits of the proposer's newest
    trials and of all others' newest trials, shrunk towards no difference while either are few.

    Args:
        history: The study.
        proposer: ``llm``, ``agent`` or ``prior``.
    """
    others = [s for s in SOURCES if s != proposer]

    def is_by(o: Observation, sources: Sequence[str]) -> bool:
        return o.origin is not None and o.origin.source in sources and not o.origin.design

    n_vetoed = sum(
        1
        for o in history.observations[-WINDOW:]
        if o.origin is not None and o.origin.vetoed == proposer
    )
    return earned_share(
        history,
        lambda o: is_by(o, [proposer]),
        lambda o: is_by(o, others),
        INITIAL_SHARES[proposer],
        n_vetoed,
    )


def earned_share(
    history: History,
    is_own: Callable[[Observation], bool],
    is_other: Callable[[Observation], bool],
    initial: float,
    n_worthless: int,
) -> float:
    """Return the share of the trials that some of them have earned for their like.

    Args:
        history: The study.
        is_own: Says which trials they are.
        is_other: Says which ones they are compared with.
        initial: Their share while nothing is known.
        n_worthless: How many of their turns have brought nothing that was worth a trial.
    """
    position = {o.number: i for i, o in enumerate(history.ranking)}
    numbers = np.array(sorted(position))
    positions = np.array([position[n] for n in numbers])

    def newest(is_wanted: Callable[[Observation], bool]) -> tuple[list[float], int]:
        """Return the merits of trials that have one, and how many others have failed."""
        merits: list[float] = []
        n_failed = 0
        for o in reversed(history.observations):
            if not is_wanted(o):
                continue
            earlier = positions[: np.searchsorted(numbers, o.number)]
            if o.number in position and len(earlier):
                merits.append(float(np.mean(earlier > position[o.number])))
            n_failed += o.state == TrialState.FAIL and not o.is_interrupted
            if len(merits) + n_failed == WINDOW:
                break
        return merits, n_failed

    own, own_failed = newest(is_own)
    other, other_failed = newest(is_other)
    blame = _blame((len(own), own_failed), (len(other), other_failed))
    own += [0.0] * n_worthless
    n_own, n_other = len(own) + blame * own_failed, len(other) + blame * other_failed
    if min(n_own, n_other) == 0:
        return initial
    belief = min(n_own, n_other) / (min(n_own, n_other) + _HALF_BELIEF)
    difference = sum(own) / n_own - sum(other) / n_other
    return min(max(initial + belief * difference, MIN_SHARE), MAX_SHARE)


def _blame(own: tuple[int, int], other: tuple[int, int]) -> float:
    """Return how far failures depend on who proposes: the weight of a rate for each, in [0, 1].

    One rate for all is the other explanation, and rates are unknown (uniform). The prior odds are
    those with which parameters are blamed, so that a single accident tells next to nothing.

    Args:
        own: How many trials of the proposer have succeeded and failed.
        other: The same of all others.
    """
    from scipy.special import betaln
    from scipy.special import expit

    apart, together = (np.array(n) + 1 for n in ((own, other), np.add(own, other)))
    gain = betaln(*apart.T).sum() - betaln(*together)
    return float(expit(gain + PRIOR_LOG_ODDS))


def is_paused(history: History, number: int) -> bool:
    """Say whether the circuit breaker leaves the model alone at this trial.

    After three failed requests in a row the model is left alone for 3 trials; each further failure
    doubles the pause, up to 48 trials. One good reply closes the breaker.
    """
    asked = (
        (o.number, o.cost.error is not None)
        for o in reversed(history.observations)
        if (o.cost.requests or o.cost.error is not None) and o.cost.error not in NOT_ASKED
    )
    return is_left_alone(asked, number)


def is_left_alone(asked: Iterable[tuple[int, bool]], number: int) -> bool:
    """Say whether a model is left alone at a trial, see :func:`is_paused`.

    Args:
        asked: The trials for which it was asked, the newest first, each with whether that failed.
        number: The number of the trial.
    """
    failures, last_failure = 0, None
    for asker, has_failed in asked:
        if not has_failed:
            break
        failures += 1
        last_failure = asker if last_failure is None else last_failure
    if failures < FAILURES_TO_PAUSE or last_failure is None:
        return False
    pause: int = min(FAILURES_TO_PAUSE * 2 ** (failures - FAILURES_TO_PAUSE), _LONGEST_PAUSE)
    return number <= last_failure + pause
