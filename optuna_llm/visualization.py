"""Figures of a study: who proposed what, what came of it, and what the model cost.

In the manner of :mod:`optuna.visualization`: a study in, a Plotly figure out. The figures work for
every study; a trial that no sampler of this package proposed counts as "other sampler".
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import html
import itertools
import math
import statistics
import textwrap
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.provenance import shorten
from optuna_llm.space import choice_index
from optuna_llm.space import format_number
from optuna_llm.space import labels
from optuna_llm.summary import LABELS
from optuna_llm.summary import Proposer
from optuna_llm.summary import by_proposer
from optuna_llm.summary import objective_labels
from optuna_llm.summary import proposer
from optuna_llm.summary import request_failed
from optuna_llm.summary import show_value
from optuna_llm.summary import summarize_sources


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from plotly.graph_objects import Figure


# Okabe and Ito's colours for all kinds of colour vision, the darkest and the lightest of them
# shifted so that each stands out from white and from black; the symbols tell them apart as well.
COLORS: Mapping[Proposer, str] = {
    "prior": "#009e73",
    "llm": "#e0600c",
    "base": "#3a8fd1",
    "fallback": "#c46a9f",
    "enqueued": "#d09a00",
    "other": "#8a8a8a",
}
_SYMBOLS: Mapping[Proposer, str] = {
    "prior": "square",
    "llm": "diamond",
    "base": "circle",
    "fallback": "triangle-up",
    "enqueued": "pentagon",
    "other": "hexagon",
}
_NEUTRAL = "#8a8a8a"
_BEST = "#d62f4b"
_HOVER_PARAMS = 15
# Above this many points, a hover text no longer repeats the whole configuration.
_MAX_FULL_HOVER = 10_000
# Values that span more than two powers of ten are shown on a log axis, and so are values of which
# one is this many times the median: on a linear axis it would press all others flat.
_LOG_SPAN = 100.0
_OUTLIER = 4.0


# --------------------------------------------------------------------------------------
# Figures


def plot_history(study: Study, *, target_index: int | None = None) -> Figure:
    """Plot objective values over trial numbers, coloured by who proposed them.

    A line follows the best value so far. Trials that failed, were pruned or returned no finite
    value are marked at the foot. A study with two objectives becomes a scatter plot with its
    Pareto front, one with more a history of each objective.

    Args:
        study: The study.
        target_index: Show the history of this objective only.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective.
    """
    history = History.from_study(study)
    if target_index is not None:
        _check_target(history, target_index)
        return _history_figure(study, history, [target_index])
    if len(history.directions) == 2:
        return _pareto_figure(study, history)
    return _history_figure(study, history, range(len(history.directions)))


def _history_figure(study: Study, history: History, targets: Sequence[int]) -> Figure:
    plotly = _import_plotly()
    go = plotly.graph_objects
    foot = [(o, place) for o in history.observations if (place := _place_at_foot(o, targets))]
    n_rows = len(targets) + bool(foot)
    figure = plotly.subplots.make_subplots(
        rows=n_rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.04,
        row_heights=[1.0] * len(targets) + [0.12 * len(targets)] * bool(foot),
    )
    shown: set[str] = set()
    for row, target in enumerate(targets, start=1):
        finite = [o for o in history.complete if math.isfinite(_native(o, target))]
        for name, group in by_proposer(finite).items():
            figure.add_trace(
                go.Scatter(
                    x=[o.number for o in group],
                    y=[_native(o, target) for o in group],
                    **_marker_trace(history, name, group, shown),
                ),
                row=row,
                col=1,
            )
        numbers, best = _best_so_far(history, finite, target)
        figure.add_trace(
            go.Scatter(
                x=numbers,
                y=best,
                mode="lines",
                line={"color": _NEUTRAL, "shape": "hv", "width": 2},
                name="best so far",
                legendgroup="best",
                showlegend=row == 1 and bool(best),
                hoverinfo="skip",
            ),
            row=row,
            col=1,
        )
        figure.update_yaxes(
            title_text=_text(objective_labels(history)[target]),
            type=_axis_type([_native(o, target) for o in finite]),
            automargin=True,
            row=row,
            col=1,
        )
    places = {o.number: place for o, place in foot}
    for name, group in by_proposer(o for o, _ in foot).items():
        trace = _marker_trace(history, name, group, shown)
        trace["marker"].update(symbol="x-thin", line={"color": COLORS[name], "width": 2})
        figure.add_trace(
            go.Scatter(x=[o.number for o in group], y=[places[o.number] for o in group], **trace),
            row=n_rows,
            col=1,
        )
    if foot:
        figure.update_yaxes(type="category", automargin=True, row=n_rows, col=1)
    figure.update_xaxes(title_text="trial", row=n_rows, col=1)
    if not history.complete and not foot:
        _annotate(figure, "No trial has finished yet.")
    height = 130 + 330 * len(targets) + 60 * bool(foot)
    return _finish(figure, f"History of {study.study_name}", height)


def _place_at_foot(o: Observation, targets: Sequence[int]) -> str | None:
    if o.state.is_finished() and o.values is None:
        return o.state.name.lower().replace("fail", "failed").replace("complete", "no value")
    if o.values is not None and not all(math.isfinite(o.values[t]) for t in targets):
        return "infinite"
    return None


def _best_so_far(
    history: History, finite: Sequence[Observation], target: int
) -> tuple[list[int], list[float]]:
    """Return the line of the best feasible value, drawn on to the newest trial."""
    feasible = [o for o in finite if o.violation == 0]
    if not feasible:
        return [], []
    better = max if history.directions[target] == StudyDirection.MAXIMIZE else min
    best = list(itertools.accumulate((_native(o, target) for o in feasible), better))
    return (
        [*(o.number for o in feasible), history.observations[-1].number],
        [*best, best[-1]],
    )


def _pareto_figure(study: Study, history: History) -> Figure:
    go = _import_plotly().graph_objects
    figure = go.Figure()
    shown: set[str] = set()
    front = sorted(history.pareto_front, key=lambda o: o.values or ())
    figure.add_trace(
        go.Scatter(
            x=[_native(o, 0) for o in front],
            y=[_native(o, 1) for o in front],
            mode="lines+markers",
            line={"color": _NEUTRAL, "shape": "hv", "width": 2},
            marker={"symbol": "circle-open", "size": 16, "color": _NEUTRAL},
            name="Pareto front",
            hoverinfo="skip",
        )
    )
    for name, group in by_proposer(history.complete).items():
        figure.add_trace(
            go.Scatter(
                x=[_native(o, 0) for o in group],
                y=[_native(o, 1) for o in group],
                **_marker_trace(history, name, group, shown),
            )
        )
    if not history.complete:
        _annotate(figure, "No trial has finished yet.")
    first, second = objective_labels(history)
    figure.update_xaxes(title_text=_text(first))
    figure.update_yaxes(title_text=_text(second), automargin=True)
    return _finish(figure, f"Pareto front of {study.study_name}", 480)


def plot_sources(study: Study) -> Figure:
    """Plot what each proposer brought: trials, improvements, failures and median rank.

    Args:
        study: The study.

    Raises:
        MissingExtraError: Plotly is not installed.
    """
    go = _import_plotly().graph_objects
    history = History.from_study(study)
    summaries = summarize_sources(history)[::-1]  # Plotly draws bars from the bottom up.
    panels: list[tuple[str, list[float | None], str]] = [
        ("trials", [s.trials for s in summaries], ""),
        ("improvements of the best", [s.improvements for s in summaries], ""),
        ("share of failed trials", [s.failure_share for s in summaries], ".0%"),
        ("median rank (1 is best)", [s.median_rank for s in summaries], ""),
    ]
    figure = go.Figure()
    for index, (title, values, tick_format) in enumerate(panels, start=1):
        suffix = "" if index == 1 else str(index)
        figure.add_trace(
            go.Bar(
                y=[LABELS[s.proposer] for s in summaries],
                x=values,
                text=["none" if v is None else format(v, tick_format or "g") for v in values],
                orientation="h",
                marker={"color": [COLORS[s.proposer] for s in summaries]},
                hoverinfo="x+y",
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
            )
        )
        figure.update_layout(
            {
                f"xaxis{suffix}": {
                    "title": {"text": title},
                    "tickformat": tick_format,
                    "rangemode": "tozero",
                    "automargin": True,
                },
                f"yaxis{suffix}": {"type": "category", "automargin": True},
            }
        )
        if not any(values):
            figure.update_layout({f"xaxis{suffix}": {"range": [0, 1]}})
    if not summaries:
        _annotate(figure, "The study has no trials yet.")
    figure.update_layout(grid=_grid(len(panels), 2, ygap=0.35, xgap=0.35), showlegend=False)
    return _finish(figure, f"Sources of {study.study_name}", 160 + 2 * (70 + 24 * len(summaries)))


def plot_spending(study: Study) -> Figure:
    """Plot the tokens, money and seconds that the language model has used so far, over trials.

    Requests that failed are marked. The panel of the cost is left out where no price is known.

    Args:
        study: The study.

    Raises:
        MissingExtraError: Plotly is not installed.
    """
    plotly = _import_plotly()
    go = plotly.graph_objects
    history = History.from_study(study)
    asked = [
        (o, o.record) for o in history.observations if o.record is not None and o.record.requests
    ]
    title = f"Spending of {study.study_name}"
    if not asked:
        figure = go.Figure()
        _annotate(figure, "No language model was used in this study.")
        return _finish(figure, title, 200)
    priced = any(record.cost is not None for _, record in asked)
    rows = ["tokens", *(["cost"] if priced else []), "seconds"]
    figure = plotly.subplots.make_subplots(
        rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.06
    )
    numbers = [o.number for o, _ in asked]
    lines = [
        ("tokens", "prompt tokens", "prompt_tokens", COLORS["base"]),
        ("tokens", "completion tokens", "completion_tokens", COLORS["llm"]),
        ("cost", "cost", "cost", COLORS["prior"]),
        ("seconds", "waiting time", "seconds", COLORS["fallback"]),
    ]
    for row_name, name, field, color in lines:
        if row_name not in rows:
            continue
        amounts = [getattr(record, field) or 0.0 for _, record in asked]
        figure.add_trace(
            go.Scatter(
                x=numbers,
                y=list(itertools.accumulate(amounts)),
                mode="lines+markers",
                line={"color": color, "shape": "hv"},
                marker={
                    "size": [9 if request_failed(r) else 5 for _, r in asked],
                    "symbol": ["x" if request_failed(r) else "circle" for _, r in asked],
                },
                stackgroup=row_name,
                name=name,
                hovertext=[
                    f"trial {o.number}: {amount:.6g} {name}, {r.requests} request(s)"
                    + (f"<br>failed: {_wrap(r.error or '')}" if request_failed(r) else "")
                    for (o, r), amount in zip(asked, amounts, strict=True)
                ],
                hoverinfo="text",
            ),
            row=rows.index(row_name) + 1,
            col=1,
        )
    for row, name in enumerate(rows, start=1):
        figure.update_yaxes(title_text=name, rangemode="tozero", automargin=True, row=row, col=1)
    # Filled curves get no margin of their own, and would be cut at the first and last trial.
    figure.update_xaxes(range=[-1, history.observations[-1].number + 1])
    figure.update_xaxes(title_text="trial", row=len(rows), col=1)
    figure.update_layout(legend_traceorder="normal")
    return _finish(figure, title, 140 + 150 * len(rows))


def plot_parameters(study: Study, *, target_index: int = 0) -> Figure:
    """Plot an objective against each parameter, coloured by who proposed the trial.

    A parameter with a log distribution has a log axis; a star marks the best trial (with several
    objectives: the best value of this one).

    Args:
        study: The study.
        target_index: Which objective to show.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective.
    """
    go = _import_plotly().graph_objects
    history = History.from_study(study)
    _check_target(history, target_index)
    finite = [o for o in history.complete if math.isfinite(_native(o, target_index))]
    space = history.search_space()
    label = objective_labels(history)[target_index]
    figure = go.Figure()
    if not finite or not len(space):
        _annotate(figure, "No complete trial with a parameter yet.")
        return _finish(figure, f"Parameters of {study.study_name}", 200)
    best = min(
        (o for o in finite if o.violation == 0),
        key=lambda o: (o.values or ())[target_index],
        default=None,
    )
    full_hover = len(finite) * len(space) <= _MAX_FULL_HOVER
    axis_type = _axis_type([_native(o, target_index) for o in finite])
    shown: set[str] = set()
    for index, (name, distribution) in enumerate(space.distributions.items(), start=1):
        suffix = "" if index == 1 else str(index)
        axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        for source, group in by_proposer(o for o in finite if name in o.params).items():
            figure.add_trace(
                go.Scatter(
                    x=[_position(distribution, o.params[name]) for o in group],
                    y=[_native(o, target_index) for o in group],
                    **_marker_trace(history, source, group, shown, full_hover, name),
                    **axes,
                )
            )
        if best is not None and name in best.params:
            figure.add_trace(
                go.Scatter(
                    x=[_position(distribution, best.params[name])],
                    y=[_native(best, target_index)],
                    mode="markers",
                    marker={
                        "symbol": "star",
                        "size": 15,
                        "color": _BEST,
                        "line": {"color": "white", "width": 1},
                    },
                    name="best",
                    legendgroup="best",
                    showlegend="best" not in shown,
                    hovertext=[_hover(history, best)],
                    hoverinfo="text",
                    **axes,
                )
            )
            shown.add("best")
        figure.update_layout(
            {
                f"xaxis{suffix}": _parameter_axis(name, distribution),
                f"yaxis{suffix}": {"type": axis_type, "automargin": True},
            }
        )
    columns = min(3, len(space))
    figure.update_layout(grid=_grid(len(space), columns, ygap=0.3, xgap=0.22))
    n_rows = math.ceil(len(space) / columns)
    return _finish(figure, f"Parameters of {study.study_name} against {label}", 130 + 250 * n_rows)


def _parameter_axis(name: str, distribution: BaseDistribution) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": _text(name)}, "automargin": True}
    if isinstance(distribution, CategoricalDistribution):
        texts = [_text(shorten(text, 16)) for text in labels(distribution)]
        return {
            **axis,
            "tickvals": list(range(len(texts))),
            "ticktext": texts,
            "range": [-0.5, len(texts) - 0.5],
        }
    if isinstance(distribution, FloatDistribution | IntDistribution) and distribution.log:
        ticks = _log_ticks(distribution.low, distribution.high)
        return {**axis, "type": "log", "tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}
    return axis


def _log_ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers; Plotly's own labels crowd each other in a small panel."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = {1: (1, 2, 5), 2: (1, 2, 5), 3: (1, 3), 4: (1, 3)}.get(last - first, (1,))
    stride = math.ceil((last - first) / 6)
    return [step * 10.0**power for power in range(first, last + 1, stride) for step in steps]


def _position(distribution: BaseDistribution, value: Any) -> float | None:
    """Return where a value stands on its axis; None where the axis has no place for it."""
    if isinstance(distribution, CategoricalDistribution):
        return choice_index(distribution, value)
    return value if isinstance(value, int | float) else None


# --------------------------------------------------------------------------------------
# Shared by the figures


def _import_plotly() -> Any:
    try:
        import plotly.graph_objects
        import plotly.subplots
    except ImportError as error:
        raise MissingExtraError(
            'Figures need plotly; install it with: pip install "optuna-llm[plot]"'
        ) from error
    return plotly


def _check_target(history: History, target_index: int) -> None:
    n_objectives = len(history.directions)
    if not 0 <= target_index < n_objectives:
        raise ConfigurationError(
            f"target_index={target_index!r} names no objective; the study has {n_objectives}, "
            "counted from 0."
        )


def _native(o: Observation, target: int) -> float:
    """Return a complete trial's value as the objective returned it."""
    assert o.values is not None
    return o.signs[target] * o.values[target]


