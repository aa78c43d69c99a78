"""The history as the dialogue that led to it: the ``chat`` style of Zhang et al. 2023.

Each trial that the model proposed is one turn of its own and one turn with the result; what other
samplers did in between is summed up in the latter. A turn, once finished, never changes, so the
dialogue only grows at its end, which the prompt caches of providers reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from optuna.trial import TrialState

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.text import MAX_REASON
from optuna_llm.prompts.text import Results
from optuna_llm.prompts.text import count_lines
from optuna_llm.prompts.text import show_configuration
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import quote
from optuna_llm.space.words import quote_prose


# Turns fall out in blocks, so that the beginning of the dialogue stays the same for some trials.
_BLOCK = 8


@dataclass(frozen=True)
class Dialogue:
    """The turns that fit into a budget.

    Attributes:
        opening: What happened before the first turn; part of the first user message.
        turns: What the model said, and what the user answered.
        complete: Whether these turns tell the whole history.
    """

    opening: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    complete: bool = True


@dataclass
class _Turn:
    proposed: Observation
    others: list[Observation] = field(default_factory=list)


def dialogue(space: SearchSpace, history: History, *, token_budget: int) -> Dialogue:
    """Tell the finished trials as a dialogue; the oldest turns are left out if need be."""
    turns: list[_Turn] = []
    before: list[Observation] = []
    for o in history.observations:
        if not o.state.is_finished():
            continue
        if o.origin is not None and o.origin.source == "llm":
            turns.append(_Turn(o))
        else:
            (turns[-1].others if turns else before).append(o)
    results = Results(history, plain=True)
    improved = set() if history.is_multi_objective else {n for n, _ in history.best_so_far()}
    opening = _summary(space, results, before, "Trials before yours")
    left = token_budget - count_lines([opening])
    told: list[tuple[str, str]] = []
    for turn in reversed(turns):
        o = turn.proposed
        best = " New best." if o.number in improved else ""
        answer = [f"Trial {o.number}: {_outcome(results, o)}{best}"]
        if turn.others:
            answer.append(_summary(space, results, turn.others, "Other trials since then"))
        told.insert(0, (_proposal(space, o), "\n".join(answer)))
        left -= count_lines(told[0])
        if left < 0:
            break
    if left < 0:
        return Dialogue(turns=tuple(_without_oldest(told, len(turns))), complete=False)
    alone = not before and not any(turn.others for turn in turns)
    return Dialogue(opening, tuple(told), complete=alone)


def _without_oldest(told: list[tuple[str, str]], n_turns: int) -> list[tuple[str, str]]:
    """Leave out the oldest turn, and more, up to the beginning of a block if any are left then."""
    kept = told[1:]
    surplus = -(n_turns - len(kept)) % _BLOCK
    return kept[surplus:] or kept


def _proposal(space: SearchSpace, o: Observation) -> str:
    """Show what the model proposed, in the format in which it is to answer again."""
    reason = quote_prose(o.origin.rationale if o.origin else "", MAX_REASON)
    params = show_configuration(space, o.params, inactive=o.state != TrialState.FAIL)
    return f'{{"candidates": [{{"reason": {reason}, "params": {params}}}]}}'


def _outcome(results: Results, o: Observation) -> str:
    if o.is_interrupted:
        return "interrupted, by nothing that its parameters did."
    if o.state == TrialState.FAIL:
        return f"failed, {quote(o.failure)}."
    if o.values is None:
        last = list(o.intermediate_values.items())[-1:]
        shown = "".join(f" at step {step} with {results.show(0, v)}" for step, v in last)
        return f"stopped early{shown}."
    if o.violation > 0:
        return f"{results.named(o)}, not feasible (violation {o.violation:.3g})."
    return f"{results.named(o)}."


def _summary(
    space: SearchSpace, results: Results, others: Sequence[Observation], title: str
) -> str:
    """Sum up trials that the model did not propose, in one line."""
    if not others:
        return ""
    parts = [f"{title}: {len(others)}"]
    complete = [o for o in others if o.values is not None]
    if complete:
        best = min(complete, key=lambda o: (o.violation, o.values or ()))
        shown = show_configuration(space, best.params)
        parts.append(f"the best, trial {best.number}, {shown}: {_outcome(results, best)[:-1]}")
    failed = [o for o in others if o.state == TrialState.FAIL and not o.is_interrupted]
    if failed:
        parts.append(f"{len(failed)} failed, the last with {quote(failed[-1].failure, 80)}")
    return "; ".join(parts) + "."
