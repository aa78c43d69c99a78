"""An objective over each parameter: the trials, and what a surrogate makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.expectations.in_units import Dependence
from optuna_llm.expectations.in_units import partial_dependence
from optuna_llm.history.attributes import shorten
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.reporting.figures.frame import NEUTRAL
from optuna_llm.reporting.figures.frame import annotate
from optuna_llm.reporting.figures.frame import check_params
from optuna_llm.reporting.figures.frame import check_target
from optuna_llm.reporting.figures.frame import escape
from optuna_llm.reporting.figures.frame import finish
from optuna_llm.reporting.figures.frame import grid
from optuna_llm.reporting.figures.frame import hover
from optuna_llm.reporting.figures.frame import import_plotly
from optuna_llm.reporting.figures.frame import marker_trace
from optuna_llm.reporting.figures.frame import thinned
from optuna_llm.reporting.figures.scale import add_scale_switch
from optuna_llm.reporting.figures.scale import log_axis
from optuna_llm.reporting.figures.scale import native
from optuna_llm.reporting.figures.scale import value_scale
from optuna_llm.reporting.figures.scale import with_margin
from optuna_llm.reporting.importance import importances
from optuna_llm.reporting.importance import in_order
from optuna_llm.reporting.tables import by_proposer
from optuna_llm.reporting.tables import is_infeasible
from optuna_llm.reporting.tables import objective_labels
from optuna_llm.space.choices import choice_index
from optuna_llm.space.choices import labels
from optuna_llm.space.numbers import is_number


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from plotly.graph_objects import Figure


_BEST = "#d62f4b"
_BAND = "rgba(138, 138, 138, 0.28)"
_BAND_LEVELS = (0.1, 0.5, 0.9)
# More points than these a browser draws slowly; each panel has some all the same.
_MAX_POINTS, _LEAST_POINTS = 20_000, 200
# Above this many points, a hover text no longer repeats the whole configuration.
_MAX_FULL_HOVER = 10_000


def plot_parameters(
    study: Study, *, params: Sequence[str] | None = None, target_index: int = 0
) -> Figure:
    """Plot an objective against each parameter, coloured by who proposed the trial.

    A parameter with a log distribution has a log axis; a star marks the best trial (with several
    objectives: the best value of this one). Of very many trials some are shown, evenly from the
    best to the worst.

    Args:
        study: The study.
        params: Names of the parameters to show; all by default, what matters most first, see
            :func:`plot_importance`.
        target_index: Which objective to show.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective or parameter.
    """
    import_plotly()
    history = History.from_study(study)
    check_target(history, target_index)
    if params is None:
        params = in_order(history, importances(study, history, target_index))
    return _figure(history, params, target_index, {}, f"Parameters of {study.study_name}")


def plot_partial_dependence(
    study: Study, *, params: Sequence[str] | None = None, target_index: int = 0
) -> Figure:
    """Plot what a surrogate expects along each parameter, with the trials.

    The line is the predicted median, the band holds 80 % of what is expected of a trial with that
    value and all else as in the trials so far (see
    :func:`optuna_llm.expectations.in_units.partial_dependence`). A narrow flat band says that a
    parameter matters little. Without ten complete trials there are only the trials.

    Args:
        study: The study.
        params: Which parameters to show, and in which order; by default all by importance.
        target_index: Which objective is expected.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective or parameter.
    """
    import_plotly()  # Before the surrogate is fitted in vain.
    history = History.from_study(study)
    check_target(history, target_index)
    if params is None:
        params = in_order(history, importances(study, history, target_index))
    bands = partial_dependence(history, target_index, _BAND_LEVELS)
    return _figure(history, params, target_index, bands, f"Dependence in {study.study_name}")


def _figure(
    history: History,
    params: Sequence[str],
    target_index: int,
    bands: Mapping[str, Dependence],
    title: str,
) -> Figure:
    go = import_plotly().graph_objects
    finite = [o for o in history.complete if math.isfinite(native(o, target_index))]
    distributions = history.search_space().distributions
    names = check_params(history, params)
    label = objective_labels(history)[target_index]
    figure = go.Figure()
    if not finite or not names:
        annotate(figure, "No complete trial with a parameter yet.")
        return finish(figure, title, 200)
    best = min(
        (o for o in finite if not is_infeasible(o)),
        key=lambda o: (o.values or ())[target_index],
        default=None,
    )
    scale = value_scale(history, target_index, finite)
    most = max(_MAX_POINTS // len(names), _LEAST_POINTS)
    drawn = scale.inside_first(thinned(finite, target_index, most), target_index)
    full_hover = len(drawn) * len(names) <= _MAX_FULL_HOVER
    shown: set[str] = set()
    y_axes = []
    for index, name in enumerate(names, start=1):
        distribution = distributions[name]
        suffix = "" if index == 1 else str(index)
        y_axes.append(f"yaxis{suffix}")
        axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        if name in bands:
            for trace in _band(distribution, bands[name], showlegend=not shown):
                figure.add_trace(go.Scatter(**trace, **axes))
        for source, group in by_proposer(o for o in drawn if name in o.params).items():
            figure.add_trace(
                go.Scatter(
                    x=[_position(distribution, o.params[name]) for o in group],
                    **marker_trace(
                        history,
                        source,
                        group,
                        shown,
                        full_hover=full_hover,
                        param=name,
                        places={"y": (target_index, scale)},
                    ),
                    **axes,
                )
            )
        if best is not None and name in best.params:
            figure.add_trace(
                go.Scatter(
                    x=[_position(distribution, best.params[name])],
                    y=[native(best, target_index)],
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
                    hovertext=[hover(history, best)],
                    hoverinfo="text",
                    **axes,
                )
            )
            shown.add("best")
        figure.update_layout(
            {
                f"xaxis{suffix}": _parameter_axis(name, distribution, finite),
                f"yaxis{suffix}": scale.axis,
            }
        )
    add_scale_switch(
        figure, {f"yaxis{i}" if i > 1 else "yaxis": scale for i in range(1, len(names) + 1)}
    )
    columns = min(3, len(names))
    figure.update_layout(grid=grid(len(names), columns, ygap=0.3, xgap=0.22))
    n_rows = math.ceil(len(names) / columns)
    return finish(figure, f"{title}: {label}", 130 + 250 * n_rows)


def _band(
    distribution: BaseDistribution, dependence: Dependence, *, showlegend: bool
) -> list[dict[str, Any]]:
    """Return the traces of the predicted quantiles: the band, then the median."""
    places = [float(v) for v in dependence.values if is_number(v)]
    low, median, high = dependence.quantiles.T.tolist()
    if isinstance(distribution, CategoricalDistribution):
        # Choices have no in-between: a block of its own for each.
        places = [place + side for place in range(len(low)) for side in (-0.35, 0.35, math.nan)]
        low, median, high = (
            [v for value in values for v in (value, value, math.nan)]
            for values in (low, median, high)
        )
    common = {"mode": "lines", "hoverinfo": "skip"}
    return [
        {
            **common,
            "x": _closed(places, places),
            "y": _closed(high, low),
            "fill": "toself",
            "fillcolor": _BAND,
            "line": {"width": 0},
            "name": "80 % expected",
            "legendgroup": "band",
            "showlegend": showlegend,
        },
        {
            **common,
            "x": places,
            "y": median,
            "line": {"color": NEUTRAL, "width": 2},
            "name": "median expected",
            "legendgroup": "median",
            "showlegend": showlegend,
        },
    ]


def _closed(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    """Return the outline of an area, or of several with NaN between them, for Plotly to fill."""
    outline: list[float] = []
    start = 0
    for end in [*(i for i, v in enumerate(upper) if math.isnan(v)), len(upper)]:
        if end > start:
            outline += [*upper[start:end], *reversed(lower[start:end]), math.nan]
        start = end + 1
    return outline[:-1]


def _parameter_axis(
    name: str, distribution: BaseDistribution, trials: Sequence[Observation]
) -> dict[str, Any]:
    """Return an axis as long as the parameter's range, and as the trials' values."""
    axis: dict[str, Any] = {"title": {"text": escape(name)}, "automargin": True}
    if isinstance(distribution, CategoricalDistribution):
        texts = [escape(shorten(label, 16)) for label in labels(distribution)]
        return {
            **axis,
            "tickvals": list(range(len(texts))),
            "ticktext": texts,
            "range": [-0.5, len(texts) - 0.5],
        }
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return axis
    tried = [v for o in trials if is_number(v := o.params.get(name)) and math.isfinite(v)]
    low, high = min([distribution.low, *tried]), max([distribution.high, *tried])
    if not distribution.log or low <= 0:
        return {**axis, "range": with_margin(low, high, 0.05)}
    return {
        **axis,
        **log_axis(low, high),
        "range": with_margin(math.log10(low), math.log10(high), 0.05),
    }


def _position(distribution: BaseDistribution, value: Any) -> float | None:
    """Return where a value stands on its axis; None where the axis has no place for it."""
    if isinstance(distribution, CategoricalDistribution):
        return choice_index(distribution, value)
    return value if is_number(value) else None
