"""A study in a screenful of text: for a terminal, a log or a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import shutil
import textwrap
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_llm.expectations.recorded import recorded_quantiles
from optuna_llm.history.history import History
from optuna_llm.history.settings import settings_of
from optuna_llm.reporting.best import choose
from optuna_llm.reporting.importance import importances
from optuna_llm.reporting.tables import LABELS
from optuna_llm.reporting.tables import columns
from optuna_llm.reporting.tables import is_infeasible
from optuna_llm.reporting.tables import objective_labels
from optuna_llm.reporting.tables import proposer
from optuna_llm.reporting.tables import rationale
from optuna_llm.reporting.tables import show_value
from optuna_llm.reporting.tables import summarize_model_use
from optuna_llm.reporting.tables import summarize_sources
from optuna_llm.space.numbers import format_number
from optuna_llm.stopping.verdicts import verdict


if TYPE_CHECKING:
    from optuna import Study

    from optuna_llm.history.history import Observation


_WIDEST, _NARROWEST = 100, 24
_MAX_PARAMS, _MAX_FRONT, _LATEST, _MAX_RUNS = 20, 10, 5, 3
_LEVELS = (0.1, 0.9)

# A paragraph, or the rows of a table with headings in the first.
_Block = str | list[list[str]]


class Summary:
    """What is to be said of a study; printing it fits the terminal.

    Args:
        sections: Titles, and what stands below each.
    """

    def __init__(self, sections: Iterable[tuple[str, Sequence[_Block]]]) -> None:
        self._sections = [(title, list(blocks)) for title, blocks in sections if blocks]

    def text(self, width: int | None = None) -> str:
        """Return the summary as text.

        Args:
            width: Characters of a line; None: as wide as the terminal, at most 100.
        """
        if width is None:
            width = min(shutil.get_terminal_size().columns, _WIDEST)
        width = max(width, _NARROWEST)
        lines: list[str] = []
        for title, blocks in self._sections:
            lines += ["", *textwrap.wrap(title, width)]
            for block in blocks:
                lines += (
                    _paragraph(block, width) if isinstance(block, str) else _table(block, width)
                )
        return "\n".join(lines[1:])

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


def _paragraph(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ")


def _table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    told = [i for i, column in enumerate(zip(*rows, strict=True)) if any(column[1:])]
    lines = columns([[row[i] for i in told] for row in rows], width)
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def summary(study: Study) -> Summary:
    """Sum up a study in text: printed, it fits the terminal.

    The best configuration, which parameters matter, what each proposer brought, the latest trials
    beside what was expected of them, whether to go on, what the language model has used, and
    what ran the study.

    Args:
        study: The study, run by any sampler.

    Returns:
        What ``print`` shows, and an interpreter or a notebook by itself.

    Raises:
        ConfigurationError: It is no study.
    """
    history = History.from_study(study)
    states = [o.state for o in history.observations]
    counts = ", ".join(
        f"{n} {state.name.lower().replace('fail', 'failed')}"
        for state in TrialState
        if (n := states.count(state))
    )
    title = f"{study.study_name}: {len(states)} trials" + (f" ({counts})" if counts else "")
    return Summary(
        [
            (title, [", ".join(objective_labels(history))]),
            ("Best", _front(history) if history.is_multi_objective else _best(history)),
            (f"What matters{_for_first(history)}", _matters(study, history)),
            ("Who proposed what", _sources(history)),
            ("Latest trials", _latest(history)),
            ("Go on?", _verdict(study, history)),
            ("Language model", _model(history)),
            ("Run by", _runs(study)),
        ]
    )


def _best(history: History) -> list[_Block]:
    best = history.best
    if best is None:
        return ["No trial has completed."] if history.observations else []
    assert best.trial.value is not None
    head = f"{best.trial.value:.6g}, trial {best.number}, {LABELS[proposer(best)]}"
    if is_infeasible(best):
        head += "; no trial satisfied the constraints, this one is the nearest"
    blocks: list[_Block] = [head]
    if why := rationale(best):
        blocks.append(why)
    kept = choose(history)
    shown = best
    if kept is not None and kept.is_noisy:
        low, high = map(format_number, kept.interval)
        blocks.append(
            f"Values are noisy: keep trial {kept.trial}, of which {format_number(kept.value)} is"
            f" expected, and 80 % of further evaluations between {low} and {high}."
        )
        shown = next(o for o in history.complete if o.number == kept.trial)
    params = list(shown.trial.params.items())
    if params:
        rows = [["parameter", f"trial {shown.number}"]]
        rows += [[name, show_value(value)] for name, value in params[:_MAX_PARAMS]]
        blocks.append(rows)
        if len(params) > _MAX_PARAMS:
            blocks.append(f"and {len(params) - _MAX_PARAMS} more parameters")
    return blocks


def _front(history: History) -> list[_Block]:
    front = sorted(history.pareto_front, key=lambda o: o.values or ())
    if not front:
        return ["No trial has completed and satisfied the constraints."]
    n = f"{len(front)} Pareto-optimal trials" if len(front) > 1 else "One Pareto-optimal trial"
    shown = front[:_MAX_FRONT]
    rows = [["trial", *history.metric_names]]
    rows += [[str(o.number), *map(format_number, o.trial.values or ())] for o in shown]
    return [n + (f", the first {_MAX_FRONT}:" if len(front) > _MAX_FRONT else ":"), rows]


def _matters(study: Study, history: History) -> list[_Block]:
    shares = importances(study, history)
    rows = [[name, f"{share:.0%}"] for name, share in list(shares.items())[:_MAX_PARAMS]]
    return [[["parameter", "importance"], *rows]] if rows else []


def _for_first(history: History) -> str:
    return f" for {history.metric_names[0]}" if history.is_multi_objective else ""


def _sources(history: History) -> list[_Block]:
    found = summarize_sources(history)
    rows = [["proposer", "trials", "improvements", "failed", "best"]]
    for s in found:
        failed = "" if s.failure_share is None else f"{s.failure_share:.0%}"
        best = "" if s.best is None else format_number(s.best)
        rows.append([LABELS[s.proposer], str(s.trials), str(s.improvements), failed, best])
    return [rows] if found else []


def _latest(history: History) -> list[_Block]:
    over = [o for o in history.observations if o.state.is_finished()][-_LATEST:]
    rows = [["trial", "proposer", "value", "expected (80 %)"]]
    rows += [[str(o.number), LABELS[proposer(o)], _value(o), _expected(history, o)] for o in over]
    return [rows] if over else []


def _value(o: Observation) -> str:
    if o.values is None:
        return o.state.name.lower().replace("fail", "failed")
    return ", ".join(map(format_number, o.trial.values or ()))


def _expected(history: History, o: Observation) -> str:
    found = recorded_quantiles(history, o, _LEVELS)
    return "" if found is None else " to ".join(map(format_number, found))


def _verdict(study: Study, history: History) -> list[_Block]:
    if history.is_multi_objective or not history.complete:
        return []
    runs = settings_of(study)
    return [str(verdict(study, n_trials=runs[-1].n_trials if runs else None))]


def _model(history: History) -> list[_Block]:
    use = summarize_model_use(history)
    if not use.requests:
        return []
    cost = "cost not known" if use.cost is None else f"cost {use.cost:.4g}"
    failed = f", {use.errors} of them without an answer" if use.errors else ""
    return [
        f"{', '.join(use.models)}: {use.requests} requests{failed},"
        f" {use.prompt_tokens + use.completion_tokens:,} tokens, {cost}, {use.seconds:.1f} s"
    ]


def _runs(study: Study) -> list[_Block]:
    runs = settings_of(study)[-_MAX_RUNS:]
    blocks: list[_Block] = []
    for run in runs:
        versions = ", ".join(f"{k} {v}" for k, v in run.versions.items())
        blocks.append(f"{run} from trial {run.trial} on, with {versions}")
    return blocks
