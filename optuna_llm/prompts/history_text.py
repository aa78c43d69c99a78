"""The history of a study as text within a token budget.

The text holds, in this order: a headline; statistics of all trials; what the failed trials have in
common; and a table of selected trials as CSV, sorted from worst to best, so that the best one is
nearest to the request that follows (as in OPRO and LLAMBO). Results carry the user's own sign.

When the budget is tight, text falls out in this order: the worst trials, the diverse ones, the
older ones among the last, the lower ones among the best, the statistics of the parameters with the
weakest effects, the failures, the table, the headline.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
from optuna.trial import TrialState

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.comparisons import Change
from optuna_llm.prompts.comparisons import comparison_lines
from optuna_llm.prompts.comparisons import lost_to
from optuna_llm.prompts.comparisons import single_changes
from optuna_llm.prompts.conditions import Begun
from optuna_llm.prompts.conditions import condition_lines
from optuna_llm.prompts.failures import causes_of
from optuna_llm.prompts.failures import failure_lines
from optuna_llm.prompts.history_table import Table
from optuna_llm.prompts.regions import MIN_FAILURES
from optuna_llm.prompts.statistics import MAX_SAMPLE
from optuna_llm.prompts.statistics import Effect
from optuna_llm.prompts.statistics import crowding_sorted
from optuna_llm.prompts.statistics import diverse
from optuna_llm.prompts.statistics import effects
from optuna_llm.prompts.statistics import front_gaps
from optuna_llm.prompts.text import Results
from optuna_llm.prompts.text import count_lines
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import counted
from optuna_llm.space.words import show_name
from optuna_llm.space.words import show_value


DEFAULT_TOKEN_BUDGET = 4000

N_BEST = 12
N_LAST = 5
N_DIVERSE = 7
N_WORST = 5
N_CHANGES = 6
_MAX_ROWS = 500
# Tokens that more digits may take in a line than were counted.
_NUMBERS = 8
_N_FIRST = 3
_MIN_TRIALS_FOR_STATISTICS = 10
_STATISTICS_SHARE = 0.35
_MAX_LEVELS = 5
_CURVE_POINTS = 5


def history_text(
    space: SearchSpace, history: History, *, token_budget: int = DEFAULT_TOKEN_BUDGET
) -> str:
    """Show the finished trials of a study; running ones are for :func:`pending_text`.

    Args:
        space: The parameters to show; the columns of the table.
        history: The trials.
        token_budget: The most tokens that the text may take, by
            :func:`~optuna_llm.chat.estimate_tokens`.

    Returns:
        Lines of text, or an empty string where nothing has finished or nothing fits.
    """
    if not history.n_ranked and not history.failed:
        return ""
    results = Results(history)
    causes = causes_of(history)
    table = Table(space, history, results, causes)
    changes = single_changes(space, history)
    selected = _select(space, history, changes)
    n_finished = sum(o.state.is_finished() for o in history.observations)
    left = token_budget

    def take(lines: Iterable[str]) -> list[str]:
        """Return the lines if all of them fit."""
        nonlocal left
        taken = list(lines)
        if count_lines(taken) > left:
            return []
        left -= count_lines(taken)
        return taken

    headline = take(_headline(history, results))
    if not headline:
        return ""
    rows: list[Observation] = []
    note = count_lines([_left_out(history, [])]) + _NUMBERS
    for n in range(min(_N_FIRST, len(selected)), 0, -1):
        lines = [*table.header, *map(table.row, selected[:n])]
        if count_lines(lines) + note * (n < n_finished) <= left:
            rows, left = selected[:n], left - count_lines(lines)
            break
    told = failure_lines(space, history)
    failures = take(told) if count_lines(told) + note <= left or not rows else []
    others = selected[len(rows) :] if len(rows) == min(_N_FIRST, len(selected)) else []
    # All trials, if they fit; what can be computed from them is the less then.
    wanted = count_lines(map(table.row, others))
    is_whole = len(rows) + len(others) == n_finished and wanted <= left
    if not is_whole and rows:
        left -= note
    reserve = wanted if is_whole else left - int(_STATISTICS_SHARE * token_budget)
    statistics: list[str] = []
    for block in _statistics(space, history, results, changes):
        if left - count_lines(block) >= reserve:
            statistics += take(block)
    for o in others:
        if not take([table.row(o)]):
            break
        rows.append(o)
    if not rows:
        return "\n".join([*headline, *statistics, *failures])
    shown = [*table.header, *map(table.row, table.worst_to_best(rows))]
    left_out = [_left_out(history, rows)] if len(rows) < n_finished else []
    return "\n".join([*headline, *statistics, *failures, *left_out, *shown])


def pending_text(space: SearchSpace, history: History, *, token_budget: int) -> str:
    """Show the running trials, the newest first as far as the budget goes."""
    # A trial of which nothing is known yet is none to keep away from.
    running = [o for o in history.running if o.params]
    if not running:
        return ""
    lines = [
        'PENDING: being evaluated now, do not repeat; "?" is not known yet.',
        ",".join(("trial", *map(show_name, space.names))),
    ]
    left = token_budget - count_lines(lines)
    shown = []
    trials = Begun(space, history)
    for o in reversed(running):
        row = ",".join((str(o.number), *trials.cells(o)))
        left -= count_lines([row])
        if left < 0:
            break
        shown.append(row)
    return "\n".join([*lines, *reversed(shown)]) if shown else ""


# --------------------------------------------------------------------------------------
# The headline


def _headline(history: History, results: Results) -> list[str]:
    counts = (
        (len(history.complete), "complete"),
        (len(history.pruned), "stopped early"),
        (len(history.failures_of_parameters), "failed"),
        (sum(o.is_interrupted for o in history.failed), "interrupted"),
        (len(history.running), "running"),
    )
    kinds = ", ".join(f"{n} {kind}" for n, kind in counts if n)
    wanted = ", ".join(results.direction(i) for i in range(len(history.directions)))
    lines = [f"HISTORY: {kinds}. Objective: {wanted}."]
    best = history.best
    if best is None:
        return lines
    if any(o.constraints for o in history.complete) and best.violation > 0:
        lines.append(
            f"No feasible trial yet; trial {best.number} violates the constraints least, "
            f"by {best.violation:.3g} in total."
        )
    elif history.is_multi_objective:
        front = counted(len(history.pareto_front), "trial")
        lines.append(f'Pareto front: {front}, marked "yes" below.')
        for i, a, b in front_gaps(history.pareto_front):
            assert a.values is not None
            assert b.values is not None
            lines.append(
                f"Widest gap of the front in {results.names[i]}: between "
                f"{results.show(i, a.values[i])} (trial {a.number}) and "
                f"{results.show(i, b.values[i])} (trial {b.number})."
            )
    else:
        feasible = " feasible" if best.constraints else ""
        lines.append(f"Best{feasible} so far: trial {best.number}, {results.named(best)}.")
    if any(o.constraints for o in history.complete):
        lines.append("Meeting the constraints comes first, the objective second.")
    return lines


# --------------------------------------------------------------------------------------
# Statistics


def _statistics(
    space: SearchSpace, history: History, results: Results, changes: Sequence[Change]
) -> Iterable[list[str]]:
    """Yield blocks of lines, the most useful first."""
    yield from ([line] for line in condition_lines(space, history))
    yield from comparison_lines(space, history, results, changes)
    if len(history.complete) < _MIN_TRIALS_FOR_STATISTICS:
        return
    steps = history.best_so_far()
    if not history.is_multi_objective and len(steps) > 1:
        chosen = np.unique(np.linspace(0, len(steps) - 1, _CURVE_POINTS).round().astype(int))
        points = ", ".join(f"trial {steps[i][0]} {results.show(0, steps[i][1])}" for i in chosen)
        yield [f"Best so far over time: {points}."]
    found = effects(space, history)
    still = [show_name(e.name) for e in found if _is_still(space, e)]
    lines = [
        _effect_line(space, history, results, e, changes) for e in found if not _is_still(space, e)
    ]
    shown_lines = [line for line in lines if line]
    if still:
        shown_lines.append(f"not varied among the best, so nothing is known: {', '.join(still)}")
    if shown_lines:
        n = len(history.complete)
        sampled = f", a sample of {MAX_SAMPLE}," if n > MAX_SAMPLE else ""
        yield [
            f"What the complete trials{sampled} say (strongest association first; trend: rank "
            "correlation among the best third, + where larger is better):",
            *shown_lines[:1],
        ]
    for line in shown_lines[1:]:
        yield [line]


def _is_still(space: SearchSpace, e: Effect) -> bool:
    """Whether the best trials have the same number, so that they tell nothing of others."""
    return e.elite is not None and len({show_value(space, e.name, v) for v in e.elite}) == 1


def _effect_line(
    space: SearchSpace,
    history: History,
    results: Results,
    e: Effect,
    changes: Sequence[Change],
) -> str:
    """Show what is known about one parameter; empty where nothing is."""
    if e.elite is not None:
        low, high = (show_value(space, e.name, v) for v in e.elite)
        held = f"the best {e.n_elite} have {low} to {high}"
        trend = "no trend" if e.correlation is None else f"trend {e.correlation:+.2f}"
        return f"{show_name(e.name)}: {held}; {trend}"
    if len(e.levels) < 2:
        return ""
    # An order is told only where all else was equal: who proposes moves on in all parameters.
    lost = lost_to(e.name, e.levels[0][0], changes)
    order: list[str] = []
    untold: list[str] = []
    for i, (choice, n, o) in enumerate(e.levels[:_MAX_LEVELS]):
        best = _best_level(history, results, o)
        shown = f"{show_value(space, e.name, choice)} (best {best}, n={n})"
        (order if i == 0 or choice in lost else untold).append(shown)
    line = f"{show_name(e.name)}: {' > '.join(order)}"
    line += f"; no pair tells of {', '.join(untold)}" if untold else ""
    more = len(e.levels) - _MAX_LEVELS
    return line + (f", {more} more" if more > 0 else "")


def _best_level(history: History, results: Results, o: Observation) -> str:
    if history.is_multi_objective or o.violation > 0:
        return f"trial {o.number}"
    assert o.values is not None
    return results.show(0, o.values[0])


# --------------------------------------------------------------------------------------
# The table


def _select(space: SearchSpace, history: History, changes: Sequence[Change]) -> list[Observation]:
    """Return the trials to show, the most important first: all but those of very long studies."""
    ranking = history.ranking
    best = ranking[:N_BEST]
    if history.is_multi_objective:
        front = crowding_sorted(history.pareto_front)[:N_BEST]
        best = (*front, *ranking[: N_BEST - len(front)])
    finished = [o for o in history.observations if o.state.is_finished()]
    last = finished[: -N_LAST - 1 : -1]
    # Few failures have no boundary yet: they are shown themselves.
    few = history.failures_of_parameters
    few = few if len(few) < MIN_FAILURES else ()
    # What is worse than a good trial, or failed, by one parameter, says the most of bad ones.
    telling = (c.worse for c in changes[:N_CHANGES])
    chosen = _unique((*best[:_N_FIRST], *last, *few, *best, *telling))
    seen = set(map(id, chosen))
    rest = [o for o in ranking if id(o) not in seen]
    # A stopped trial ranks low, but says less than a complete one that did badly.
    worst = [o for o in rest if o.values is not None][-N_WORST:]
    seen.update(map(id, worst))
    middle = [o for o in rest if id(o) not in seen]
    far = diverse(space, middle, chosen, N_DIVERSE)
    failed = history.failures_of_parameters[::-1]
    named = _unique((*chosen, *far, *reversed(worst), *middle, *failed, *finished))
    return named[:_MAX_ROWS]


def _left_out(history: History, shown: Sequence[Observation]) -> str:
    """Say in one line which trials a table does not show."""
    ids = set(map(id, shown))
    hidden = [o for o in history.observations if o.state.is_finished() and id(o) not in ids]
    ranks = [i for i, o in enumerate(history.ranking, start=1) if id(o) not in ids]
    parts = [f"ranks {ranks[0]} to {ranks[-1]}"] if ranks else []
    n_failed = sum(o.state == TrialState.FAIL for o in hidden)
    parts += [f"{n_failed} failed or interrupted"] if n_failed else []
    return f"Left out for length: {counted(len(hidden), 'trial')} ({', '.join(parts)})."


def _unique(observations: Iterable[Observation]) -> list[Observation]:
    return list({id(o): o for o in observations}.values())
