"""What all figures share: colours, markers, hover texts, title and size."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import html
import math
import statistics
import textwrap
from typing import TYPE_CHECKING
from typing import Any

from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.space import format_number
from optuna_llm.summary import LABELS
from optuna_llm.summary import Proposer
from optuna_llm.summary import proposer
from optuna_llm.summary import rationale
from optuna_llm.summary import show_value


if TYPE_CHECKING:
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
SYMBOLS: Mapping[Proposer, str] = {
    "prior": "square",
    "llm": "diamond",
    "base": "circle",
    "fallback": "triangle-up",
    "enqueued": "pentagon",
    "other": "hexagon",
}
NEUTRAL = "#8a8a8a"
_HOVER_PARAMS = 15
# Values that span more than two powers of ten are shown on a log axis, and so are values of which
# one is this many times the median: on a linear axis it would press all others flat.
_LOG_SPAN = 100.0
_OUTLIER = 4.0


def import_plotly() -> Any:
    """Return the module plotly, with the parts that figures need.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import plotly.graph_objects
        import plotly.subplots
    except ImportError as error:
        raise MissingExtraError(
            'Figures need plotly; install it with: pip install "optuna-llm[plot]"'
        ) from error
    return plotly


def check_target(history: History, target_index: int) -> None:
    """Raise ConfigurationError if there is no such objective."""
    n_objectives = len(history.directions)
    if not 0 <= target_index < n_objectives:
        raise ConfigurationError(
            f"target_index={target_index!r} names no objective; the study has {n_objectives}, "
            "counted from 0."
        )


def native(o: Observation, target: int) -> float:
    """Return a complete trial's value as the objective returned it."""
    assert o.values is not None
    return o.signs[target] * o.values[target]


def value_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return an axis that shows all values; predictions far beyond them are cut off.

    It is a log axis where values would press each other flat on a linear one.
    """
    if not values:
        return {"automargin": True}
    low, high = min(values), max(values)
    is_log = low > 0 and (high / low > _LOG_SPAN or high / statistics.median(values) > _OUTLIER)
    scale: dict[str, Any] = {"type": "linear"}
    if is_log:
        low, high = math.log10(low), math.log10(high)
        # Labels at powers of ten, and at 2 and 5 between them where there is room.
        scale = {"type": "log", "dtick": "D2" if high - low < 2 else 1}
    margin = 0.08 * (high - low) or abs(high) or 1.0
    return {**scale, "range": [low - margin, high + margin], "automargin": True}


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
            "symbol": [SYMBOLS[name] + "-open" * (o.violation > 0) for o in group],
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
    if o.violation > 0:
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
