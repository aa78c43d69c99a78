"""What a model is told of its earlier answers: its notes, its rules, what became of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import TrialState

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.history.statement import Rule
from optuna_llm.prompts.roles import OPTIMIZER
from optuna_llm.prompts.text import Results
from optuna_llm.prompts.text import count_lines
from optuna_llm.space.numbers import format_number
from optuna_llm.space.words import counted
from optuna_llm.space.words import quote_prose
from optuna_llm.space.words import show_name


MAX_MEMORY_TOKENS = 900


@dataclass(frozen=True)
class Fate:
    """What became of one candidate.

    Attributes:
        role: What it was to do.
        number: The trial that ran it; None where none did.
        why: Why none did, in words.
        expected: The result that the model expected, if it said so.
        filled: Parameters that it did not name, and that were filled in.
        forecast: What the surrogate expected of it before it was run, or expects now, in words.
    """

    role: str
    number: int | None = None
    why: str = ""
    expected: float | None = None
    forecast: str = ""
    filled: tuple[str, ...] = ()


def memory_lines(
    history: History,
    *,
    asked: Observation | None,
    notes: str,
    rules: Sequence[Rule],
    fates: Sequence[Fate],
    n_turned_down: int = 0,
    alike: Sequence[int] = (),
) -> list[str]:
    """Return what the model is told of its last answer, within 900 tokens.

    Args:
        history: The study, as the model is shown it.
        asked: The trial for which it answered; None for none.
        notes: Its analysis.
        rules: Its rules.
        fates: What became of its candidates.
        n_turned_down: How many points of the optimizer it has turned down.
        alike: The optimizer's trials since then that are like one of these.
    """
    if asked is None:
        return []
    lines = [f"YOUR LAST ANSWER, for trial {asked.number}:"]
    if notes:
        lines.append(f"- your notes: {quote_prose(notes, len(notes) + 1)}")
    lines += [_rule_line(rule, history, asked.number) for rule in rules]
    results = Results(history)
    by_number = {o.number: o for o in history.observations}
    lines += [_fate_line(fate, by_number, history, results) for fate in fates]
    if n_turned_down:
        since = f"like them are trials {', '.join(map(str, alike))}" if alike else "not run since"
        lines.append(f"- the optimizer's points that you turned down ({n_turned_down}): {since}")
    while count_lines(lines) > MAX_MEMORY_TOKENS and len(lines) > 1:
        lines.pop()
    return lines if len(lines) > 1 else []


def _rule_line(rule: Rule, history: History, asked: int) -> str:
    standing = rule.standing(history)
    if rule.low is None and rule.high is None:
        shown = [
            f"{format_number(value)} in trial {o.number}"
            for o in history.ranking[:5]
            if (value := rule.value(o.params)) is not None
        ]
        return f"- your quantity {rule.quantity}: {', '.join(shown) or 'not known yet'}"
    sides = (
        _side("kept", standing.n_kept, standing.best_kept),
        _side("broken", standing.n_broken, standing.best_broken),
    )
    since = [
        rule.is_broken(o.intended)
        for o in history.observations
        if o.number > asked and o.origin is not None and o.origin.source == "base"
        if o.state.is_finished() and rule.value(o.intended) is not None
    ]
    verdict = "the optimizer tries to keep to it"
    if not standing.is_borne_out:
        refuted = "the best trial breaks it" if standing.best_broken == 1 else "not borne out"
        verdict = f"{refuted}: not kept to"
    elif since:
        n_kept = len(since) - sum(since)
        verdict = f"the optimizer kept to it in {n_kept} of {counted(len(since), 'trial')} since"
    return f"- your rule {rule}: {'; '.join(sides)}; {verdict}"


def _side(verb: str, n: int, best: int | None) -> str:
    rank = "" if best is None else f", best rank {best}"
    return f"{verb} by {counted(n, 'trial')}{rank}"


def _fate_line(
    fate: Fate, by_number: dict[int, Observation], history: History, results: Results
) -> str:
    name = f"- your candidate {fate.role}".rstrip() + ": "
    if fate.role == OPTIMIZER:
        name = "- the optimizer's point that you preferred: "
    expectations = []
    if fate.expected is not None and not history.is_multi_objective:
        expectations.append(f"you expected {format_number(fate.expected)}")
    if fate.forecast:
        expectations.append(f"the surrogate {fate.forecast}")
    if fate.filled:
        expectations.append(f"{', '.join(map(show_name, fate.filled))} filled in by the search")
    told = f" ({', '.join(expectations)})" if expectations else ""
    ran = None if fate.number is None else by_number.get(fate.number)
    if ran is None:
        return f"{name}not run, {fate.why}{told}"
    if ran.values is not None:
        place = next(i for i, o in enumerate(history.ranking, start=1) if o is ran)
        return f"{name}trial {ran.number}: {results.named(ran)}, rank {place}{told}"
    ended = {TrialState.FAIL: "failed", TrialState.PRUNED: "stopped early"}
    return f"{name}trial {ran.number}: {ended.get(ran.state, 'under way')}{told}"
