"""What is recalled of a model's answers: what it has said, and what became of its candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_llm.history.announcement import decode_params
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.statement import statements
from optuna_llm.prompts.comparisons import single_changes
from optuna_llm.prompts.memory import Fate
from optuna_llm.prompts.memory import memory_lines
from optuna_llm.prompts.roles import OPTIMIZER
from optuna_llm.prompts.roles import REPEAT
from optuna_llm.prompts.roles import hardly_tried
from optuna_llm.sharing.points import Objections
from optuna_llm.space.tried import Tried


if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna_llm.history.history import History
    from optuna_llm.prompts import View
    from optuna_llm.prompts.roles import HardlyTried
    from optuna_llm.sharing.proposal import Turn


# Candidates of so many of the newest answers compete for later turns.
_ANSWERS_THAT_COMPETE = 2
_NONE = object()


def is_unheard(history: History) -> bool:
    """Whether no trial has run a candidate of the model since its last answer."""
    answers = statements(history)
    return bool(answers) and not any(
        o.origin is not None and o.origin.source == "llm" and o.number >= answers[0][0].number
        for o in history.observations
    )


def queued(turn: Turn) -> list[Candidate]:
    """Return the candidates of the newest answers that no trial has tried, the newest first."""
    found: list[Candidate] = []
    known = turn.tried
    for o, _ in statements(turn.history)[:_ANSWERS_THAT_COMPETE]:
        for candidate in o.queue.waiting(turn.space):
            if candidate.params and not known.hold(candidate.params):
                found.append(candidate)
                known = known.and_also(candidate.params)
    return found


def memory(turn: Turn, view: View) -> list[str]:
    """Return what the model is told of its last answer, under the names that it is shown."""
    answers = statements(turn.history)
    if not answers:
        return []
    asked, said = answers[0]
    candidates = asked.queue.waiting(turn.space)
    preferred = decode_params(turn.space.distributions, said.preferred)
    if preferred:
        candidates.append(Candidate(preferred, "", role=OPTIMIZER))
    objections = Objections(turn)
    left = hardly_tried(view.space, view.history, single_changes(view.space, view.history))
    by_base = [
        o
        for o in turn.history.observations
        if o.number > asked.number and o.origin is not None and o.origin.source == "base"
    ]
    return memory_lines(
        view.history,
        asked=asked,
        notes=said.notes if said.shown == view.key else "",
        rules=[r.renamed(view.shown_name) for r in said.stated_rules],
        fates=[_fate(turn, view, asked.number, c, left) for c in candidates],
        n_turned_down=len(said.vetoed),
        alike=[o.number for o in by_base if objections.is_turned_down(o.params)],
    )


def _fate(
    turn: Turn, view: View, asked: int, candidate: Candidate, left: Sequence[HardlyTried]
) -> Fate:
    own = candidate.params.keys()
    space, role, expected = turn.space, candidate.role, candidate.expected
    for o in turn.history.observations:
        if not Tried.of(space, [(o.params, space.optional)]).hold(candidate.params):
            continue
        if o.number < asked and role == REPEAT:
            continue
        if o.number < asked:
            return Fate(role, None, f"it repeats trial {o.number}", expected)
        told = _told(turn, o.expected.interval)
        filled = tuple(view.shown_name(n) for n in space.names if n in o.params.keys() - own)
        return Fate(role, o.number, "", expected, told, filled)
    forecast = _told(turn, turn.outlook.interval(candidate.params))
    shown = view.hide(candidate.params)
    few = [h.words for h in left if shown.get(h.name, _NONE) == h.choice]
    if forecast and few:
        forecast += f", knowing little of {' and '.join(few)}"
    why = "another one was preferred so far"
    if turn.outlook.is_hopeless(candidate.params):
        why = "the surrogate turned it down"
    return Fate(role, None, why, expected, forecast)


def _told(turn: Turn, interval: tuple[float, float, float] | None) -> str:
    return "" if interval is None else f"expects {turn.outlook.in_words(interval)}"
