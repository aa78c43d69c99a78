"""What all figures share: colours, markers, hover texts, title and size."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import html
import math
import statistics
import sys
import textwrap
from typing import TYPE_CHECKING
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.extras import import_extra
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
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
# Values that span more than two powers of ten are shown on a log axis, and so are values of which
# one is this many times the median: on a linear axis it would press all others flat.
_LOG_SPAN = 100.0
_OUTLIER = 4.0
# Values this many times the interquartile range above the third quartile are outliers, if there
# are enough values to tell and not too many such.
_FENCE = 3.0
_MIN_TO_CUT = 5
_MAX_CUT = 0.2
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
    parts = ("plotly.graph_objects", "plotly.subplots")
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


def native(o: Observation, target: int) -> float:
    """Return a complete trial's value as the objective returned it."""
    assert o.values is not None
    return o.signs[target] * o.values[target]


@dataclass(frozen=True)
class ValueScale:
    """An axis of values that the bad ones of a few trials do not press flat.

    Attributes:
        axis: The axis, as Plotly's layout has it.
        low, high: The ends of what is shown; what lies beyond stands at the end, as an arrow.
    """

    axis: dict[str, Any]
    low: float = -math.inf
    high: float = math.inf

    def place(self, value: float) -> float:
        """Return where a value is drawn."""
        return min(max(value, self.low), self.high)

    def side(self, value: float) -> int:
        """Return 1 for a value beyond the upper end, -1 beyond the lower one, else 0."""
        return 1 if value > self.high else -1 if value < self.low else 0


def value_scale(history: History, target: int, observations: Sequence[Observation]) -> ValueScale:
    """Return an axis for an objective's values; predictions far beyond them are cut off.

    It is a log axis where values would press each other flat on a linear one.
    """
    bad = -1 if history.directions[target] == StudyDirection.MAXIMIZE else 1
    values = [float(v) for o in observations if math.isfinite(v := native(o, target))]
    if not values:
        return ValueScale({"automargin": True})
    place: Callable[[float], float] = float
    scale: dict[str, Any] = {"type": "linear"}
    kept = _without_outliers(values, bad, place)
    if min(values) > 0:
        near = _without_outliers(values, bad, math.log10)
        span, rise = max(near) / min(near), max(near) / statistics.median(near)
        if span > _LOG_SPAN or rise > _OUTLIER:
            kept, place = near, math.log10
            scale = log_axis(min(near), max(near))
    low, high = place(min(kept)), place(max(kept))
    axis = {**scale, "range": with_margin(low, high, 0.08), "automargin": True}
    return ValueScale(axis, min(kept), max(kept))


def log_axis(low: float, high: float) -> dict[str, Any]:
    """Return a log axis with about five round numbers.

    Plotly's own labels crowd each other in a small panel, and are single digits between powers.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = {1: (1, 2, 5), 2: (1, 2, 5), 3: (1, 3)}.get(last - first, (1,))
    stride = math.ceil((last - first) / 6)
    powers = range(max(first, -307), min(last, 307) + 1, stride)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}


def with_margin(low: float, high: float, share: float) -> list[float]:
    """Return the ends of an axis with a share of its length more on either side."""
    # In halves: the length of an axis may be beyond all numbers where its ends are not.
    margin = 2 * share * (high / 2 - low / 2) or abs(high) or 1.0
    most = sys.float_info.max
    return [max(low - margin, -most), min(high + margin, most)]


def _without_outliers(
    values: Sequence[float], bad: int, place: Callable[[float], float]
) -> list[float]:
    """Return the values without those few that are far worse than all others (Tukey's fence).

    Args:
        values: At least one.
        bad: 1 if high values are bad, -1 if low ones are.
        place: Where a value stands on the axis.
    """
    if len(values) < _MIN_TO_CUT:
        return list(values)
    losses = [bad * place(v) for v in values]
    first, _, third = statistics.quantiles(losses, n=4, method="inclusive")
    fence = third + _FENCE * (third - first)
    kept = [v for v, loss in zip(values, losses, strict=True) if loss <= fence]
    is_few = len(values) - len(kept) <= max(1, _MAX_CUT * len(values))
    return kept if is_few and third > first else list(values)


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
