"""What all figures share: colours, markers, hover texts, title and size."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import html
import math
import textwrap
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.extras import import_extra
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.reporting.figures.scale import ValueScale
from optuna_llm.reporting.figures.scale import native
from optuna_llm.reporting.tables import LABELS
from optuna_llm.reporting.tables import Proposer
from optuna_llm.reporting.tables import is_infeasible
from optuna_llm.reporting.tables import proposer
from optuna_llm.reporting.tables import rationale
from optuna_llm.reporting.tables import show_value
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import whole_number


if TYPE_CHECKING:
    from plotly.graph_objects import Figure


# Okabe and Ito's colours for all kinds of colour vision, the darkest and the lightest of them
# shifted so that each stands out from white and from black; the symbols tell them apart as well.
COLORS: Mapping[Proposer, str] = {
    "prior": "#009e73",
    "llm": "#e0600c",
    "agent": "#8a4fd3",
    "base": "#3a8fd1",
    "fallback": "#c46a9f",
    "enqueued": "#d09a00",
    "other": "#8a8a8a",
}
SYMBOLS: Mapping[Proposer, str] = {
    "prior": "square",
    "llm": "diamond",
    "agent": "star",
    "base": "circle",
    "fallback": "triangle-up",
    "enqueued": "pentagon",
    "other": "hexagon",
}
NEUTRAL = "#8a8a8a"
_HOVER_PARAMS = 15
# An arrow at the end of an axis, by axis and side.
_ARROWS = {
    ("x", -1): "arrow-left",
    ("x", 1): "arrow-right",
    ("y", -1): "arrow-down",
    ("y", 1): "arrow-up",
}


def import_plotly() -> Any:
    """Return the module plotly, with the parts that figures need.

    Raises:
        MissingExtraError: It is not installed.
    """
    parts = ("plotly.graph_objects", "plotly.subplots", "plotly.colors")
    return import_extra("plotly", *parts, extra="plot", need="Figures need")


def check_target(history: History, target_index: int) -> None:
    """Raise ConfigurationError if there is no such objective."""
    n_objectives = len(history.directions)
    place = whole_number(target_index)
    if place is None or not 0 <= place < n_objectives:
        raise ConfigurationError(
            f"target_index={target_index!r:.80} names no objective; the study has {n_objectives}, "
            "counted from 0."
        )


def check_params(history: History, params: Sequence[str]) -> list[str]:
    """Return names of parameters to show, or raise ConfigurationError for what is none."""
    if isinstance(params, str) or not isinstance(params, Sequence):
        raise ConfigurationError(
            f"params={params!r:.80} must be a list of names of parameters, or None for all."
        )
    for name in params:
        if not isinstance(name, str) or name not in history.parameters:
            known = ", ".join(history.parameters)
            raise ConfigurationError(
                f"params={params!r:.80}: the study has no parameter {name!r}; those with more"
                f" than one value are {known}."
            )
    return list(params)


def thinned(trials: Sequence[Observation], target: int, most: int) -> list[Observation]:
    """Return so many trials at most, evenly from the best to the worst, by number."""
    ranked = sorted(trials, key=lambda o: (o.values or ())[target])
    n = len(ranked)
    some = np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).round().astype(int))
    return sorted((ranked[i] for i in some), key=lambda o: o.number)


def grid(n: int, columns: int, *, xgap: float, ygap: float) -> dict[str, Any]:
    """Return a layout that fills row by row, and that a page may change to fewer columns."""
    return {
        "rows": math.ceil(n / columns),
        "columns": columns,
        "pattern": "independent",
        "xgap": xgap,
        "ygap": ygap,
    }


def marker_trace(
    history: History,
    name: Proposer,
    group: Sequence[Observation],
    shown: set[str],
    *,
    full_hover: bool = True,
    param: str | None = None,
    places: Mapping[str, tuple[int, ValueScale]] | None = None,
) -> dict[str, Any]:
    """Return what all traces of one proposer share.

    Args:
        history: The study.
        name: The proposer.
        group: Its trials.
        shown: The legend entries so far; the proposer joins them.
        full_hover: Whether the hover text tells the whole configuration, not ``param`` alone.
        param: A parameter.
        places: By axis, ``x`` or ``y``: the objective that it shows, and its scale.
    """
    first = name not in shown
    shown.add(name)
    symbols = [SYMBOLS[name]] * len(group)
    drawn: dict[str, list[float]] = {}
    for axis, (target, scale) in (places or {}).items():
        natives = [native(o, target) for o in group]
        drawn[axis] = [scale.place(v) for v in natives]
        symbols = [
            _ARROWS.get((axis, scale.side(v)), symbol)
            for v, symbol in zip(natives, symbols, strict=True)
        ]
    return {
        **drawn,
        "mode": "markers",
        "marker": {
            "color": COLORS[name],
            "symbol": [
                symbol + "-open" * is_infeasible(o)
                for o, symbol in zip(group, symbols, strict=True)
            ],
            "size": 8,
            "opacity": 0.85,
        },
        "name": LABELS[name],
        "legendgroup": name,
        "showlegend": first,
        "hovertext": [hover(history, o, None if full_hover else param) for o in group],
        "hoverinfo": "text",
    }


def hover(history: History, o: Observation, only: str | None = None) -> str:
    """Describe a trial: number, proposer, values, parameters (or only one), rationale."""
    lines = [f"<b>trial {o.number}</b>, {LABELS[proposer(o)]}"]
    if o.trial.values is not None:
        lines += [
            f"{escape(n)}: {format_number(v)}"
            for n, v in zip(history.metric_names, o.trial.values, strict=False)
        ]
    if o.state == TrialState.FAIL:
        lines.append("failed: " + wrap(o.failure))
    elif o.state != TrialState.COMPLETE:
        lines.append(o.state.name.lower())
    if is_infeasible(o):
        lines.append(f"infeasible, violation {format_number(o.violation)}")
    params = list(o.trial.params.items()) if only is None else [(only, o.trial.params[only])]
    lines += [f"{escape(k)} = {escape(show_value(v))}" for k, v in params[:_HOVER_PARAMS]]
    if len(params) > _HOVER_PARAMS:
        lines.append(f"and {len(params) - _HOVER_PARAMS} more parameters")
    if (why := rationale(o)) and only is None:
        lines.append(f"<i>{wrap(why)}</i>")
    return "<br>".join(lines)


def escape(text: str) -> str:
    """Escape text that Plotly would read as HTML."""
    return html.escape(text, quote=False)


def wrap(text: str) -> str:
    """Escape text and break it into lines."""
    return "<br>".join(escape(line) for line in textwrap.wrap(text, 60))


def annotate(figure: Figure, text: str) -> None:
    """Say in words what an empty figure would not."""
    figure.add_annotation(
        text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 16}
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)


def finish(figure: Figure, title: str, height: int) -> Figure:
    """Give a figure its title, size and margins."""
    figure.update_layout(
        title={"text": escape(title), "yref": "container", "y": 1.0, "yanchor": "top"},
        title_pad={"t": 16},
        height=height,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"},
        margin={"l": 60, "r": 20, "t": 100, "b": 50},
        hoverlabel={"align": "left"},
    )
    return figure
