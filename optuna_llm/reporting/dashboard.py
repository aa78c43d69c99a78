"""What optuna-dashboard shows of a study beside its attributes: notes of trials, and our figures.

A note is Markdown and stands at the top of a trial; figures stand under the study's own plots.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import re
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.expectations.in_units import Forecaster
from optuna_llm.expectations.in_units import forecaster
from optuna_llm.extras import import_extra
from optuna_llm.history.history import History
from optuna_llm.history.origin import SOURCES
from optuna_llm.reporting.figures.calibration import plot_calibration
from optuna_llm.reporting.figures.history import mark_hindsight
from optuna_llm.reporting.figures.history import plot_history
from optuna_llm.reporting.figures.parameters import plot_partial_dependence
from optuna_llm.reporting.figures.sources import plot_sources
from optuna_llm.reporting.figures.sources import plot_spending
from optuna_llm.reporting.tables import LABELS
from optuna_llm.reporting.tables import show_value
from optuna_llm.stopping.hindsight import hindsight


if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from optuna_llm.history.cost import Cost
    from optuna_llm.history.note import Note
    from optuna_llm.history.note import SaveNote
    from optuna_llm.history.origin import Origin


SOURCE_NUMBER_KEY = "llm:source_number"
# Optuna Dashboard's room for a figure, in pixels, and how many parameters are readable in it.
_HEIGHT = 440
_PARAMS_PER_FIGURE = 6
_LEVELS = (0.1, 0.5, 0.9)
_MAX_PARAMS = 30
_MAX_CANDIDATES = 20


def require_dashboard() -> Any:
    """Return the module optuna_dashboard.

    Raises:
        MissingExtraError: It is not installed.
    """
    need = "Notes and figures in the dashboard need"
    return import_extra("optuna_dashboard", extra="dashboard", need=need)


# --------------------------------------------------------------------------------------
# Figures


def save_figures(study: Study) -> list[str]:
    """Put the figures of this module into a study, for optuna-dashboard (extra ``[dashboard]``).

    They stand under "User Defined Plots" and show the study as it is now; called again, they are
    replaced.

    Args:
        study: The study; its storage is written to.

    Returns:
        The identifiers of the figures in the dashboard.

    Raises:
        MissingExtraError: optuna-dashboard or Plotly is not installed.
    """
    dashboard = require_dashboard()
    history = History.from_study(study)
    drawn = {
        "history": mark_hindsight(plot_history(study), hindsight(history)),
        "sources": plot_sources(study),
        "spending": plot_spending(study),
        "calibration": plot_calibration(study),
    }
    names = history.search_space().names
    for page, start in enumerate(range(0, len(names), _PARAMS_PER_FIGURE), start=1):
        params = names[start : start + _PARAMS_PER_FIGURE]
        figure = plot_partial_dependence(study, params=params)
        drawn[f"parameters-{page}"] = figure
    for name, figure in drawn.items():
        # What is taller would be cut.
        figure.update_layout(height=_HEIGHT)
        dashboard.save_plotly_graph_object(study, figure, graph_object_id=f"optuna-llm-{name}")
    return [f"optuna-llm-{name}" for name in drawn]


# --------------------------------------------------------------------------------------
# Notes


@dataclass(frozen=True)
class _Study:
    _study_id: int


@dataclass(frozen=True)
class _Trial:
    """What ``save_note`` of the dashboard reads of a live trial; samplers have a frozen one."""

    storage: BaseStorage
    study: _Study
    _trial_id: int


def note_writer() -> SaveNote:
    """Return :func:`save_note`, for a sampler that is to call it with each trial.

    Raises:
        MissingExtraError: optuna-dashboard is not installed.
    """
    require_dashboard()
    return save_note


def save_note(study: Study, trial: FrozenTrial, note: Note) -> None:
    """Save a note with a trial.

    The dashboard sorts its table of trials by numbers only, so the source also becomes one, as the
    user attribute ``llm:source_number``, in the order of ``SOURCES`` in `history/origin.py`.

    All notes of a study are in one place that all its readers read, so that this has its price:
    a fit of the surrogate, and some milliseconds for each trial and reader.

    Args:
        study: The study, or Hyperband's view of it.
        trial: The trial, running.
        note: What is told of it.

    Raises:
        MissingExtraError: optuna-dashboard is not installed.
    """
    storage = study._storage
    number = 1 + SOURCES.index(note.origin.source)
    storage.set_trial_user_attr(trial._trial_id, SOURCE_NUMBER_KEY, number)
    handle = _Trial(
        storage, _Study(storage.get_study_id_from_name(study.study_name)), trial._trial_id
    )
    require_dashboard().save_note(handle, markdown(note))


def markdown(note: Note) -> str:
    """Tell in Markdown who proposed a trial and why, what was expected, and what else was weighed.

    What users and models wrote is shown as they wrote it, and stays text: no markup, links or
    images come alive. Quantiles are expected by a surrogate fitted to the other trials; while
    they are too few, none are told.

    Args:
        note: What is told.
    """
    origin, history = note.origin, note.history
    told = [f"**Proposed by: {LABELS[origin.source]}**"]
    if origin.rationale:
        told.append(f"> {inert(origin.rationale)}")
    told += [f"{sentence}  " for sentence in _circumstances(origin, note.cost)]
    models = [forecaster(history, target) for target in range(len(history.directions))]
    if any(models):
        told.append("**Expected** by a statistical surrogate, after the other trials")
        told.append(
            _table(["", "median", "80 % interval"], _expected(history, models, note.params))
        )
    if note.candidates:
        told.append(f"**Candidates of the model** ({len(note.candidates)})")
        told.append(_candidate_table(note, models[0]))
    return "\n\n".join(told)


def _circumstances(origin: Origin, cost: Cost) -> list[str]:
    """Return a sentence on each thing that a reader of the attributes would not guess."""
    sentences = []
    if origin.vetoed is not None:
        sentences.append(
            f"It was the turn of the {LABELS[origin.vetoed]}; the surrogate found what it proposed"
            " not worth a trial."
        )
    if cost.error is not None:
        sentences.append(f"The language model could not be used: {inert(cost.error)}.")
    mended = {
        "snapped or clipped": origin.repaired,
        "filled in by the statistical sampler": origin.completed,
        "unusable": origin.dropped,
    }
    if any(mended.values()):
        counts = ", ".join(f"{n} {what}" for what, n in mended.items() if n)
        sentences.append(f"Of the model's values: {counts}.")
    if cost.requests:
        money = "" if cost.cost is None else f", cost {cost.cost:.4g}"
        sentences.append(
            f"{inert(cost.model or 'The model')}: {cost.requests} request(s),"
            f" {cost.prompt_tokens:,} prompt and {cost.completion_tokens:,} completion tokens"
            f"{money}, {cost.seconds:.1f} s."
        )
    return sentences


def _expected(
    history: History, models: Sequence[Forecaster | None], params: Mapping[str, Any]
) -> list[list[str]]:
    return [
        [inert(name), *_quantiles(model, params)]
        for name, model in zip(history.metric_names, models, strict=True)
        if model is not None
    ]


def _quantiles(model: Forecaster, params: Mapping[str, Any]) -> list[str]:
    """Return the median and the interval in words."""
    low, median, high = (show_value(float(q)) for q in model.quantiles([params], _LEVELS)[0])
    return [median, f"{low} to {high}"]


def _candidate_table(note: Note, model: Forecaster | None) -> str:
    heads = ["", "reason"]
    if model is not None:
        heads += [f"expected {inert(note.history.metric_names[0])}", "80 % interval"]
    names = list(dict.fromkeys(n for c in note.candidates for n in c.params))[:_MAX_PARAMS]
    rows = []
    for candidate in note.candidates[:_MAX_CANDIDATES]:
        expected = [] if model is None else _quantiles(model, candidate.params)
        values = [inert(show_value(candidate.params.get(n, ""))) for n in names]
        chosen = "**chosen**" if dict(candidate.params) == dict(note.params) else ""
        rows.append([chosen, inert(candidate.reason), *expected, *values])
    return _table([*heads, *map(inert, names)], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; every cell is Markdown on one line."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Renderers make links of bare addresses, after escapes are resolved: a word joiner, which is
# never seen, keeps the address from being one.
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)


def inert(text: str) -> str:
    """Return foreign text as Markdown that shows it, on one line, and does nothing else."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _PUNCTUATION.sub(r"\\\1", _ADDRESS.sub("\u2060", line))
