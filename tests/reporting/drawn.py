"""What a figure shows."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from optuna_llm.visualization import plot_calibration
from optuna_llm.visualization import plot_contour
from optuna_llm.visualization import plot_history
from optuna_llm.visualization import plot_importance
from optuna_llm.visualization import plot_parallel_coordinate
from optuna_llm.visualization import plot_parameters
from optuna_llm.visualization import plot_partial_dependence
from optuna_llm.visualization import plot_sources
from optuna_llm.visualization import plot_spending


PLOTS = [
    plot_history,
    plot_sources,
    plot_spending,
    plot_parameters,
    plot_partial_dependence,
    plot_calibration,
    plot_importance,
    plot_contour,
    plot_parallel_coordinate,
]


def traces(figure: go.Figure, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def points(figure: go.Figure, name: str) -> dict[int, Any]:
    return {x: y for t in traces(figure, name) for x, y in zip(t.x, t.y, strict=True)}


def axis_titles(figure: go.Figure) -> dict[str, Any]:
    return {axis.title.text: axis for axis in figure.select_xaxes()}
