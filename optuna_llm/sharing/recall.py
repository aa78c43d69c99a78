"""What is recalled of a model's answers: what it has said, and what became of its candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from dataclasses import replace
from typing import TYPE_CHECKING

from optuna_llm.history.announcement import decode_params
from optuna_llm.history.announcement import encode_params
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.statement import Statement
from optuna_llm.history.statement import rules_in_force
from optuna_llm.history.statement import statements
from optuna_llm.prompts.memory import Fate
from optuna_llm.prompts.memory import memory_lines
from optuna_llm.prompts.roles import REPEAT
from optuna_llm.space.tried import Tried
from optuna_llm.space.words import letters


if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence
    from typing import Any

    from optuna_llm.history.history import History
    from optuna_llm.prompts import View
    from optuna_llm.replies.statement import Said
    from optuna_llm.sharing.assistant import Exchange
    from optuna_llm.sharing.proposal import Turn
    from optuna_llm.space.search_space import SearchSpace


# Candidates of so many of the newest answers compete for later turns.
_ANSWERS_THAT_COMPETE = 2
# Mean distance of unit coordinates within which a point is the one that the model turned down.
_NEAR = 0.05

OPTIMIZER = "optimizer"


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


def statement_of(
    said: Said,
    occasion: str,
    key: str,
    space: SearchSpace,
    vetoed: Sequence[Mapping[str, Any]],
) -> Statement:
    """Return what is to be stored of an answer.

    Args:
        said: What it says beside its candidates, under the user's names.
        occasion: Why it was asked for.
        key: Under which names its notes are written.
        space: The user's parameters.
        vetoed: Points of the optimizer that it turned down.
    """
    structure = {}
    for name, stated in said.structure.items():
        entry = {k: v for k, v in asdict(stated).items() if v not in (None, (), "medium")}
        if "usual" in entry:
            entry["usual"] = encode_params(space.distributions, {name: stated.usual})[name]
        structure[name] = entry
    rules = [{k: v for k, v in asdict(r).items() if v not in (None, (), "")} for r in said.rules]
    turned_down = [encode_params(space.distributions, params) for params in vetoed]
    return Statement(occasion, said.notes, key, rules, structure, turned_down)


def memory(turn: Turn, view: View) -> list[str]:
    """Return what the model is told of its last answer, under the names that it is shown."""
    answers = statements(turn.history)
    if not answers:
        return []
    asked, said = answers[0]
    return memory_lines(
        view.history,
        asked=asked,
        notes=said.notes if said.shown == view.key else "",
        rules=[r.renamed(view.shown_name) for r in said.stated_rules],
        fates=[_fate(turn, view, asked.number, c) for c in asked.queue.waiting(turn.space)],
    )


def _fate(turn: Turn, view: View, asked: int, candidate: Candidate) -> Fate:
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
    why = "another one was preferred so far"
    if turn.outlook.is_hopeless(candidate.params):
        why = "the surrogate turned it down"
    return Fate(role, None, why, expected, forecast)


def _told(turn: Turn, interval: tuple[float, float, float] | None) -> str:
    return "" if interval is None else f"expects {turn.outlook.in_words(interval)}"


def objections(turn: Turn) -> Callable[[Mapping[str, Any]], int]:
    """Return what counts the objections of the model to a configuration of the base sampler's.

    These are the rules that it breaks, as far as results bear them out, and that the model has
    turned down a point like it.
    """
    space, rules = turn.space, rules_in_force(turn.history)
    vetoed = [
        decode_params(space.distributions, params)
        for _, said in statements(turn.history)[:1]
        for params in said.vetoed
    ]
    down = space.coordinates(vetoed)

    def count(params: Mapping[str, Any]) -> int:
        broken = sum(rule.is_broken(params) for rule in rules)
        near = space.distances(down, space.coordinates([params])[0]) < _NEAR
        return broken + int(near.any())

    return count


def with_points(
    answer: Exchange,
    why: str,
    key: str,
    space: SearchSpace,
    points: Sequence[Mapping[str, Any]],
) -> Exchange:
    """Return an answer with what it says of the base sampler's points.

    The one that it likes best competes with its own candidates; the ones that it leaves out are
    turned down.
    """
    liked = answer.said.optimizer
    candidates, vetoed = answer.candidates, []
    if liked is not None and answer.error is None:
        named = dict(zip(letters(len(points)), points, strict=True))
        vetoed = [params for letter, params in named.items() if letter not in liked]
        best = next((named[letter] for letter in liked if letter in named), None)
        if best is not None:
            reason = "The statistical sampler's point, which the model prefers of several."
            candidates = (*candidates, Candidate(dict(best), reason, role=OPTIMIZER))
    statement = statement_of(answer.said, why, key, space, vetoed)
    return replace(answer, candidates=candidates, statement=statement)
