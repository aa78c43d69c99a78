"""The trials of a study as a table: its columns, its rows, their order."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import math

from optuna.trial import TrialState

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.conditions import Begun
from optuna_llm.prompts.text import Results
from optuna_llm.prompts.text import show_row
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import quote
from optuna_llm.space.words import show_name


_MAX_CONSTRAINT_COLUMNS = 6
_MAX_FAILURE_TEXTS = 12


class Table:
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
        self._begun = Begun(space, history)
        self._rank = {id(o): i + 1 for i, o in enumerate(history.ranking)}
        self._front = set(map(id, history.pareto_front)) if history.is_multi_objective else None
        shown = _select_constraints(history)
        self._constraints = shown
        self._notes = bool(history.pruned or history.failed)
        # A single cause stands above the table once and for all, unless its numbers tell more.
        texts = {o.failure for group in causes for o in group}
        self._reasons = len(causes) > 1 or 1 < len(texts) <= _MAX_FAILURE_TEXTS
        self._has_origins = any(o.origin is not None for o in history.observations)
        columns = ["trial", "rank", *(["by"] if self._has_origins else [])]
        columns += [*map(show_name, space.names), *results.names]
        if self._front is not None:
            columns.append("on front")
        if shown is not None:
            columns += [*map(show_name, shown), "feasible"]
        if self._notes:
            columns.append("note")
        explained = ["worst first, best last", "rank 1 is best"]
        if self._has_origins:
            explained.append("by: who proposed it")
        if space.optional:
            explained.append('"-" is inactive')
        if shown:
            explained.append(f"{', '.join(map(show_name, shown))}: constraint met where <= 0")
        self.header = [f"TRIALS ({'; '.join(explained)}):", ",".join(columns)]

    def row(self, o: Observation) -> str:
        """Show one trial."""
        failed = o.state == TrialState.FAIL
        cells = [str(o.number), str(self._rank.get(id(o), "-"))]
        cells += [_proposer(o)] if self._has_origins else []
        cells += self._begun.cells(o) if failed else show_row(self._space, o.params, "-")
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
        if o.is_interrupted:
            return "interrupted"
        if o.state == TrialState.FAIL:
            return f"failed {quote(o.failure, 60)}" if self._reasons else "failed"
        if o.state == TrialState.PRUNED:
            last = max(o.intermediate_values, default=None)
            return "stopped early" + ("" if last is None else f" at step {last}")
        return ""

    def worst_to_best(self, rows: Iterable[Observation]) -> list[Observation]:
        """Sort trials for display: failed ones first, the best last."""
        return sorted(rows, key=lambda o: (-self._rank.get(id(o), math.inf), o.number))


def _proposer(o: Observation) -> str:
    """Say who proposed a trial, as the model is to know them: itself is ``you``."""
    if o.origin is None:
        return "other"
    if o.origin.source == "prior" and o.origin.design:
        return "start"
    names = {"llm": "you", "base": "optimizer", "fallback": "optimizer", "enqueued": "user"}
    name = names.get(o.origin.source, o.origin.source)
    return f"{name}:{o.origin.role}" if o.origin.role and name == "you" else name


def _select_constraints(history: History) -> list[str] | None:
    """Return the constraints to show, the most violated first; None if there are none."""
    violated: dict[str, int] = {}
    for o in history.ranking:
        for name, value in o.constraints.items():
            violated[name] = violated.get(name, 0) + (value > 0)
    if not violated:
        return None
    return sorted(violated, key=lambda n: (-violated[n], n))[:_MAX_CONSTRAINT_COLUMNS]
