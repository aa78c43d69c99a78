"""The picture of the demonstration: what each search had found after so many trials, as SVG.

It is drawn by hand, so that it needs no package, and follows the reader's light or dark.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import html
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from optuna.trial import TrialState

from optuna_llm.command.demo_result import REASON_KEY


if TYPE_CHECKING:
    from optuna_llm.command.demo_result import Result
    from optuna_llm.command.demo_result import Search


# From a trial or a value to a coordinate.
Place = Callable[[float], float]

_WIDTH, _HEIGHT = 640, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 146, 74, 50
_STYLE = """
  svg { color-scheme: light dark; }
  text { font: 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #262c36; }
  .title { font-size: 17px; font-weight: bold; }
  .quiet { fill: #5b6573; }
  .back { fill: #ffffff; }
  .grid { stroke: #dfe4ea; }
  .default { stroke: #5b6573; stroke-dasharray: 6 4; fill: none; stroke-width: 1.5; }
  .line { fill: none; stroke-width: 3; }
  .thin { fill: none; stroke-width: 1; opacity: 0.35; }
  .s0 { stroke: #d1490b; } .t0 { fill: #b83f08; font-weight: bold; }
  .s1 { stroke: #2673b8; } .t1 { fill: #2673b8; }
  .s2 { stroke: #7d8794; } .t2 { fill: #5b6573; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6e9ee; } .quiet { fill: #a8b0bc; } .back { fill: #171a1f; }
    .grid { stroke: #343a44; } .default { stroke: #a8b0bc; }
    .s0 { stroke: #ff8a4c; } .t0 { fill: #ff8a4c; }
    .s1 { stroke: #6db3f2; } .t1 { fill: #6db3f2; }
    .s2 { stroke: #a8b0bc; } .t2 { fill: #a8b0bc; }
  }
"""


def draw(result: Result) -> str:
    """Return the picture of what was found."""
    curves = {name: _curves(result, name) for name in result.samplers}
    low, high = _range(result, curves)
    n = result.n_trials

    def x(trial: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (trial - 1) / max(n - 1, 1)

    def y(value: float) -> float:
        share = (min(value, high) - low) / (high - low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    several = len(result.seeds) > 1
    drawn = [
        f'<rect class="back" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>',
        '<text class="title" x="16" y="28">How long will the flight be in the air?</text>',
        '<text class="quiet" x="16" y="50">Error of LightGBM in minutes, best so far on the'
        + (f" validation rows; {len(result.seeds)} seeds" if several else " validation rows")
        + "</text>",
        *_axes(x, y, low, high, n),
    ]
    for i, name in enumerate(result.samplers):
        if several:
            drawn += [_path(c, x, y, f"thin s{i}") for c in curves[name]]
        drawn.append(_path(np.mean(curves[name], axis=0), x, y, f"line s{i}"))
    default = y(result.default_score)
    drawn.append(f'<path class="default" d="M{_LEFT} {default:.1f}H{_WIDTH - _RIGHT}"/>')
    labels = [
        (y(float(np.mean([c[-1] for c in curves[name]]))), f"t{i}", name, result.of_sampler(name))
        for i, name in enumerate(result.samplers)
    ]
    drawn += _labels(labels, default, float(result.default_test_errors.mean()))
    said = "Best validation error over trials of " + ", ".join(result.samplers)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">\n'
        f"<title>{html.escape(said)}</title>\n<style>{_STYLE}</style>\n"
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _curves(result: Result, sampler: str) -> npt.NDArray[np.float64]:
    """Return the best value after each trial, shape (seeds, trials)."""
    rows = [_best_so_far(search, result.n_trials) for search in result.of_sampler(sampler)]
    return np.array(rows)


def _best_so_far(search: Search, n: int) -> npt.NDArray[np.float64]:
    # What was interrupted is done again, and stands for no trial here.
    values = [
        t.value if t.value is not None and t.state == TrialState.COMPLETE else math.inf
        for t in search.study.get_trials(deepcopy=False)
        if t.state == TrialState.COMPLETE or REASON_KEY in t.user_attrs
    ]
    padded = (values + [math.inf] * n)[:n]
    return np.minimum.accumulate(padded)


def _range(result: Result, curves: dict[str, npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Return the ends of the axis: what is far beyond all searches' ends is cut off."""
    ends = [float(c[:, -1].max()) for c in curves.values()] + [result.default_score]
    finite = [e for e in ends if math.isfinite(e)]
    low = min([*finite, *(float(c.min()) for c in curves.values())])
    spread = max(max(finite) - low, 0.02 * abs(low), 1e-9)
    return low - 0.15 * spread, low + 2.0 * spread


def _axes(x: Place, y: Place, low: float, high: float, n: int) -> list[str]:
    drawn = []
    for tick in _ticks(low, high):
        place = y(tick)
        drawn.append(f'<path class="grid" d="M{_LEFT} {place:.1f}H{_WIDTH - _RIGHT}"/>')
        drawn.append(
            f'<text class="quiet" x="{_LEFT - 8}" y="{place + 5:.1f}" text-anchor="end">'
            f"{tick:.10g}</text>"
        )
    for trial in sorted({1, *range(10, n + 1, 10), n}):
        drawn.append(
            f'<text class="quiet" x="{x(trial):.1f}" y="{_HEIGHT - 26}" text-anchor="middle">'
            f"{trial}</text>"
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    drawn.append(
        f'<text class="quiet" x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">'
        "trials</text>"
    )
    return drawn


def _ticks(low: float, high: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (m * step) <= 6)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _path(values: Sequence[float] | npt.NDArray[np.float64], x: Place, y: Place, kind: str) -> str:
    steps, pen = [], "M"
    for trial, value in enumerate(values, start=1):
        if not math.isfinite(value):
            continue
        if pen == "L":
            steps.append(f"H{x(trial):.1f}")
        steps.append(f"{pen}{x(trial):.1f} {y(value):.1f}")
        pen = "L"
    return f'<path class="{kind}" d="{"".join(steps)}"/>'


def _labels(
    labels: Sequence[tuple[float, str, str, Sequence[Search]]], default: float, default_test: float
) -> list[str]:
    """Write names and test errors beside the ends of the lines, none over another."""
    rows = [
        (place, kind, name, float(np.mean([s.test for s in searches])))
        for place, kind, name, searches in labels
    ]
    rows.append((default, "quiet", "defaults", default_test))
    drawn, lowest = [], _HEIGHT - 30.0
    # From the bottom up: whatever is in the way of the one below moves up.
    for place, kind, name, test in sorted(rows, reverse=True):
        at = lowest = min(place - 3, lowest)
        lowest -= 42
        left = _WIDTH - _RIGHT + 10
        drawn.append(f'<text class="{kind}" x="{left}" y="{at:.1f}">{html.escape(name)}</text>')
        drawn.append(
            f'<text class="quiet" x="{left}" y="{at + 17:.1f}">test: {test:.2f} min</text>'
        )
    return drawn
