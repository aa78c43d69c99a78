"""What an agent has suggested for a study, and what became of it.

An agent is whoever watches a study and knows something about it: a coding agent, a script, a
person at a shell. What it suggests waits in attributes of the study, one for each call, so that
agents and workers do not have to know of each other. A trial says which ones it has settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
import uuid

from optuna_llm.history.attributes import Part
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.study_store import StudyStore


if TYPE_CHECKING:
    from optuna import Study

    from optuna_llm.history.history import History
    from optuna_llm.space.search_space import SearchSpace


_PREFIX = "llm:agent:"


@dataclass(frozen=True)
class Settled(Part):
    """Which suggestions a trial has settled.

    Attributes:
        settled: Their names: of the one that it runs, or of those that it was vetoed for.
    """

    settled: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Suggestion:
    """A configuration, or a part of one, that an agent would like to see run.

    Attributes:
        name: Its name, different from that of every other one.
        candidate: What is to be run, and why.
        trial: Number of the trial that has settled it, or that it repeats; None while it waits.
        fate: ``waiting``, ``run``, ``vetoed`` or ``repeated``.
    """

    name: str
    candidate: Candidate
    trial: int | None = None
    fate: str = "waiting"


def suggest(study: Study, space: SearchSpace, candidates: Iterable[Candidate]) -> list[str]:
    """Leave suggestions for whoever samples the next trials; return their names, in order."""
    store, call = StudyStore(study), uuid.uuid4().hex[:8]
    entries = [c.to_dict(space) for c in candidates]
    # The number orders the calls, as far as order matters.
    turn = sum(key.startswith(_PREFIX) for key in store.read())
    store.write(f"{_PREFIX}{call}", {"turn": turn, "candidates": entries})
    return [f"{call}-{i}" for i in range(len(entries))]


def suggestions(study: Study, space: SearchSpace, history: History) -> list[Suggestion]:
    """Return all suggestions, the oldest first, with what became of each.

    One that a trial has run which was interrupted waits again.

    Args:
        study: The study.
        space: Its parameters; of a suggestion counts what they allow.
        history: Its trials, running ones included.
    """
    calls = [
        (entry.get("turn", 0), key.removeprefix(_PREFIX), entry)
        for key, entry in StudyStore(study).read().items()
        if key.startswith(_PREFIX)
    ]
    if not calls:
        return []
    settled: dict[str, tuple[int, str]] = {}
    for o in history.observations:
        if o.origin is not None and "agent" in (o.origin.source, o.origin.vetoed):
            if o.is_interrupted and o.origin.source == "agent":
                continue
            fate = "run" if o.origin.source == "agent" else "vetoed"
            settled |= dict.fromkeys(Settled.read(o.trial).settled, (o.number, fate))
    found = []
    for _, call, entry in sorted(calls, key=lambda c: c[:2]):
        for i, raw in enumerate(entry["candidates"]):
            name, candidate = f"{call}-{i}", Candidate.from_dict(space, raw)
            number, fate = settled.get(name, (None, "waiting"))
            found.append(Suggestion(name, candidate, number, fate))
    return _without_repeats(found, space, history)


def _without_repeats(
    found: Sequence[Suggestion], space: SearchSpace, history: History
) -> list[Suggestion]:
    """Say which of those that wait have been tried all the same, by whomever.

    Part of a configuration is not: the rest can differ.
    """
    if all(s.trial is not None for s in found):
        return list(found)
    tried = history.tried(space)
    return [
        Suggestion(s.name, s.candidate, None, "repeated")
        if s.fate == "waiting" and tried.repeats(s.candidate.params)
        else s
        for s in found
    ]


def waiting(found: Iterable[Suggestion]) -> list[Suggestion]:
    """Return those of some suggestions that nothing has become of yet."""
    return [s for s in found if s.fate == "waiting"]


def told(suggestion: Suggestion) -> dict[str, Any]:
    """Return a suggestion as JSON, for people and agents."""
    return {
        "name": suggestion.name,
        "params": dict(suggestion.candidate.params),
        "why": suggestion.candidate.reason,
        "fate": suggestion.fate,
        **({} if suggestion.trial is None else {"trial": suggestion.trial}),
    }
