"""The scale of an objective's values: robust to outliers, linear or logarithmic."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import math
import statistics
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna.study import StudyDirection


if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation


# Values that span more than two powers of ten are shown on a log axis, and so are values of which
# one is this many times the median: on a linear axis it would press all others flat.
_LOG_SPAN = 100.0
_OUTLIER = 4.0
# Values this many times the interquartile range above the third quartile are outliers, if there
# are enough values to tell and not too many such.
_FENCE = 3.0
_MIN_TO_CUT = 5
_MAX_CUT = 0.2


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
        kinds: The same axis linear and, where values are positive and differ, logarithmic.
    """

    axis: dict[str, Any]
    low: float = -math.inf
    high: float = math.inf
    kinds: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def place(self, value: float) -> float:
        """Return where a value is drawn."""
        return min(max(value, self.low), self.high)

    def side(self, value: float) -> int:
        """Return 1 for a value beyond the upper end, -1 beyond the lower one, else 0."""
        return 1 if value > self.high else -1 if value < self.low else 0

    def inside_first(self, trials: Sequence[Observation], target: int) -> list[Observation]:
        """Return trials in their order, those beyond the ends last: a legend shows the first."""
        return sorted(trials, key=lambda o: self.side(native(o, target)) != 0)


def value_scale(
    history: History,
    target: int,
    observations: Sequence[Observation],
    also: Collection[float] = (),
) -> ValueScale:
    """Return an axis for an objective's values; predictions far beyond them are cut off.

    It is a log axis where values would press each other flat on a linear one.

    Args:
        history: The study.
        target: Which objective.
        observations: Trials with values.
        also: Other values that are to be in sight.
    """
    bad = -1 if history.directions[target] == StudyDirection.MAXIMIZE else 1
    values = [float(v) for o in observations if math.isfinite(v := native(o, target))]
    if not values:
        return ValueScale({"automargin": True})
    kind = "linear"
    kept = _without_outliers(values, bad, float)
    if min(values) > 0:
        near = _without_outliers(values, bad, math.log10)
        span, rise = max(near) / min(near), max(near) / statistics.median(near)
        if span > _LOG_SPAN or rise > _OUTLIER:
            kept, kind = near, "log"
    low, high = min([*kept, *also]), max([*kept, *also])
    kinds = {"linear": {"type": "linear", "range": with_margin(low, high, 0.08)}}
    positive = [v for v in (*kept, *also) if v > 0]
    if min(kept) > 0 and (high > low or kind == "log"):
        low = min(positive)
        ends = with_margin(math.log10(low), math.log10(high), 0.08)
        kinds["log"] = {**log_axis(low, high), "range": ends}
    axis = {**kinds[kind], "automargin": True}
    return ValueScale(axis, min(kept), max(kept), kinds if len(kinds) > 1 else {})


def add_scale_switch(figure: Figure, scales: Mapping[str, ValueScale]) -> None:
    """Let a reader choose between linear and log axes of values, where there is a choice.

    Args:
        figure: The figure.
        scales: The scale of each axis, by its name in the layout, such as ``yaxis2``.
    """
    both = {name: scale for name, scale in scales.items() if scale.kinds}
    if not both:
        return
    buttons = [
        {
            "label": kind,
            "method": "relayout",
            "args": [
                {
                    f"{name}.{key}": scale.kinds[kind].get(key)
                    for name, scale in both.items()
                    for key in ("type", "range", "tickvals", "ticktext")
                }
            ],
        }
        for kind in ("linear", "log")
    ]
    is_log = all(scale.axis["type"] == "log" for scale in both.values())
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "showactive": True,
                "active": int(is_log),
                "buttons": buttons,
                # In line with the title.
                "x": 1,
                "xanchor": "right",
                "y": 1,
                "yanchor": "bottom",
                "pad": {"b": 58, "t": 0},
            }
        ]
    )


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