def _axis_type(values: Sequence[float]) -> str:
    if not values or min(values) <= 0:
        return "linear"
    wide = max(values) / min(values) > _LOG_SPAN
    return "log" if wide or max(values) / statistics.median(values) > _OUTLIER else "linear"


def _grid(n: int, columns: int, *, xgap: float, ygap: float) -> dict[str, Any]:
    """Return a layout that fills row by row, and that a page may change to fewer columns."""
    return {
        "rows": math.ceil(n / columns),
        "columns": columns,
        "pattern": "independent",
        "xgap": xgap,
        "ygap": ygap,
    }


def _marker_trace(
    history: History,
    name: Proposer,
    group: Sequence[Observation],
    shown: set[str],
    full_hover: bool = True,
    param: str | None = None,
) -> dict[str, Any]:
    """Return what all traces of one proposer share; ``shown`` holds the legend entries so far."""
    first = name not in shown
    shown.add(name)
    return {
        "mode": "markers",
        "marker": {
            "color": COLORS[name],
            "symbol": [_SYMBOLS[name] + "-open" * (o.violation > 0) for o in group],
            "size": 8,
            "opacity": 0.85,
        },
        "name": LABELS[name],
        "legendgroup": name,
        "showlegend": first,
        "hovertext": [_hover(history, o, None if full_hover else param) for o in group],
        "hoverinfo": "text",
    }


