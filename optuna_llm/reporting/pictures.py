"""The figures as pictures, for who cannot run Plotly's script: drawn anew with Matplotlib.

Plotly itself needs a browser to make an image. Here what our own figures consist of is drawn:
markers, lines, bands and bars in a grid of panels. Hover texts are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import html
import io
import itertools
import math
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.extras import import_extra


if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_WIDTH, _DPI = 900, 100
_MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "star": "*",
    "triangle-up": "^",
    "pentagon": "p",
    "hexagon": "h",
    "x": "X",
    "x-thin": "x",
    "arrow-left": "<",
    "arrow-right": ">",
    "arrow-up": "^",
    "arrow-down": "v",
}
_DASHES = {"dash": "--", "dot": ":"}
_BAND = (0.55, 0.55, 0.55, 0.25)


def picture(figure: Figure) -> bytes:
    """Return one of this package's figures as a PNG, 900 pixels wide.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    import_extra("matplotlib", "matplotlib.figure", extra="mcp", need="Pictures need")
    from matplotlib.figure import Figure as Canvas

    plan = figure.to_plotly_json()
    layout = plan["layout"]
    # Nothing of pyplot: a server has no window, and several figures at a time.
    canvas = Canvas((_WIDTH / _DPI, layout["height"] / _DPI), dpi=_DPI, layout="constrained")
    panels = _panels(canvas, layout, plan["data"])
    for trace in plan["data"]:
        _draw(panels[trace.get("xaxis", "x"), trace.get("yaxis", "y")], trace)
    for (x, y), panel in panels.items():
        _dress(panel, layout.get(_long(x), {}), layout.get(_long(y), {}))
    _mark(panels, layout)
    canvas.suptitle(_text(layout["title"]["text"]), x=0.01, ha="left", fontsize=12)
    handles = {h.get_label(): h for p in panels.values() for h in p.get_legend_handles_labels()[0]}
    if handles:
        canvas.legend(
            handles=list(handles.values()), loc="outside lower left", ncols=6, fontsize=8
        )
    file = io.BytesIO()
    canvas.savefig(file, format="png")
    return file.getvalue()


def _text(written: str) -> str:
    """Return what Plotly reads as HTML as Matplotlib shows it as it stands."""
    return html.unescape(written).replace("$", r"\$")


def _long(axis: str) -> str:
    """Return the name that an axis has in a layout."""
    return f"{axis[0]}axis{axis[1:]}"


def _panels(canvas: Any, layout: Mapping[str, Any], data: Sequence[Mapping[str, Any]]) -> Any:
    """Return a panel for each pair of axes, where the layout has it."""
    pairs = list(dict.fromkeys((t.get("xaxis", "x"), t.get("yaxis", "y")) for t in data))
    pairs = pairs or [("x", "y")]
    if "grid" in layout:
        rows, columns = layout["grid"]["rows"], layout["grid"]["columns"]
        places = canvas.add_gridspec(rows, columns)
        return {
            pair: canvas.add_subplot(places[divmod(i, columns)]) for i, pair in enumerate(pairs)
        }
    # One below the other, as high as their domains are.
    domains = [layout.get(_long(y), {}).get("domain", (0, 1)) for _, y in pairs]
    order = sorted(range(len(pairs)), key=lambda i: -domains[i][0])
    heights = [domains[i][1] - domains[i][0] for i in order]
    places = canvas.add_gridspec(len(pairs), 1, height_ratios=heights)
    found: dict[tuple[str, str], Any] = {}
    for row, i in enumerate(order):
        found[pairs[i]] = canvas.add_subplot(places[row], sharex=next(iter(found.values()), None))
    return found


# --------------------------------------------------------------------------------------
# Traces


def _draw(panel: Any, trace: Mapping[str, Any]) -> None:
    label = trace["name"] if trace.get("showlegend", True) and "name" in trace else None
    if trace["type"] == "bar":
        values = [np.nan if v is None else v for v in trace["x"]]
        bars = panel.barh(list(trace["y"]), values, color=trace["marker"]["color"])
        is_share = "%}" in trace["texttemplate"]
        panel.bar_label(bars, [_number(v, is_share) for v in values], padding=3, fontsize=8)
        panel.margins(x=0.18)
        return
    x, y = ([np.nan if v is None else v for v in trace[axis]] for axis in "xy")
    if trace.get("fill") == "toself":
        _band(panel, x, y, label)
        return
    if "lines" in trace["mode"]:
        _line(panel, x, y, trace, label)
        label = None
    if "markers" in trace["mode"]:
        _points(panel, x, y, trace, label)


