"""One HTML page about a study: self-contained, readable offline, on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
import importlib.resources
import itertools
import math
import os
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.history.history import History
from optuna_llm.reporting import markup
from optuna_llm.reporting import sections
from optuna_llm.reporting.figures.calibration import plot_calibration
from optuna_llm.reporting.figures.history import mark_hindsight
from optuna_llm.reporting.figures.history import plot_history
from optuna_llm.reporting.figures.parameters import plot_partial_dependence
from optuna_llm.reporting.figures.sources import plot_sources
from optuna_llm.reporting.figures.sources import plot_spending
from optuna_llm.reporting.tables import summarize_model_use
from optuna_llm.space.numbers import is_number
from optuna_llm.stopping.hindsight import hindsight


if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure

    from optuna_llm.stopping.hindsight import Hindsight


_TEMPLATE = "page.html"
_CAPTIONS = {
    "History": "Hover over a trial, or tap it, to see its configuration.",
    "Parameters": "The objective over each parameter; the band holds 80 % of what a surrogate"
    " expects of a trial with that value, all else as in the trials. Where the line moves most"
    " comes first.",
    "Calibration": "Each trial as a surrogate has expected it from the trials before it, and how"
    " often such intervals were right.",
    "Sources": "What each proposer brought.",
    "Spending": "What the language model has used so far; a cross is a request that failed.",
}


def report(
    study: Study,
    path: str | os.PathLike[str],
    *,
    baselines: Mapping[str, float] | None = None,
) -> Path:
    """Write one self-contained HTML page about a study.

    The page holds the best configuration, what each proposer brought, what the language model
    used, the figures of :mod:`optuna_llm.visualization` and a sortable table of the trials. It
    loads nothing from anywhere. Without Plotly it has tables only, and says so.

    Args:
        study: The study.
        path: The file to write; it is replaced as a whole.
        baselines: Values to compare the best one with, by name, for a study with one objective.

    Returns:
        The path of the page.

    Raises:
        ConfigurationError: No trial has finished, a baseline makes no sense, or the path cannot
            be written.
    """
    history = History.from_study(study)
    if not any(o.state.is_finished() for o in history.observations):
        raise ConfigurationError(
            f"study={study.study_name!r} has no finished trial to report on; run"
            " study.optimize(...) first."
        )
    if not isinstance(path, str | os.PathLike):
        raise ConfigurationError(f"path={path!r:.80} must be the path of a file.")
    page = _page(study, history, _checked_baselines(history, baselines))
    return _write(Path(path), page)


def _checked_baselines(
    history: History, baselines: Mapping[str, float] | None
) -> dict[str, float]:
    if baselines is None:
        return {}
    if not isinstance(baselines, Mapping) or not all(isinstance(n, str) for n in baselines):
        raise ConfigurationError(
            f"baselines={baselines!r:.80} must map names to values, such as"
            ' {"the defaults": 0.42}.'
        )
    if baselines and history.is_multi_objective:
        raise ConfigurationError(
            f"baselines={dict(baselines)!r} cannot be compared with {len(history.directions)}"
            " objectives; leave them out."
        )
    for name, value in baselines.items():
        if not is_number(value) or not math.isfinite(value):
            raise ConfigurationError(
                f"baselines[{name!r}]={value!r} must be a finite number, the baseline's value."
            )
    return dict(baselines)


def _write(path: Path, page: str) -> Path:
    """Write a file as a whole or not at all."""
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigurationError(
            f"path={str(path)!r} cannot be written ({error.strerror or error}); name a file in an"
            " existing folder that you may write to."
        ) from error
    return path


def _page(study: Study, history: History, baselines: Mapping[str, float]) -> str:
    usage = summarize_model_use(history)
    stop = hindsight(history)
    drawn, plotly = _figures(study, baselines, stop, with_spending=usage.requests > 0)
    shown = [
        markup.section("Best", sections.best_trials(history, baselines)),
        *([markup.section("When to stop", sections.stopping(stop))] if stop else []),
        markup.section("Who proposed what", sections.sources(history)),
        markup.section("Language model", sections.model_use(usage)),
        *drawn,
        markup.section("Trials", sections.all_trials(history)),
        markup.section("Reproducibility", sections.reproducibility(study, history, usage)),
    ]
    states = [o.state for o in history.observations]
    counts = [
        f"{n} {state.name.lower().replace('fail', 'failed')}"
        for state in TrialState
        if (n := states.count(state))
    ]
    template = importlib.resources.files(__package__).joinpath(_TEMPLATE).read_text("utf-8")
    return Template(template).substitute(
        title=markup.text(study.study_name),
        subtitle=markup.text(f"{len(states)} trials: " + ", ".join(counts)),
        date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        sections="\n".join(shown),
        plotly=plotly,
    )


def _figures(
    study: Study, baselines: Mapping[str, float], stop: Hindsight | None, *, with_spending: bool
) -> tuple[list[str], str]:
    """Return the sections of the figures, and the script that draws them."""
    try:
        drawn = {
            "History": mark_hindsight(_with_baselines(plot_history(study), baselines), stop),
            "Parameters": plot_partial_dependence(study),
            "Calibration": plot_calibration(study),
            "Sources": plot_sources(study),
        }
        if with_spending:
            drawn["Spending"] = plot_spending(study)
        from plotly.offline import get_plotlyjs
    except MissingExtraError as error:
        return [markup.section("Figures", markup.note(str(error)))], ""
    captions = {**_CAPTIONS, "History": _CAPTIONS["History"] + _marks(drawn["History"])}
    sections = [
        markup.section(title, markup.note(captions[title]) + markup.plot(title, figure))
        for title, figure in drawn.items()
    ]
    return sections, get_plotlyjs()


def _marks(figure: Figure) -> str:
    """Explain the marks of a figure that not every one has."""
    symbols = {s for trace in figure.data for s in (trace.marker.symbol or ())}
    told = ""
    if any(s.startswith("arrow") for s in symbols):
        told += " An arrow at the edge is a value far beyond."
    if any(s.endswith("-open") for s in symbols):
        told += " An open mark is a trial that broke a constraint."
    return told


def _with_baselines(figure: Figure, baselines: Mapping[str, float]) -> Figure:
    """Draw each baseline as a level line across the history, in sight."""
    numbers = [n for trace in figure.data for n in trace.x or ()]
    dashes = itertools.cycle(("dash", "dot", "dashdot", "longdash"))
    for (name, value), dash in zip(baselines.items(), dashes, strict=False):
        figure.add_scatter(
            x=[min(numbers), max(numbers)],
            y=[value, value],
            mode="lines",
            line={"dash": dash, "width": 2, "color": "#8a8a8a"},
            name=markup.text(name),
            hoverinfo="name+y",
        )
        axis = figure.layout.yaxis
        if axis.range is not None and (axis.type != "log" or value > 0):
            place = math.log10(value) if axis.type == "log" else value
            low, high = axis.range
            margin = 0.05 * (high - low)
            axis.range = [min(low, place - margin), max(high, place + margin)]
    return figure
