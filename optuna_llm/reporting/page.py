"""One HTML page about a study: self-contained, readable offline, on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
import importlib.resources
import math
import os
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from typing import overload

from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.expectations.in_units import hindsight as foretold
from optuna_llm.history.history import History
from optuna_llm.reporting import markup
from optuna_llm.reporting import sections
from optuna_llm.reporting.figures.calibration import LEVELS
from optuna_llm.reporting.figures.calibration import calibration
from optuna_llm.reporting.figures.history import history_beside
from optuna_llm.reporting.figures.history import mark_hindsight
from optuna_llm.reporting.figures.parameters import plot_partial_dependence
from optuna_llm.reporting.figures.relations import plot_contour
from optuna_llm.reporting.figures.relations import plot_parallel_coordinate
from optuna_llm.reporting.figures.sources import plot_sources
from optuna_llm.reporting.figures.sources import plot_spending
from optuna_llm.reporting.importance import importances
from optuna_llm.reporting.tables import summarize_model_use
from optuna_llm.reporting.versions import versions
from optuna_llm.space.numbers import is_number
from optuna_llm.stopping.hindsight import hindsight


if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure

    from optuna_llm.expectations.in_units import Hindsight as Foretold
    from optuna_llm.stopping.hindsight import Hindsight


_TEMPLATE = "page.html"
_CAPTIONS = {
    "History": "Hover over a trial, or tap it, to see its configuration.",
    "Parameters": "The objective over each parameter, what matters most first; the band holds 80 %"
    " of what a surrogate expects of a trial with that value, all else as in the trials.",
    "Contours": "The objective over pairs of the parameters that matter most; dots are trials.",
    "Parallel coordinates": "Each line is a trial: a red one is good, a grey one bad.",
    "Calibration": "Each trial as a surrogate has expected it from the trials before it, and how"
    " often such intervals were right.",
    "Sources": "What each proposer brought.",
    "Spending": "What the language model has used so far; a cross is a request that failed.",
}
_SOME = 2000  # From here on, some figures show a part of the trials.


class Report:
    """A page about a study. Notebooks show it; :meth:`save` writes it.

    Attributes:
        html: The page.
    """

    def __init__(self, html: str, title: str) -> None:
        self.html = html
        self._title = title

    def __repr__(self) -> str:
        return f"<Report on {self._title}; save('report.html') writes it, notebooks show it>"

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, so that it and a notebook leave each other be."""
        return (
            '<iframe sandbox="allow-scripts" title="Report" style="width: 100%; height: 720px;'
            ' border: 1px solid #8888; border-radius: 6px; resize: vertical"'
            f' srcdoc="{markup.text(self.html)}"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page into a file, which is replaced as a whole, and return its path.

        Raises:
            ConfigurationError: The path cannot be written.
        """
        if not isinstance(path, str | os.PathLike):
            raise ConfigurationError(f"path={path!r:.80} must be the path of a file.")
        return _write(Path(path), self.html)


@overload
def report(
    study: Study, path: None = None, *, baselines: Mapping[str, float] | None = None
) -> Report: ...


@overload
def report(
    study: Study,
    path: str | os.PathLike[str],
    *,
    baselines: Mapping[str, float] | None = None,
) -> Path: ...


def report(
    study: Study,
    path: str | os.PathLike[str] | None = None,
    *,
    baselines: Mapping[str, float] | None = None,
) -> Path | Report:
    """Write one self-contained HTML page about a study, or show it in a notebook.

    The page holds the best configuration, what matters, what each proposer brought, what the
    language model used, the figures of :mod:`optuna_llm.visualization`, a sortable table of the
    trials with what was expected of each, and what ran the study. It loads nothing from anywhere.
    Without Plotly it has tables only, and says so.

    Args:
        study: The study.
        path: The file to write; it is replaced as a whole. None for a :class:`Report`, which
            Jupyter shows.
        baselines: Values to compare the best one with, by name, for a study with one objective.

    Returns:
        The path of the page, or the page.

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
    checked = _checked_baselines(history, baselines)
    if path is not None and not isinstance(path, str | os.PathLike):
        raise ConfigurationError(f"path={path!r:.80} must be the path of a file.")
    title = f"{study.study_name}, {len(history.observations)} trials"
    page = Report(_page(study, history, checked), title)
    return page if path is None else page.save(path)


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
    before = foretold(history, 0, LEVELS)
    matters = importances(study, history)
    drawn, plotly = _figures(study, history, baselines, stop, before)
    shown = {
        "Best": sections.best_trials(history, baselines),
        "When to stop": sections.stopping(stop) if stop else "",
        "What matters": sections.what_matters(history, matters),
        "Who proposed what": sections.sources(history),
        "Language model": sections.model_use(usage) if usage.requests else "",
        **drawn,
        "Versions": versions(history),
        "Trials": sections.all_trials(history, before),
        "What ran it": sections.what_ran_it(study, history, usage),
    }
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
        sections="\n".join(markup.section(t, body) for t, body in shown.items() if body),
        plotly=plotly,
    )


def _figures(
    study: Study,
    history: History,
    baselines: Mapping[str, float],
    stop: Hindsight | None,
    before: Foretold,
) -> tuple[dict[str, str], str]:
    """Return the sections of the figures that show anything, and the script that draws them."""
    try:
        drawn = {
            "History": mark_hindsight(history_beside(study, baselines), stop),
            "Parameters": plot_partial_dependence(study),
            "Contours": plot_contour(study),
            "Parallel coordinates": plot_parallel_coordinate(study),
            "Calibration": calibration("Calibration", history, 0, before),
            "Sources": plot_sources(study),
            "Spending": plot_spending(study),
        }
        from plotly.offline import get_plotlyjs
    except MissingExtraError as error:
        return {"Figures": markup.note(str(error))}, ""
    captions = {**_CAPTIONS, "History": _CAPTIONS["History"] + _marks(drawn["History"])}
    if len(history.observations) > _SOME:
        captions["Parameters"] += " Of many trials some are drawn, from best to worst."
    if history.is_multi_objective:
        first = f" Of {len(history.directions)} objectives the first."
        for title in ("Parameters", "Contours", "Parallel coordinates", "Calibration"):
            captions[title] += first
    return {
        title: markup.note(captions[title]) + markup.plot(title, figure)
        for title, figure in drawn.items()
        if figure.data
    }, get_plotlyjs()


def _marks(figure: Figure) -> str:
    """Explain the marks of a figure that not every one has."""
    symbols = {s for trace in figure.data for s in (trace.marker.symbol or ())}
    told = ""
    if any(s.startswith("arrow") for s in symbols):
        told += " An arrow at the edge is a value far beyond."
    if any(s.endswith("-open") for s in symbols):
        told += " An open mark is a trial that broke a constraint."
    return told
