"""Which parameters matter, and how they go together: views of :mod:`optuna.visualization`.

Optuna draws them; what is drawn is a copy of the study with one objective, few enough trials to
be seen, outliers moved to the end of the scale, and names that stay text.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import itertools
import math
from typing import TYPE_CHECKING
from typing import Any
import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection
from optuna.trial import create_trial

from optuna_llm.expectations.in_units import usable
from optuna_llm.history.attributes import shorten
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.reporting.figures.frame import COLORS
from optuna_llm.reporting.figures.frame import NEUTRAL
from optuna_llm.reporting.figures.frame import annotate
from optuna_llm.reporting.figures.frame import check_params
from optuna_llm.reporting.figures.frame import check_target
from optuna_llm.reporting.figures.frame import escape
from optuna_llm.reporting.figures.frame import finish
from optuna_llm.reporting.figures.frame import grid
from optuna_llm.reporting.figures.frame import import_plotly
from optuna_llm.reporting.figures.frame import thinned
from optuna_llm.reporting.figures.scale import log_axis
from optuna_llm.reporting.figures.scale import native
from optuna_llm.reporting.figures.scale import value_scale
from optuna_llm.reporting.importance import importances
from optuna_llm.reporting.importance import in_order
from optuna_llm.reporting.tables import objective_labels
from optuna_llm.space.choices import choice_index
from optuna_llm.space.choices import labels
from optuna_llm.space.numbers import is_number


if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure


# A map of more trials than this is a grid of their squares; more lines hide each other.
_MAX_TRIALS = 100
_MAX_AXES, _MAX_MAPPED = 6, 3
_MIN_TOGETHER = 5
_MAX_LABEL = 16
_FEW = "Fewer than ten trials have a value, or all have the same."


def plot_importance(study: Study, *, target_index: int = 0) -> Figure:
    """Plot how much each parameter matters, by :mod:`optuna.importance`.

    Args:
        study: The study.
        target_index: For which objective.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective.
    """
    go = import_plotly().graph_objects
    history = History.from_study(study)
    check_target(history, target_index)
    found = importances(study, history, target_index)
    figure = go.Figure()
    title = f"Importance in {study.study_name}"
    if not found:
        annotate(figure, _FEW)
        return finish(figure, title, 200)
    shares = dict(reversed(found.items()))  # Plotly draws bars from the bottom up.
    figure.add_trace(
        go.Bar(
            x=list(shares.values()),
            y=[escape(shorten(name, 2 * _MAX_LABEL)) for name in shares],
            orientation="h",
            texttemplate="%{x:.0%}",
            textposition="outside",
            cliponaxis=False,
            marker={"color": COLORS["base"]},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    label = escape(objective_labels(history)[target_index])
    figure.update_layout(
        showlegend=False,
        xaxis={
            "title": {"text": f"share of what parameters tell about {label}"},
            "tickformat": ".0%",
            "rangemode": "tozero",
            "range": [0, 1.12 * max(shares.values())],
            "automargin": True,
        },
        yaxis={"type": "category", "automargin": True},
    )
    return finish(figure, title, 130 + 24 * len(shares))


def plot_contour(
    study: Study, *, params: Sequence[str] | None = None, target_index: int = 0
) -> Figure:
    """Plot an objective over pairs of parameters, as :func:`optuna.visualization.plot_contour`.

    Of many trials a hundred are shown, evenly from the best to the worst. Colours beyond the
    outermost are those of values far worse than all others.

    Args:
        study: The study.
        params: Names of the parameters whose pairs are shown; by default the three that matter
            most, see :func:`plot_importance`.
        target_index: Which objective to show.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective or parameter.
    """
    go = import_plotly().graph_objects
    history, names = _chosen(study, params, target_index, _MAX_MAPPED)
    copy = _Copy(history, target_index)
    pairs = [pair for pair in itertools.combinations(names, 2) if copy.has(*pair)]
    if params is None:
        pairs = pairs[:_MAX_MAPPED]
    figure = go.Figure()
    title = f"Contours of {study.study_name}"
    if not pairs:
        annotate(figure, "No two parameters have enough trials in common.")
        return finish(figure, title, 200)
    values = [t.values[0] for t in copy.study.get_trials(deepcopy=False)]
    for index, pair in enumerate(pairs, start=1):
        suffix = "" if index == 1 else str(index)
        drawn = _drawn("plot_contour", copy, pair, escape(history.metric_names[target_index]))
        for trace in drawn.data:
            trace.update(xaxis=f"x{suffix}", yaxis=f"y{suffix}", showlegend=False)
            if trace.type == "contour":
                trace.update(zmin=min(values), zmax=max(values), showscale=index == 1)
                trace.colorbar.update(_bar(trace.colorbar.title.text))
            else:
                trace.marker.update(size=5, line={"width": 1, "color": "white"})
            figure.add_trace(trace)
        layout = drawn.layout.to_plotly_json()
        for axis in "xy":
            figure.update_layout({f"{axis}axis{suffix}": _rounded(layout[f"{axis}axis"])})
    columns = min(_MAX_MAPPED, len(pairs))
    figure.update_layout(grid=grid(len(pairs), columns, xgap=0.35, ygap=0.3))
    return finish(figure, title, 150 + 280 * math.ceil(len(pairs) / columns))


def plot_parallel_coordinate(
    study: Study, *, params: Sequence[str] | None = None, target_index: int = 0
) -> Figure:
    """Plot trials as lines, as :func:`optuna.visualization.plot_parallel_coordinate` does.

    Of many trials a hundred are shown, evenly from the best to the worst.

    Args:
        study: The study.
        params: Names of the parameters; by default the six that matter most, see
            :func:`plot_importance`.
        target_index: Which objective to show.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective or parameter.
    """
    go = import_plotly().graph_objects
    history, names = _chosen(study, params, target_index, _MAX_AXES)
    copy = _Copy(history, target_index)
    names = [name for name in names if copy.has(name)]
    title = f"Parallel coordinates of {study.study_name}"
    if len(names) < 2:
        figure = go.Figure()
        annotate(figure, "No two parameters have been varied yet.")
        return finish(figure, title, 200)
    label = escape(history.metric_names[target_index])
    drawn = _drawn("plot_parallel_coordinate", copy, names, label)
    *lines, scale = [t for t in drawn.data if t.line.color is not None or t.marker.showscale]
    is_low_good = history.directions[target_index] == StudyDirection.MINIMIZE
    # What stands out from a bright page does not from a dark one, so that colours are our own.
    for line in lines:
        goodness = 1 - line.y[0] if is_low_good else line.y[0]
        (color,) = import_plotly().colors.sample_colorscale(_SCALE, [goodness])
        line.update(line={"color": color}, opacity=0.3 + 0.7 * goodness)
    lines.sort(key=lambda line: line.opacity or 0.0)
    scale.marker.update(colorscale=_SCALE, reversescale=is_low_good)
    scale.marker.colorbar.update(_bar(label))
    figure = go.Figure([*lines, scale], drawn.layout)
    figure.update_annotations(font={"color": NEUTRAL})
    figure.update_layout(
        showlegend=False, xaxis={"automargin": True}, meta={"least_width": 110 * len(lines[0].x)}
    )
    return finish(figure, title, 420)


# From bad to good, seen on a bright page and on a dark one.
_SCALE = [[0.0, NEUTRAL], [0.5, "#d09a00"], [1.0, "#d62f4b"]]


def _rounded(axis: dict[str, Any]) -> dict[str, Any]:
    """Return an axis with round numbers, also where it is a log axis."""
    if axis.get("type") == "log":
        low, high = (10.0**end for end in axis["range"])
        axis = {**axis, **log_axis(low, high)}
    return {**axis, "automargin": True}


def _bar(title: str) -> dict[str, Any]:
    """Return a colour bar that takes little width."""
    return {"thickness": 10, "nticks": 6, "title": {"text": title, "side": "right"}}


def _chosen(
    study: Study, params: Sequence[str] | None, target: int, most: int
) -> tuple[History, list[str]]:
    """Return the study as it was read, and which parameters to show."""
    history = History.from_study(study)
    check_target(history, target)
    if params is not None:
        return history, check_params(history, params)
    return history, in_order(history, importances(study, history, target))[:most]


def _drawn(plot: str, copy: _Copy, params: Sequence[str], label: str) -> Figure:
    """Let Optuna draw parameters of a copy."""
    from optuna import visualization

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = getattr(visualization, plot)
            return drawn(copy.study, params=list(map(escape, params)), target_name=label)
    finally:
        optuna.logging.set_verbosity(before)


class _Copy:
    """A study as Optuna's figures are to draw it.

    Args:
        history: The study.
        target: Which objective.
    """

    def __init__(self, history: History, target: int) -> None:
        trials = usable(history, target)
        scale = value_scale(history, target, trials)
        axes = {n: _axis(d, trials, n) for n, d in history.parameters.items()}
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            self.study = optuna.create_study(direction=history.directions[target])
        finally:
            optuna.logging.set_verbosity(before)
        for o in thinned(trials, target, _MAX_TRIALS):
            params = _params(history.parameters, axes, o)
            self.study.add_trial(
                create_trial(
                    params=params,
                    distributions={escape(n): axes[n] for n in axes if escape(n) in params},
                    value=scale.place(native(o, target)),
                    constraints=o.constraints or None,
                )
            )

    def has(self, *names: str) -> bool:
        """Whether enough trials have all of some parameters, each with more than one value."""
        keys = [escape(name) for name in names]
        rows = [t.params for t in self.study.get_trials(deepcopy=False)]
        found = [[row[key] for key in keys] for row in rows if all(key in row for key in keys)]
        several = all(len(set(column)) > 1 for column in zip(*found, strict=True))
        return several and len(found) >= (_MIN_TOGETHER if len(names) > 1 else 2)


def _axis(
    distribution: BaseDistribution, trials: Sequence[Observation], name: str
) -> BaseDistribution:
    """Return a distribution that holds every value that was tried."""
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution(_choices(distribution))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    tried = [
        v
        for o in trials
        if type(o.trial.distributions.get(name)) is type(distribution)
        and is_number(v := o.params[name])
    ]
    low, high = min([distribution.low, *tried]), max([distribution.high, *tried])
    is_log = distribution.log and low > 0
    if isinstance(distribution, IntDistribution):
        return IntDistribution(int(low), int(high), log=is_log)
    return FloatDistribution(low, high, log=is_log)


def _choices(distribution: CategoricalDistribution) -> list[Any]:
    """Return numbers as they are, all else as text that stays text."""
    numbers = {c for c in distribution.choices if is_number(c) and math.isfinite(c)}
    if len(numbers) == len(distribution.choices):
        return list(distribution.choices)
    texts = [escape(shorten(label, _MAX_LABEL)) for label in labels(distribution)]
    return [t if texts.count(t) == 1 else f"{t} ({i})" for i, t in enumerate(texts)]


def _params(
    newest: Mapping[str, BaseDistribution], axes: Mapping[str, Any], o: Observation
) -> dict[str, Any]:
    """Return the parameters of a trial, as far as they are of the newest kind."""
    params = {}
    for name, axis in axes.items():
        if type(o.trial.distributions.get(name)) is not type(axis):
            continue
        value = o.trial.params[name]
        if isinstance(axis, CategoricalDistribution):
            place = choice_index(newest[name], value)  # type: ignore[arg-type]
            if place is not None:
                params[escape(name)] = axis.choices[place]
        elif is_number(value) and math.isfinite(value):
            params[escape(name)] = value
    return params
