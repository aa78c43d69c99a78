"""What the demonstration tells at its end: who is ahead, why not we, and what was learnt."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from optuna_llm.command.demo_result import OURS
from optuna_llm.expectations.in_units import forecaster
from optuna_llm.history.history import History
from optuna_llm.prompts.failures import causes_of
from optuna_llm.prompts.statistics import effects
from optuna_llm.reporting.tables import columns
from optuna_llm.reporting.tables import show_value
from optuna_llm.reporting.tables import summarize_model_use
from optuna_llm.stopping import verdict
from optuna_llm.stopping.remaining import Remaining


if TYPE_CHECKING:
    from optuna import Study

    from optuna_llm.command.demo_result import Result
    from optuna_llm.command.demo_result import Search


# A difference of so many standard errors is one that the test rows can tell.
_CLEAR = 2.0
_N_PARAMETERS = 5
_WIDTH = 96
# A choice with fewer trials has hardly been tried.
_FEW = 3
_INTERVAL = (0.1, 0.9)


def describe(result: Result) -> str:
    """Return what was found, as text for a terminal."""
    first = result.of_seed(result.seeds[0])[0]
    lines = ["", *_scores(result), "", *_standing(result), ""]
    if first.best is not None:
        lines += [f"What {first.sampler} has learnt{_which(result)}:", *_learnt(first.study), ""]
        lines += [f"Its best configuration (trial {first.best.number}):"]
        lines += columns([[name, show_value(v)] for name, v in first.best.params.items()])
    usage = summarize_model_use(History.from_study(first.study))
    if usage.requests:
        cost = "cost not known" if usage.cost is None else f"cost {usage.cost:.4g}"
        lines += [
            "",
            f"Language model {', '.join(usage.models)}: {usage.requests} requests,"
            f" {usage.prompt_tokens + usage.completion_tokens:,} tokens, {cost},"
            f" {usage.seconds:.1f} s of waiting.",
        ]
    return "\n".join(lines)


def _which(result: Result) -> str:
    return f" with seed {result.seeds[0]}" if len(result.seeds) > 1 else ""


# ---- who is ahead


def _scores(result: Result) -> list[str]:
    n = len(result.seeds)
    of = f"mean of {n} seeds, worst test score behind it" if n > 1 else f"seed {result.seeds[0]}"
    rows = [["", "validation", "test", "refused", ""]]
    for sampler in result.samplers:
        searches = result.of_sampler(sampler)
        tests = [s.test for s in searches]
        rows.append(
            [
                sampler,
                f"{np.mean([s.score for s in searches]):.3f}",
                f"{np.mean(tests):.3f}" + (f" ({max(tests):.3f})" if n > 1 else ""),
                f"{sum(s.n_refused for s in searches)}",
                f"best of {result.n_trials} trials",
            ]
        )
    default = f"{result.default_test_errors.mean():.3f}"
    rows.append(
        ["LightGBM's defaults", f"{result.default_score:.3f}", default, "", "1 configuration"]
    )
    return [
        f"Minutes by which a prediction is off on average, lower is better ({of}):",
        *columns(rows),
        "Validation is what the searches saw: the best of many trials looks better than it is.",
        f"The {len(result.default_test_errors):,} flights of the test no search has seen. What"
        " LightGBM refuses costs a trial;",
        "TPE is told of it as of a pruned trial, for failed ones it ignores.",
    ]


def _standing(result: Result) -> list[str]:
    """Say where the first sampler is ahead on the test, and why where it is not."""
    lines = []
    n_ahead = n_clear = 0
    for seed in result.seeds:
        ours, *others = result.of_seed(seed)
        better = [s for s in others if s.test < ours.test]
        n_ahead += not better
        n_clear += not better and all(_is_clear(ours, s) for s in others)
        lines += [f"Seed {seed}: {_why_behind(ours, s)}" for s in better]
    peers = " and ".join(result.samplers[1:])
    if len(result.seeds) > 1:
        head = (
            f"{OURS} is ahead of {peers} on the test with {n_ahead} of {len(result.seeds)} seeds"
        )
        return [f"{head}, by more than the test's own error with {n_clear}.", *lines]
    if lines:
        return [*lines, "One seed is one draw: --seeds 5 shows how much that varies."]
    close = [s.sampler for s in others if not _is_clear(ours, s)]
    return [
        f"{OURS} is ahead of {peers} on the test"
        + (f"; of {' and '.join(close)} by less than the test can tell." if close else "."),
        "One seed is one draw: --seeds 5 shows how much that varies.",
    ]


def _why_behind(ours: Search, other: Search) -> str:
    """Say by how much a search is behind another on the test, and what is known of the reason."""
    said = f"{ours.sampler} ends behind {other.sampler} on the test, {ours.test:.3f} against"
    said += f" {other.test:.3f}."
    if ours.best is None or other.best is None:
        return f"{said} None of its trials is complete."
    if not _is_clear(ours, other):
        error = _standard_error(ours, other)
        return f"{said} So small a difference the test cannot tell (standard error {error:.3f})."
    if ours.score <= other.score:
        return f"{said} On what the searches saw it was ahead: it has fitted that too well."
    unlike = [
        f"{name}={show_value(value)} (tried in {_n_with(ours.study, name, value)} trials of ours)"
        for name, value in other.best.params.items()
        if isinstance(other.best.distributions[name], CategoricalDistribution)
        and ours.best.params.get(name) != value
    ]
    if unlike:
        return f"{said} Its best has {', '.join(unlike)}."
    return f"{said} Both ended in the same branch of the space; it found better numbers there."


def _is_clear(one: Search, other: Search) -> bool:
    return abs(one.test - other.test) > _CLEAR * _standard_error(one, other)


def _standard_error(one: Search, other: Search) -> float:
    """Return that of the difference of two searches' test errors, of the same rows."""
    if len(one.test_errors) != len(other.test_errors) or one.best is None or other.best is None:
        return 0.0
    difference = one.test_errors - other.test_errors
    return float(difference.std(ddof=1)) / math.sqrt(len(difference))


