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
import math
import re

import numpy as np
from optuna.trial import TrialState

from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.prompts.regions import MIN_FAILURES
from optuna_llm.prompts.regions import failure_boundary
from optuna_llm.prompts.results import Results
from optuna_llm.prompts.statistics import MAX_SAMPLE
from optuna_llm.prompts.statistics import Effect
from optuna_llm.prompts.statistics import crowding_sorted
from optuna_llm.prompts.statistics import diverse
from optuna_llm.prompts.statistics import effects
from optuna_llm.prompts.statistics import front_gaps
from optuna_llm.prompts.statistics import observed_gates
from optuna_llm.prompts.text import count_lines
from optuna_llm.prompts.text import quote
from optuna_llm.prompts.text import show_name
from optuna_llm.prompts.text import show_row
from optuna_llm.prompts.text import show_value
from optuna_llm.space import SearchSpace


DEFAULT_TOKEN_BUDGET = 3000

N_BEST = 12
N_LAST = 9
N_DIVERSE = 7
N_WORST = 5
_N_FIRST = 3
_MIN_TRIALS_FOR_STATISTICS = 10
_STATISTICS_SHARE = 0.35
_MAX_CONSTRAINT_COLUMNS = 6
_MAX_REASONS = 4
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
            :func:`~optuna_llm.prompts.text.estimate_tokens`.

    Returns:
        Lines of text, or an empty string where nothing has finished or nothing fits.
    """
    if not history.ranking and not history.failed:
        return ""
    results = Results(history)
    causes = _causes(history)
    table = _Table(space, history, results, causes)
    selected = _select(space, history)
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
    for n in range(_N_FIRST, 0, -1):
        if take([*table.header, *map(table.row, selected[:n])]):
            rows = selected[:n]
            break
    failures = take(failure_lines(space, history))
    statistics: list[str] = []
    reserve = left - int(_STATISTICS_SHARE * token_budget)
    for block in _statistics(space, history, results):
        if left - count_lines(block) >= reserve:
            statistics += take(block)
    for o in selected[_N_FIRST:] if len(rows) >= _N_FIRST else ():
        if not take([table.row(o)]):
            break
        rows = [*rows, o]
    shown = [*table.header, *map(table.row, table.worst_to_best(rows))] if rows else []
    return "\n".join([*headline, *statistics, *failures, *shown])


def pending_text(space: SearchSpace, history: History, *, token_budget: int) -> str:
    """Show the running trials, the newest first as far as the budget goes."""
    if not history.running:
        return ""
    lines = [
        'PENDING: being evaluated now, do not repeat; "?" is not known yet.',
        ",".join(("trial", *map(show_name, space.names))),
    ]
    left = token_budget - count_lines(lines)
    shown = []
    for o in reversed(history.running):
        row = ",".join((str(o.number), *show_row(space, o.params, "?")))
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
        (len(history.failed), "failed"),
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
        lines.append(f'Pareto front: {len(history.pareto_front)} trials, marked "yes" below.')
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
    return lines


# --------------------------------------------------------------------------------------
# Statistics


def _statistics(space: SearchSpace, history: History, results: Results) -> Iterable[list[str]]:
    """Yield blocks of lines, the most useful first."""
    gates = observed_gates(space, history)
    if gates:
        shown = "; ".join(f"{show_name(n)} only with {gate}" for n, gate in gates.items())
        yield [f"Seen so far: {shown}."]
    if len(history.complete) < _MIN_TRIALS_FOR_STATISTICS:
        return
    steps = history.best_so_far()
    if not history.is_multi_objective and len(steps) > 1:
        chosen = np.unique(np.linspace(0, len(steps) - 1, _CURVE_POINTS).round().astype(int))
        points = ", ".join(f"trial {steps[i][0]} {results.show(0, steps[i][1])}" for i in chosen)
        yield [f"Best so far over time: {points}."]
    lines = [_effect_line(space, history, results, e) for e in effects(space, history)]
    shown_lines = [line for line in lines if line]
    if shown_lines:
        n = len(history.complete)
        sampled = f", a sample of {MAX_SAMPLE}," if n > MAX_SAMPLE else ""
        yield [
            f"What the complete trials{sampled} say (strongest effect first; correlation is by "
            "rank, + where larger is better; ranges hold the best 20 % of the trials):",
            *shown_lines[:1],
        ]
    for line in shown_lines[1:]:
        yield [line]


def _effect_line(space: SearchSpace, history: History, results: Results, e: Effect) -> str:
    """Show what is known about one parameter; empty where nothing is."""
    if e.elite is not None:
        low, high = (show_value(space, e.name, v) for v in e.elite)
        best = f"best {low} to {high}" if low != high else f"best {low}"
        if e.correlation is not None:
            trend = f"{e.correlation:+.2f}"
        else:
            trend = "matters, no straight trend" if e.strength > 0 else "no clear trend"
        return f"{show_name(e.name)}: {trend}, {best}"
    if not e.levels:
        return ""
    levels = [
        f"{show_value(space, e.name, choice)} (best {_best_level(history, results, o)}, n={n})"
        for choice, n, o in e.levels[:_MAX_LEVELS]
    ]
    more = len(e.levels) - _MAX_LEVELS
    return f"{show_name(e.name)}: {' > '.join(levels)}" + (f", {more} more" if more > 0 else "")


def _best_level(history: History, results: Results, o: Observation) -> str:
    if history.is_multi_objective or o.violation > 0:
        return f"trial {o.number}"
    assert o.values is not None
    return results.show(0, o.values[0])


# --------------------------------------------------------------------------------------
# Failures


def cause_of(o: Observation) -> str:
    """Return why a trial failed, numbers left aside."""
    return re.sub(r"\d+(\.\d+)?", "#", o.failure)


def _causes(history: History) -> list[list[Observation]]:
    """Group the failed trials by cause, the most frequent first."""
    reasons: dict[str, list[Observation]] = {}
    for o in history.failed:
        reasons.setdefault(cause_of(o), []).append(o)
    return sorted(reasons.values(), key=lambda group: -len(group))


def failure_lines(space: SearchSpace, history: History) -> list[str]:
    """Sum up the failed trials: reasons with counts, and where in the space they lie."""
    causes = _causes(history)
    if not causes:
        return []
    shown = ", ".join(f"{len(g)} x {quote(g[-1].failure, 80)}" for g in causes[:_MAX_REASONS])
    rest = sum(len(g) for g in causes[_MAX_REASONS:])
    n_failed = len(history.failed)
    lines = [f"FAILED {n_failed}: {shown}" + (f", {rest} others" if rest else "") + "."]
    others = history.ranking
    # Each cause has its own boundary; rare ones are looked at together.
    frequent = [g for g in causes[:_MAX_REASONS] if len(g) >= MIN_FAILURES]
    for group in frequent or [list(history.failed)]:
        box = failure_boundary(space, group, others)
        if box is None:
            continue
        share = "all" if box.n_inside == box.n_trials else f"{box.n_inside} of"
        sampled = " sampled" if box.n_trials < len(group) or box.n_others < len(others) else ""
        cause = "" if len(group) == n_failed else f" with {quote(group[-1].failure, 40)}"
        lines.append(
            f"In common: {share} {box.n_trials}{sampled} failures{cause} had {box}; "
            f"{box.n_others_inside} of {box.n_others}{sampled} other trials did."
        )
    return lines


# --------------------------------------------------------------------------------------
# The table


def _select(space: SearchSpace, history: History) -> list[Observation]:
    """Return the trials to show, the most important first."""
    ranking = history.ranking
    best = ranking[:N_BEST]
    if history.is_multi_objective:
        front = crowding_sorted(history.pareto_front)[:N_BEST]
        best = (*front, *ranking[: N_BEST - len(front)])
    finished = [o for o in history.observations if o.state.is_finished()]
    last = finished[: -N_LAST - 1 : -1]
    # Few failures have no boundary yet: they are shown themselves.
    few = history.failed if len(history.failed) < MIN_FAILURES else ()
    chosen = _unique((*best[:_N_FIRST], *last[:_N_FIRST], *few, *best, *last))
    seen = set(map(id, chosen))
    rest = [o for o in ranking if id(o) not in seen]
    # A stopped trial ranks low, but says less than a complete one that did badly.
    worst = [o for o in rest if o.values is not None][-N_WORST:]
    seen.update(map(id, worst))
    middle = [o for o in rest if id(o) not in seen]
    return _unique((*chosen, *diverse(space, middle, chosen, N_DIVERSE), *reversed(worst)))


def _unique(observations: Iterable[Observation]) -> list[Observation]:
    return list({id(o): o for o in observations}.values())


class _Table:
    """The table of trials: its header lines, its rows, their order."""

    def __init__(
        self,
        space: SearchSpace,
        history: History,
        results: Results,
        causes: Sequence[Sequence[Observation]],
    ) -> None:
        self._space = space
        self._results = results
        self._rank = {id(o): i + 1 for i, o in enumerate(history.ranking)}
        self._front = set(map(id, history.pareto_front)) if history.is_multi_objective else None
        shown = _select_constraints(history)
        self._constraints = shown
        self._notes = bool(history.pruned or history.failed)
        # A single cause stands above the table once and for all.
        self._reasons = len(causes) > 1
        columns = ["trial", "rank", *map(show_name, space.names), *results.columns]
        if self._front is not None:
            columns.append("on front")
        if shown is not None:
            columns += [*map(show_name, shown), "feasible"]
        if self._notes:
            columns.append("note")
        explained = ["worst first, best last", "rank 1 is best"]
        if space.optional:
            explained.append('"-" is inactive')
        if shown:
            explained.append(f"{', '.join(map(show_name, shown))}: constraint met where <= 0")
        self.header = [f"TRIALS ({'; '.join(explained)}):", ",".join(columns)]

    def row(self, o: Observation) -> str:
        """Show one trial."""
        failed = o.state == TrialState.FAIL
        cells = [str(o.number), str(self._rank.get(id(o), "-"))]
        cells += show_row(self._space, o.params, "?" if failed else "-")
        cells += self._results.cells(o)
        if self._front is not None:
            cells.append("yes" if id(o) in self._front else "no")
        if self._constraints is not None:
            cells += [
                f"{o.constraints[name]:.3g}" if name in o.constraints else "-"
                for name in self._constraints
            ]
            cells.append("-" if failed else "yes" if o.violation == 0 else "no")
        if self._notes:
            cells.append(self._note(o))
        return ",".join(cells)

    def _note(self, o: Observation) -> str:
        if o.state == TrialState.FAIL:
            return f"failed {quote(o.failure, 60)}" if self._reasons else "failed"
        if o.state == TrialState.PRUNED:
            last = max(o.intermediate_values, default=None)
            return "stopped early" + ("" if last is None else f" at step {last}")
        return ""

    def worst_to_best(self, rows: Iterable[Observation]) -> list[Observation]:
        """Sort trials for display: failed ones first, the best last."""
        return sorted(rows, key=lambda o: (-self._rank.get(id(o), math.inf), o.number))


def _select_constraints(history: History) -> list[str] | None:
    """Return the constraints to show, the most violated first; None if there are none."""
    violated: dict[str, int] = {}
    for o in history.ranking:
        for name, value in o.constraints.items():
            violated[name] = violated.get(name, 0) + (value > 0)
    if not violated:
        return None
    return sorted(violated, key=lambda n: (-violated[n], n))[:_MAX_CONSTRAINT_COLUMNS]
