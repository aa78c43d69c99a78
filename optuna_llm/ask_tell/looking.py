"""What is known of a study: its state in few words, what matters, whether it is done."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat import estimate_tokens
from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.outlook import Outlook
from optuna_llm.history.stored import storage_errors
from optuna_llm.history.suggestions import told
from optuna_llm.prompts.conditions import condition_lines
from optuna_llm.prompts.failures import failure_lines
from optuna_llm.prompts.history_text import history_text
from optuna_llm.prompts.history_text import pending_text
from optuna_llm.prompts.statistics import effects
from optuna_llm.prompts.text import Results
from optuna_llm.prompts.text import count_lines
from optuna_llm.space.words import describe
from optuna_llm.space.words import quote_prose
from optuna_llm.space.words import show_name
from optuna_llm.stopping import StopWhenDone


if TYPE_CHECKING:
    from optuna_llm.ask_tell.desk import Desk
    from optuna_llm.history.history import History
    from optuna_llm.prompts.statistics import Effect
    from optuna_llm.space.search_space import SearchSpace


MIN_TOKENS = 100
# Of the tokens of a state so much may go to what runs, and to what waits.
_PENDING_SHARE = 0.2
_MAX_SUGGESTIONS = 12
_MIN_TRIALS = 10


def state(desk: Desk, max_tokens: int = 1000) -> dict[str, Any]:
    """Tell where a study stands, in a text within a budget.

    Args:
        desk: The study.
        max_tokens: The most tokens that the text may take, as this package estimates them.

    Returns:
        ``text``: parameters, what finished trials say, the trials themselves as far as there is
        room, what runs, and what became of suggestions; ``tokens``: its estimated length;
        ``trials``: how many there are of each state; ``best``: number, params and values of the
        best trials; ``share``: the agent's share of coming trials; ``suggestions``: the newest.

    Raises:
        ConfigurationError: The budget is too small.
        StorageError: The storage does not answer.
    """
    if max_tokens < MIN_TOKENS:
        raise ConfigurationError(
            f"max_tokens={max_tokens} is too little; allow at least {MIN_TOKENS}"
        )
    with storage_errors():
        history = desk.history()
        space = desk.space(history)
        found = desk.sampler.suggestions(desk.study)[-_MAX_SUGGESTIONS:]
        share = round(desk.sampler.share(desk.study), 2)
    left = max_tokens
    parts: list[str] = []

    def take(text: str) -> None:
        nonlocal left
        cost = count_lines(text.splitlines())
        if text and cost <= left:
            parts.append(text)
            left -= cost

    take("\n".join(_parameters(desk, space)))
    beside = [pending_text(space, history, token_budget=int(_PENDING_SHARE * max_tokens))]
    beside.append(_suggested(found, share, int(_PENDING_SHARE * max_tokens)))
    reserved = sum(count_lines(text.splitlines()) for text in beside)
    take(history_text(space, history, token_budget=max(left - reserved, 0)))
    for text in beside:
        take(text)
    text = "\n".join(parts)
    counts: dict[str, int] = {}
    for o in history.observations:
        counts[o.state.name.lower()] = counts.get(o.state.name.lower(), 0) + 1
    best = history.pareto_front if history.is_multi_objective else (history.best,)
    return {
        "text": text,
        "tokens": sum(estimate_tokens(line) + 1 for line in text.splitlines()),
        "trials": counts,
        "best": [
            {
                "trial": o.number,
                "params": dict(o.params),
                "values": [s * v for s, v in zip(o.signs, o.values or (), strict=False)],
            }
            for o in best[:_MAX_SUGGESTIONS]
            if o is not None
        ],
        "share": share,
        "suggestions": [told(s) for s in found],
    }


def _parameters(desk: Desk, space: SearchSpace) -> list[str]:
    about = [f"ABOUT: {quote_prose(desk.setup.about, 300)}"] if desk.setup.about else []
    conditions = desk.setup.conditions
    # Of those whose conditions are announced more is known than that they do not always apply.
    vague = replace(space, optional=space.optional - conditions.when.keys())
    shown = [f"{show_name(n)}: {describe(vague, n)}" for n in space.names]
    for i, name in enumerate(space.names):
        if name in conditions.when:
            shown[i] += f", only {conditions.in_words(name)}"
    return [*about, "PARAMETERS:", *shown]


def _suggested(found: list[Any], share: float, budget: int) -> str:
    """Say what became of an agent's suggestions, the newest first, as far as there is room."""
    if not found:
        return ""
    lines = [f"SUGGESTIONS of agents, who have {share:.0%} of the coming trials:"]
    for s in reversed(found):
        became = s.fate if s.trial is None else f"{s.fate} at trial {s.trial}"
        values = ", ".join(f"{show_name(n)} {v!r}" for n, v in s.candidate.params.items())
        line = f"{s.name}: {became}: {values}"
        if count_lines([*lines, line]) > budget:
            break
        lines.append(line)
    return "\n".join(lines)


def relations(desk: Desk) -> dict[str, Any]:
    """Tell what matters: the parameters, trends among good trials, noise, failures.

    Returns:
        ``parameters``, the strongest first: ``name``; ``strength``: how much of the ranking it
        explains, 0 to 1; ``trend``: the rank correlation with better results among the best
        third; ``best``: the smallest and the largest value of the best fifth, or the choices with
        their best values, the best choice first; ``noise``; ``conditions`` and ``failures`` in
        words; ``trials``: how many complete ones there are.

    Raises:
        ConfigurationError: Nothing is known of the parameters.
        StorageError: The storage does not answer.
    """
    with storage_errors():
        history = desk.history()
    space = desk.space(history)
    outlook = Outlook(space, history, 0)
    noise = outlook.noise() if history.n_ranked else None
    enough = len(history.complete) >= _MIN_TRIALS
    announced = desk.setup.conditions
    conditions = [
        f"{show_name(name)} applies only {announced.in_words(name)}." for name in announced.when
    ]
    seen = replace(space, optional=space.optional - announced.when.keys())
    return {
        "trials": len(history.complete),
        "parameters": [_effect(e, history) for e in effects(space, history)] if enough else [],
        "noise": "nobody knows yet" if noise is None else noise.in_words(),
        "conditions": conditions + condition_lines(seen, history),
        "failures": failure_lines(space, history),
    }


def _effect(e: Effect, history: History) -> dict[str, Any]:
    found: dict[str, Any] = {"name": e.name, "strength": round(e.strength, 2)}
    if e.elite is not None:
        trend = None if e.correlation is None else round(e.correlation, 2)
        return found | {"trend": trend, "best": list(e.elite), "of_trials": e.n_elite}
    results = Results(history)
    return found | {
        "choices": [
            {"value": value, "trials": n, "best_trial": o.number, "result": results.named(o)}
            for value, n, o in e.levels
        ]
    }


def done(desk: Desk) -> dict[str, Any]:
    """Tell whether it pays to go on, or whether somebody has stopped the study already.

    Returns:
        The fields of a :class:`~optuna_llm.stopping.Verdict`.
    """
    with storage_errors():
        stop = StopWhenDone(n_trials=desk.setup.n_trials)
        # Who asks only looks: nobody else is stopped by it.
        return asdict(stop.verdict(desk.study, leave_mark=False))
