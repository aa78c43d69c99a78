"""The versions of one open parameter, each with its descendants behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_llm.history.births import Birth
from optuna_llm.history.births import births_of
from optuna_llm.history.versions import Stored
from optuna_llm.history.versions import versions_of


if TYPE_CHECKING:
    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation


@dataclass(frozen=True)
class Member:
    """A version, and what its trials brought.

    Attributes:
        number: Of the version.
        stored: What it is.
        birth: How it came about, where that is known.
        depth: How many ancestors it has.
        n_trials: How many trials have run it.
        n_failed: How many of them have failed.
        best: The best of its complete trials.
    """

    number: int
    stored: Stored
    birth: Birth | None
    depth: int
    n_trials: int
    n_failed: int
    best: Observation | None

    @property
    def parent(self) -> int:
        """The number of the version that it comes from; -1 for none."""
        parent = None if self.birth is None else self.birth.parent
        return -1 if parent is None else parent


def family(history: History, name: str) -> list[Member]:
    """Return the versions of an open parameter, each followed by those that come from it.

    Args:
        history: The study.
        name: Name of the parameter.
    """
    trials = [o.trial for o in history.observations]
    known, births = versions_of(trials, name), births_of(trials, name)
    children: dict[int, list[int]] = {}
    for number in known:
        birth = births.get(number)
        parent = -1 if birth is None or birth.parent is None else birth.parent
        # A parent is older than its children; anything else was written by somebody else.
        is_older = parent in known and parent < number
        children.setdefault(parent if is_older else -1, []).append(number)
    found: list[Member] = []
    waiting = [(number, 0) for number in reversed(children.get(-1, []))]
    while waiting:
        number, depth = waiting.pop()
        runs = [o for o in history.observations if o.trial.params.get(name) == number]
        best = next((o for o in history.ranking if o in runs and o.values is not None), None)
        n_failed = sum(o.state == TrialState.FAIL for o in runs)
        member = Member(
            number, known[number], births.get(number), depth, len(runs), n_failed, best
        )
        found.append(member)
        waiting += [(child, depth + 1) for child in reversed(children.get(number, []))]
    return found