def _hover(history: History, o: Observation, only: str | None = None) -> str:
    """Describe a trial: number, proposer, values, parameters (or only one), rationale."""
    lines = [f"<b>trial {o.number}</b>, {LABELS[proposer(o)]}"]
    if o.trial.values is not None:
        lines += [
            f"{_text(n)}: {format_number(v)}"
            for n, v in zip(history.metric_names, o.trial.values, strict=False)
        ]
    if o.state == TrialState.FAIL:
        lines.append("failed: " + _wrap(o.failure))
    elif o.state != TrialState.COMPLETE:
        lines.append(o.state.name.lower())
    if o.violation > 0:
        lines.append(f"infeasible, violation {format_number(o.violation)}")
    params = list(o.trial.params.items()) if only is None else [(only, o.trial.params[only])]
    lines += [f"{_text(k)} = {_text(show_value(v))}" for k, v in params[:_HOVER_PARAMS]]
    if len(params) > _HOVER_PARAMS:
        lines.append(f"and {len(params) - _HOVER_PARAMS} more parameters")
    if o.record is not None and o.record.rationale and only is None:
        lines.append(f"<i>{_wrap(o.record.rationale)}</i>")
    return "<br>".join(lines)


def _text(text: str) -> str:
    """Escape text that Plotly would read as HTML."""
    return html.escape(text, quote=False)


def _wrap(text: str) -> str:
    return "<br>".join(_text(line) for line in textwrap.wrap(text, 60))


def _annotate(figure: Figure, text: str) -> None:
    figure.add_annotation(
        text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 16}
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)


def _finish(figure: Figure, title: str, height: int) -> Figure:
    figure.update_layout(
        title={"text": _text(title)},
        height=height,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"},
        margin={"l": 60, "r": 20, "t": 90, "b": 50},
        hoverlabel={"align": "left"},
    )
    return figure
