"""The course of a study: values over trials and the Pareto front, by who proposed them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import itertools
import math
from typing import TYPE_CHECKING

from optuna.study import StudyDirection

from optuna_llm.expectations.in_units import usable
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.reporting.figures.frame import COLORS
from optuna_llm.reporting.figures.frame import NEUTRAL
from optuna_llm.reporting.figures.frame import annotate
from optuna_llm.reporting.figures.frame import check_target
from optuna_llm.reporting.figures.frame import escape
from optuna_llm.reporting.figures.frame import finish
from optuna_llm.reporting.figures.frame import import_plotly
from optuna_llm.reporting.figures.frame import marker_trace
from optuna_llm.reporting.figures.frame import thinned
from optuna_llm.reporting.figures.scale import add_scale_switch
from optuna_llm.reporting.figures.scale import native
from optuna_llm.reporting.figures.scale import value_scale
from optuna_llm.reporting.tables import by_proposer
from optuna_llm.reporting.tables import is_infeasible
from optuna_llm.reporting.tables import objective_labels


if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure

    from optuna_llm.stopping.hindsight import Hindsight


# More points than these a browser draws slowly.
_MAX_POINTS = 4_000


def plot_history(study: Study, *, target_index: int | None = None) -> Figure:
    """Plot objective values over trial numbers, coloured by who proposed them.

    A line follows the best value so far. Trials that failed, were pruned or returned no finite
    value are marked at the foot, those of a value far beyond all others by an arrow at the edge.
    A study with two objectives becomes a scatter plot with its Pareto front, one with more a
    history of each objective. Of more than 4,000 trials so many are shown, evenly from the best
    to the worst.

    Args:
        study: The study.
        target_index: Show the history of this objective only.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective.
    """
    history = History.from_study(study)
    if target_index is not None:
        check_target(history, target_index)
        return _history_figure(study, history, [target_index], {})
    if len(history.directions) == 2:
        return _pareto_figure(study, history)
    return _history_figure(study, history, range(len(history.directions)), {})


def history_beside(study: Study, baselines: Mapping[str, float]) -> Figure:
    """Plot the history of a study; of one objective also baselines, as level lines in sight.

    Args:
        study: The study.
        baselines: Values by name; none where there are several objectives.
    """
    if not baselines:
        return plot_history(study)
    return _history_figure(study, History.from_study(study), [0], baselines)


def mark_hindsight(figure: Figure, found: Hindsight | None) -> Figure:
    """Draw where a study could have stopped into its history of one objective."""
    if found is not None and found.trial is not None:
        figure.add_vline(
            x=found.trial + 0.5,
            line={"dash": "dash", "width": 1.5, "color": NEUTRAL},
            annotation={"text": "done, in hindsight", "font": {"color": NEUTRAL}},
            annotation_position="top left",
        )
    return figure


def _history_figure(
    study: Study, history: History, targets: Sequence[int], baselines: Mapping[str, float]
) -> Figure:
    plotly = import_plotly()
    go = plotly.graph_objects
    targets = [t for t in targets if usable(history, t)]
    foot = [(o, place) for o in history.observations if (place := _place_at_foot(o, targets))]
    n_rows = max(len(targets) + bool(foot), 1)
    figure = plotly.subplots.make_subplots(
        rows=n_rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.04,
        row_heights=[1.0] * len(targets) + [0.12 * max(len(targets), 1)] * (n_rows - len(targets)),
    )
    shown: set[str] = set()
    scales = {}
    for row, target in enumerate(targets, start=1):
        finite = usable(history, target)
        scale = value_scale(history, target, finite, baselines.values())
        scales["yaxis" if row == 1 else f"yaxis{row}"] = scale
        drawn = scale.inside_first(thinned(finite, target, _MAX_POINTS), target)
        for name, group in by_proposer(drawn).items():
            figure.add_trace(
                go.Scatter(
                    x=[o.number for o in group],
                    **marker_trace(history, name, group, shown, places={"y": (target, scale)}),
                ),
                row=row,
                col=1,
            )
        steps, best = _best_so_far(history, finite, target)
        figure.add_trace(
            go.Scatter(
                x=steps,
                y=best,
                mode="lines",
                line={"color": NEUTRAL, "shape": "hv", "width": 2},
                name="best so far",
                legendgroup="best",
                showlegend=row == 1 and bool(best),
                hoverinfo="skip",
            ),
            row=row,
            col=1,
        )
        figure.update_yaxes(
            title_text=escape(objective_labels(history)[target]),
            **scale.axis,
            row=row,
            col=1,
        )
    foot = foot[:: math.ceil(len(foot) / _MAX_POINTS)] if foot else []
    places = {o.number: place for o, place in foot}
    for name, group in by_proposer(o for o, _ in foot).items():
        trace = marker_trace(history, name, group, shown)
        trace["marker"].update(symbol="x-thin", line={"color": COLORS[name], "width": 2})
        figure.add_trace(
            go.Scatter(x=[o.number for o in group], y=[places[o.number] for o in group], **trace),
            row=n_rows,
            col=1,
        )
    numbers = [o.number for o in history.observations]
    dashes = itertools.cycle(("dash", "dot", "dashdot", "longdash"))
    for (baseline, value), dash in zip(baselines.items(), dashes, strict=False):
        figure.add_trace(
            go.Scatter(
                x=[min(numbers), max(numbers)],
                y=[value, value],
                mode="lines",
                line={"dash": dash, "width": 2, "color": NEUTRAL},
                name=escape(baseline),
                hoverinfo="name+y",
            )
        )
    add_scale_switch(figure, scales)
    if foot:
        figure.update_yaxes(type="category", automargin=True, row=n_rows, col=1)
    figure.update_xaxes(title_text="trial", row=n_rows, col=1)
    if not targets and not foot:
        annotate(figure, "No trial has finished yet.")
    height = 130 + 330 * len(targets) + 60 * (n_rows - len(targets))
    return finish(figure, f"History of {study.study_name}", height)


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
    feasible = [o for o in finite if not is_infeasible(o)]
    if not feasible:
        return [], []
    better = max if history.directions[target] == StudyDirection.MAXIMIZE else min
    best = list(itertools.accumulate((native(o, target) for o in feasible), better))
    return (
        [*(o.number for o in feasible), history.observations[-1].number],
        [*best, best[-1]],
    )


def _pareto_figure(study: Study, history: History) -> Figure:
    go = import_plotly().graph_objects
    figure = go.Figure()
    shown: set[str] = set()
    front = sorted(history.pareto_front, key=lambda o: o.values or ())
    figure.add_trace(
        go.Scatter(
            x=[native(o, 0) for o in front],
            y=[native(o, 1) for o in front],
            mode="lines+markers",
            line={"color": NEUTRAL, "shape": "hv", "width": 2},
            marker={"symbol": "circle-open", "size": 16, "color": NEUTRAL},
            name="Pareto front",
            hoverinfo="skip",
        )
    )
    scales = [value_scale(history, target, history.complete) for target in (0, 1)]
    drawn = thinned(history.complete, 0, _MAX_POINTS)
    for target, scale in enumerate(scales):
        drawn = scale.inside_first(drawn, target)
    for name, group in by_proposer(drawn).items():
        figure.add_trace(
            go.Scatter(
                **marker_trace(
                    history, name, group, shown, places={"x": (0, scales[0]), "y": (1, scales[1])}
                )
            )
        )
    add_scale_switch(figure, {"xaxis": scales[0], "yaxis": scales[1]})
    if not history.complete:
        annotate(figure, "No trial has finished yet.")
    first, second = objective_labels(history)
    figure.update_xaxes(title_text=escape(first), **scales[0].axis)
    figure.update_yaxes(title_text=escape(second), **scales[1].axis)
    return finish(figure, f"Pareto front of {study.study_name}", 480)
