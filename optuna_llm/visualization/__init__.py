"""Figures of a study: who proposed what, what came of it, and what the model cost.

In the manner of :mod:`optuna.visualization`: a study in, a Plotly figure out. The figures work for
every study; a trial that no sampler of this package proposed counts as "other sampler".
"""

from __future__ import annotations

from optuna_llm.visualization.calibration import plot_calibration
from optuna_llm.visualization.history import plot_history
from optuna_llm.visualization.parameters import plot_parameters
from optuna_llm.visualization.parameters import plot_partial_dependence
from optuna_llm.visualization.sources import plot_sources
from optuna_llm.visualization.sources import plot_spending


__all__ = [
    "plot_calibration",
    "plot_history",
    "plot_parameters",
    "plot_partial_dependence",
    "plot_sources",
    "plot_spending",
]