def _number(value: float, is_share: bool) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.0%}" if is_share else f"{value:.3g}"


def _band(panel: Any, x: Sequence[float], y: Sequence[float], label: str | None) -> None:
    ends = [-1, *(i for i, v in enumerate(x) if math.isnan(v)), len(x)]
    for first, last in itertools.pairwise(ends):
        part = slice(first + 1, last)
        panel.fill(x[part], y[part], color=_BAND, linewidth=0, label=label)
        label = None


def _line(panel: Any, x: Any, y: Any, trace: Mapping[str, Any], label: str | None) -> None:
    line = trace["line"]
    options = {
        "color": line["color"],
        "linewidth": 0.75 * line.get("width", 2),
        "linestyle": _DASHES.get(line.get("dash", ""), "-"),
        "drawstyle": "steps-post" if line.get("shape") == "hv" else "default",
        "alpha": trace.get("opacity"),
        "label": label,
    }
    if "error_y" in trace:
        errors = [trace["error_y"]["arrayminus"], trace["error_y"]["array"]]
        panel.errorbar(x, y, yerr=errors, capsize=3, **options)
        return
    panel.plot(x, y, **options)


def _points(panel: Any, x: Any, y: Any, trace: Mapping[str, Any], label: str | None) -> None:
    marker = {"symbol": "circle", "size": 6, **trace.get("marker", {})}
    symbols, sizes = (_each(marker[key], len(x)) for key in ("symbol", "size"))
    color = marker.get("color") or trace["line"]["color"]
    for kind in dict.fromkeys(symbols):
        chosen = [i for i, s in enumerate(symbols) if s == kind]
        name, is_open = kind.removesuffix("-open"), kind.endswith("-open")
        panel.scatter(
            [x[i] for i in chosen],
            [y[i] for i in chosen],
            s=[(0.8 * sizes[i]) ** 2 for i in chosen],
            marker=_MARKERS.get(name, "o"),
            color=color,
            facecolors="none" if is_open else color,
            alpha=marker.get("opacity"),
            label=label,
            zorder=3,
            clip_on=False,
        )
        label = None


def _each(value: Any, n: int) -> list[Any]:
    """Return what is given for all points, or for each of them, for each of them."""
    return [value] * n if isinstance(value, str | int | float) else list(value)


# --------------------------------------------------------------------------------------
# Axes


def _dress(panel: Any, x: Mapping[str, Any], y: Mapping[str, Any]) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, linewidth=0.5)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8)
    if x.get("visible") is False:
        panel.set_axis_off()
    for axis, name in ((x, "x"), (y, "y")):
        _scale(panel, axis, name)
    if x.get("matches") and not x.get("showticklabels", True):
        panel.tick_params(labelbottom=False)


def _scale(panel: Any, axis: Mapping[str, Any], name: str) -> None:
    of = panel.xaxis if name == "x" else panel.yaxis
    limits = panel.set_xlim if name == "x" else panel.set_ylim
    of.set_label_text(_text(axis.get("title", {}).get("text", "")), fontsize=9)
    is_log = axis.get("type") == "log"
    if is_log:
        (panel.set_xscale if name == "x" else panel.set_yscale)("log")
    if "range" in axis:
        limits(*(10.0**end if is_log else end for end in axis["range"]))
    elif axis.get("rangemode") == "tozero" and name == "y":
        limits(bottom=0)
    if "tickvals" in axis:
        ends = sorted(of.get_view_interval())
        shown = zip(axis["tickvals"], axis["ticktext"], strict=True)
        kept = [(v, _text(t)) for v, t in shown if ends[0] <= v <= ends[1]]
        of.set_ticks([v for v, _ in kept], [t for _, t in kept])
        of.set_ticks([], minor=True)
    elif "%" in axis.get("tickformat", ""):
        of.set_major_formatter(lambda value, _: f"{value:.0%}")


def _mark(panels: Mapping[tuple[str, str], Any], layout: Mapping[str, Any]) -> None:
    """Draw vertical lines, and what is said in words."""
    first = next(iter(panels.values()))
    for shape in layout.get("shapes", ()):
        first.axvline(shape["x0"], color=shape["line"]["color"], linestyle="--", linewidth=1)
    for note in layout.get("annotations", ()):
        if note.get("xref") == "paper":
            first.text(
                0.5, 0.5, _text(note["text"]), ha="center", va="center", transform=first.transAxes
            )
        else:
            first.text(
                *(note["x"], 1.0, f"{note['text']} "),
                **{"ha": "right", "va": "top", "color": note["font"]["color"], "fontsize": 8},
                transform=first.get_xaxis_transform(),
            )