def _n_with(study: Study, name: str, value: object) -> int:
    return sum(t.params.get(name) == value for t in study.get_trials(deepcopy=False))


# ---- what was learnt


def _learnt(study: Study) -> list[str]:
    history = History.from_study(study)
    lines = [*_what_mattered(history), *_what_was_refused(history)]
    lines += _what_is_unsure(study, history)
    lines = [*lines, str(verdict(study))]
    return [w for line in lines for w in _wrapped(line)]


def _wrapped(line: str) -> list[str]:
    margin = " " * (2 + len(line) - len(line.lstrip()))
    if len(margin + line.lstrip()) <= _WIDTH:
        return [margin + line.lstrip()]
    return wrap(line, _WIDTH, initial_indent=margin, subsequent_indent=margin + "  ")


def _what_mattered(history: History) -> list[str]:
    found = [e for e in effects(history.search_space(), history) if e.strength > 0]
    if not found:
        return ["What matters: nothing yet that chance would not explain as well."]
    lines = ["What mattered, by how much of the ranking it explains, and where the best lie:"]
    rows = []
    for e in found[:_N_PARAMETERS]:
        if e.elite is not None:
            low, high = map(show_value, e.elite)
            good = low if low == high else f"{low} to {high}"
        else:
            good = f"{show_value(e.levels[0][0])}, then " + ", ".join(
                show_value(level[0]) for level in e.levels[1:]
            )
        rows.append([e.name, f"{e.strength:.0%}", good.removesuffix(", then ")])
    return [*lines, *columns(rows)]


def _what_was_refused(history: History) -> list[str]:
    causes = causes_of(history)
    if not causes:
        return []
    lines = [f"{len(group)} x {(group[-1].failure or '').rstrip('.')}" for group in causes]
    return ["Refused:", *(f"  {line}" for line in lines)]


def _what_is_unsure(study: Study, history: History) -> list[str]:
    seldom = [
        f"{name}={show_value(choice)} ({n})"
        for name, choice, n in _trials_of_choices(study)
        if n < _FEW
    ]
    lines = [f"Still unsure, for want of trials: {', '.join(seldom)}."] if seldom else []
    model, left = forecaster(history, 0), Remaining(history)
    if model is None or not left.feasible or not len(left.pool):
        return lines
    chosen = left.pool.coordinates[left.pool.order[:1]]
    ((low, high),) = model.at(chosen, _INTERVAL)
    best = (left.best.values or (math.nan,))[0]
    return [
        *lines,
        f"The most promising configuration not tried yet: {low:.4g} to {high:.4g} with 80 %, the"
        f" best so far {best:.2f}.",
    ]


def _trials_of_choices(study: Study) -> list[tuple[str, object, int]]:
    """Return parameter, choice and number of complete trials of each choice of a study."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    spaces = {
        name: d
        for t in done
        for name, d in t.distributions.items()
        if isinstance(d, CategoricalDistribution)
    }
    return [
        (name, choice, sum(t.params.get(name) == choice for t in done))
        for name, d in spaces.items()
        for choice in d.choices
    ]
