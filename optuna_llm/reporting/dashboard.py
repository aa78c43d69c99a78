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

from optuna.trial import TrialState

from optuna_llm.expectations.in_units import Forecaster
from optuna_llm.expectations.in_units import forecaster
from optuna_llm.expectations.recorded import recorded_quantiles
from optuna_llm.extras import import_extra
from optuna_llm.history.history import History
from optuna_llm.history.origin import SOURCES
from optuna_llm.reporting.figures.calibration import plot_calibration
from optuna_llm.reporting.figures.history import mark_hindsight
from optuna_llm.reporting.figures.history import plot_history
from optuna_llm.reporting.figures.parameters import plot_partial_dependence
from optuna_llm.reporting.figures.relations import plot_contour
from optuna_llm.reporting.figures.relations import plot_importance
from optuna_llm.reporting.figures.relations import plot_parallel_coordinate
from optuna_llm.reporting.figures.sources import plot_sources
from optuna_llm.reporting.figures.sources import plot_spending
from optuna_llm.reporting.importance import importances
from optuna_llm.reporting.importance import in_order
from optuna_llm.reporting.summary import summary
from optuna_llm.reporting.tables import LABELS
from optuna_llm.reporting.tables import proposer
from optuna_llm.reporting.tables import rationale
from optuna_llm.reporting.tables import show_value
from optuna_llm.stopping.hindsight import hindsight


if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from optuna_llm.history.cost import Cost
    from optuna_llm.history.history import Observation
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
# How notes of ours begin that may be replaced; those of samplers while they run do otherwise.
_SUMMARY, _OURS = "## Summary by optuna-llm", "**Afterwards: proposed by**"
_MAX_NOTES, _NOTE_WIDTH = 200, 90


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
        "importance": plot_importance(study),
        "contour": plot_contour(study),
        "parallel": plot_parallel_coordinate(study),
        "sources": plot_sources(study),
        "spending": plot_spending(study),
        "calibration": plot_calibration(study),
    }
    names = in_order(history, importances(study, history))
    for page, start in enumerate(range(0, len(names), _PARAMS_PER_FIGURE), start=1):
        params = names[start : start + _PARAMS_PER_FIGURE]
        drawn[f"parameters-{page}"] = plot_partial_dependence(study, params=params)
    shown = {f"optuna-llm-{name}": f for name, f in drawn.items() if f.data}
    for name, figure in shown.items():
        # What is taller would be cut.
        figure.update_layout(height=_HEIGHT)
        dashboard.save_plotly_graph_object(study, figure, graph_object_id=name)
    return list(shown)


def save_dashboard(study: Study) -> list[str]:
    """Put all that optuna-dashboard can show of a study into it (extra ``[dashboard]``).

    The figures of :func:`save_figures`; a summary as the note of the study; and notes on its best
    and latest trials, two hundred at most: who proposed it and why, what was expected, and what
    came. They show the study as it is now; called again, they are replaced. Notes that somebody
    else has written stay, and so do those that a sampler with ``notes=True`` has, which know more.

    Args:
        study: The study, run by any sampler; its storage is written to.

    Returns:
        The identifiers of the figures in the dashboard.

    Raises:
        MissingExtraError: optuna-dashboard or Plotly is not installed.
    """
    dashboard = require_dashboard()
    names = save_figures(study)
    told = dashboard.get_note(study)
    if not told.strip() or told.startswith(_SUMMARY):
        text = summary(study).text(_NOTE_WIDTH)
        # Whatever stands in a fence is text; only a fence as long would end it.
        fenced = re.sub("~{4,}", "~~~", text)
        dashboard.save_note(study, f"{_SUMMARY}\n\n~~~~text\n{fenced}\n~~~~")
    history = History.from_study(study)
    over = [o for o in history.observations if o.state.is_finished()]
    chosen = {
        o.number: o for o in (*history.ranking[: _MAX_NOTES // 2], *over[-_MAX_NOTES // 2 :])
    }
    study_id = study._storage.get_study_id_from_name(study.study_name)
    for o in chosen.values():
        handle = _Trial(study._storage, _Study(study_id), o.trial._trial_id)
        before = dashboard.get_note(handle)
        text = told_of(history, o)
        if before != text and (not before.strip() or before.startswith(_OURS)):
            dashboard.save_note(handle, text)
    return names


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


def told_of(history: History, o: Observation) -> str:
    """Tell in Markdown of a finished trial who proposed it and why, what was expected, and came.

    Args:
        history: The study.
        o: One of its trials.
    """
    told = [f"{_OURS} {LABELS[proposer(o)]}"]
    if why := rationale(o):
        told.append(f"> {inert(why)}")
    if o.origin is not None:
        told += [f"{sentence}  " for sentence in _circumstances(o.origin, o.cost)]
    expected = recorded_quantiles(history, o, _LEVELS)
    if expected is not None:
        low, median, high = map(show_value, expected)
        told.append(f"Expected: {median}, with a probability of 80 % from {low} to {high}.")
    values = o.trial.values or () if o.values is not None else ()
    shown = zip(history.metric_names, values, strict=False)
    came = ", ".join(f"{inert(name)} {show_value(value)}" for name, value in shown)
    if o.state == TrialState.FAIL:
        came = f"a failure: {inert(o.failure)}"
    told.append(f"Came: {came or o.state.name.lower()}.")
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
