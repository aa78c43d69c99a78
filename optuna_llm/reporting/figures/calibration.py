"""Whether what the surrogate expected came true."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from optuna_llm.expectations.in_units import MIN_TRIALS
from optuna_llm.expectations.in_units import Hindsight
from optuna_llm.expectations.in_units import hindsight
from optuna_llm.history.history import History
from optuna_llm.reporting.figures.frame import NEUTRAL
from optuna_llm.reporting.figures.frame import annotate
from optuna_llm.reporting.figures.frame import check_target
from optuna_llm.reporting.figures.frame import escape
from optuna_llm.reporting.figures.frame import finish
from optuna_llm.reporting.figures.frame import grid
from optuna_llm.reporting.figures.frame import import_plotly
from optuna_llm.reporting.figures.frame import marker_trace
from optuna_llm.reporting.figures.frame import thinned
from optuna_llm.reporting.figures.scale import add_scale_switch
from optuna_llm.reporting.figures.scale import value_scale
from optuna_llm.reporting.tables import by_proposer
from optuna_llm.reporting.tables import objective_labels


if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure


_SHOWN = (0.1, 0.9)
_COVERAGES = (0.2, 0.4, 0.6, 0.8, 0.9)
_EDGES = {c: ((1 - c) / 2, (1 + c) / 2) for c in _COVERAGES}
LEVELS = tuple(sorted({0.5, *_SHOWN, *(level for pair in _EDGES.values() for level in pair)}))
# More points than these a browser draws slowly.
_MAX_POINTS = 2_000


def plot_calibration(study: Study, *, target_index: int = 0) -> Figure:
    """Plot what a surrogate expected of each trial, what came of it, and how often it was right.

    Every trial from the eleventh complete one on is predicted from the trials before it alone.
    Left: its central 80 % interval over the trial number, with the outcome. Right: for
    intervals of several sizes the share of outcomes inside, with the 95 % interval of that share;
    a calibrated surrogate is on the diagonal, one above it too careful.

    Args:
        study: The study.
        target_index: Which objective to show.

    Raises:
        MissingExtraError: Plotly is not installed.
        ConfigurationError: There is no such objective.
    """
    import_plotly()  # Before surrogates are fitted in vain.
    history = History.from_study(study)
    check_target(history, target_index)
    found = hindsight(history, target_index, LEVELS)
    return calibration(f"Calibration in {study.study_name}", history, target_index, found)


def calibration(title: str, history: History, target_index: int, found: Hindsight) -> Figure:
    """Plot what was expected of trials at :data:`LEVELS`, and what came of them."""
    go = import_plotly().graph_objects
    figure = go.Figure()
    if not found.observations:
        annotate(figure, f"A calibration needs more than {MIN_TRIALS} complete trials.")
        return finish(figure, title, 200)
    n = len(found.observations)
    shares = [float(found.inside(*_EDGES[c]).mean()) for c in _COVERAGES]
    ends = [_wilson(share, n) for share in shares]
    drawn = {o.number for o in thinned(found.observations, target_index, _MAX_POINTS)}
    rows = [i for i, o in enumerate(found.observations) if o.number in drawn]
    observations = [found.observations[i] for i in rows]
    numbers = [o.number for o in observations]
    low, high = (found.quantiles[rows, LEVELS.index(level)] for level in _SHOWN)
    figure.add_trace(
        go.Scatter(
            x=[x for n in numbers for x in (n, n, None)],
            y=[y for pair in zip(low, high, strict=True) for y in (*pair, None)],
            mode="lines",
            line={"color": NEUTRAL, "width": 2},
            opacity=0.5,
            name="80 % expected",
            hoverinfo="skip",
        )
    )
    scale = value_scale(history, target_index, found.observations)
    shown: set[str] = set()
    for name, group in by_proposer(scale.inside_first(observations, target_index)).items():
        figure.add_trace(
            go.Scatter(
                x=[o.number for o in group],
                **marker_trace(history, name, group, shown, places={"y": (target_index, scale)}),
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            line={"color": NEUTRAL, "dash": "dot"},
            name="calibrated",
            hoverinfo="skip",
            xaxis="x2",
            yaxis="y2",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=list(_COVERAGES),
            y=shares,
            error_y={
                "type": "data",
                "array": [top - share for share, (_, top) in zip(shares, ends, strict=True)],
                "arrayminus": [
                    share - foot for share, (foot, _) in zip(shares, ends, strict=True)
                ],
            },
            mode="lines+markers",
            line={"color": "#d62f4b"},
            name="share inside",
            hovertemplate="%{y:.0%} of the outcomes in intervals of %{x:.0%}<extra></extra>",
            xaxis="x2",
            yaxis="y2",
        )
    )
    percent = {"tickformat": ".0%", "range": [0, 1.03], "automargin": True}
    figure.update_layout(
        grid=grid(2, 2, xgap=0.18, ygap=0.3),
        xaxis={"title": {"text": "trial"}, "automargin": True},
        yaxis={
            "title": {"text": escape(objective_labels(history)[target_index])},
            **scale.axis,
        },
        xaxis2={**percent, "title": {"text": "expected share of outcomes"}},
        yaxis2={**percent, "title": {"text": "share inside the interval"}},
    )
    add_scale_switch(figure, {"yaxis": scale})
    return finish(figure, title, 460)


def _wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share of n (Wilson 1927)."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)
