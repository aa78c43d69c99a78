"""How a trial came to fail: by what its parameters did, or by nothing that they could help.

Optuna stores that a trial failed, not why. A trial stopped with Ctrl-C, and one whose worker was
preempted, look like one that ran out of memory. So the samplers write what they can see into the
system attribute ``llm:failure``: the name and the text of the exception, and whether it is an
interruption.
"""

from __future__ import annotations

from dataclasses import dataclass
import sys
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.trial import TrialState

from optuna_llm.history.attributes import FAILURE_KEY
from optuna_llm.history.attributes import Part
from optuna_llm.history.attributes import read_head
from optuna_llm.history.attributes import shorten


if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Sequence
    from types import FrameType

    from optuna import Study
    from optuna.trial import FrozenTrial


# Where Optuna's RetryHeartbeatStaleTrialCallback says whose retry a trial is. Its own reader warns
# at each call that it is experimental.
_RETRIED_KEY = "retry_history"
_MAX_TEXT = 160


@dataclass(frozen=True)
class Failure:
    """What a sampler saw of the end of a failed trial.

    Attributes:
        name: The exception's class; empty where none was raised, as for a NaN.
        interrupted: Whether it is one of those that end programs, such as KeyboardInterrupt and
            SystemExit, and not an ``Exception``.
        text: What the exception says, in one line, without what looks like a key.
    """

    name: str = ""
    interrupted: bool = False
    text: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.text else self.name

    @classmethod
    def read(cls, trial: FrozenTrial) -> Failure | None:
        """Return what was written about a trial; None where nothing was, or of another trial."""
        raw = trial.system_attrs.get(FAILURE_KEY)
        if not isinstance(raw, dict) or raw.get("trial") != trial.number:
            return None
        name, text = (str(raw.get(key, "")) for key in ("name", "text"))
        return cls(name, raw.get("interrupted") is True, text)

    def write(self, study: Study, trial: FrozenTrial) -> None:
        """Write it into a trial that is not finished yet."""
        entry: Any = {"trial": trial.number, "name": self.name, "interrupted": self.interrupted}
        entry |= {"text": self.text} if self.text else {}
        study._storage.set_trial_system_attr(trial._trial_id, FAILURE_KEY, entry)


@dataclass(frozen=True)
class Attendance(Part):
    """Whether the process in which a trial has begun will itself say how it ends.

    Attributes:
        attended: Whether it evaluates the trial in ``Study.optimize``, which tells its sampler of
            every end. Only whoever asks and tells may ask here, and tell elsewhere.
    """

    attended: bool = False

    @classmethod
    def here(cls, trial: FrozenTrial) -> Attendance:
        """Say so of the process, and the thread, that asks."""
        return cls(any(_evaluates(frame, trial) for frame in _frames()))


def write_failure(
    study: Study, trial: FrozenTrial, state: TrialState, redact: Callable[[str], str]
) -> None:
    """Say how a trial failed, if it did; to be called by ``after_trial`` of a sampler.

    Args:
        study: The study.
        trial: The trial.
        state: How it ended.
        redact: Masks what must not be stored in the text of an exception.
    """
    if state == TrialState.FAIL:
        raised = _raised()
        if isinstance(raised, Exception):
            text = shorten(redact(_said(raised)), _MAX_TEXT)
            failure = Failure(type(raised).__name__, False, text)
        elif raised is not None:
            failure = Failure(type(raised).__name__, True)
        else:
            # Somebody else who ends it tidies up after a worker that is gone.
            was_attended = Attendance.read(trial).attended
            failure = Failure("", was_attended and not Attendance.here(trial).attended)
        failure.write(study, trial)


def _said(error: BaseException) -> str:
    """Return the text of an exception of the user's own, whose ``__str__`` may fail."""
    try:
        return str(error)
    except Exception:
        return ""


def _raised() -> BaseException | None:
    """Return what the objective of the trial that is being stored has raised.

    ``Study.optimize`` has left its except block by the time a sampler is told, so that
    ``sys.exc_info`` is empty, or holds what the user's own code is handling around the study. It
    still holds the exception in a variable. Who calls ``Study.tell`` may be handling it.
    """
    for frame in _frames():
        if frame.f_code is optuna.Study.tell.__code__:
            return sys.exc_info()[1]
        if frame.f_globals.get("__name__", "").startswith("optuna."):
            for value in frame.f_locals.values():
                if isinstance(value, BaseException):
                    return value
    return None


def _frames() -> Iterator[FrameType]:
    """Yield the calls under way, the innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _evaluates(frame: FrameType, trial: FrozenTrial) -> bool:
    """Whether a call is that of ``Study.optimize`` which evaluates a trial."""
    if frame.f_globals.get("__name__") != "optuna.study._optimize":
        return False
    own = frame.f_locals.get("trial")
    return isinstance(own, optuna.Trial) and own._trial_id == trial._trial_id


def interrupted(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the failed trials that failed by nothing their parameters did.

    That is so where their sampler has seen it, where they were queued again, and where they were
    ended by another than the process that evaluated them and would have said how, such as by the
    heartbeat of a storage. Of the trials of other samplers nobody knows; a failure that nothing
    is known of counts as one.

    Args:
        trials: All trials of a study.
    """
    failed = {t.number: t for t in trials if t.state == TrialState.FAIL}
    retried = queued_again(trials)

    def is_interrupted(t: FrozenTrial) -> bool:
        seen = Failure.read(t)
        if seen is not None:
            return seen.interrupted
        return bool(read_head(t).get("attended"))

    return {n for n, t in failed.items() if n in retried or is_interrupted(t)}


def queued_again(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials of which others are retries, after their workers died."""
    return {n for t in trials for n in t.system_attrs.get(_RETRIED_KEY, ())}
