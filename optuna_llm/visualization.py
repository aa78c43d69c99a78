"""Plotly figures of a study (extra ``[plot]``), like those of ``optuna.visualization``."""

from optuna_llm.reporting.dashboard import save_dashboard
from optuna_llm.reporting.dashboard import save_figures
from optuna_llm.reporting.figures.calibration import plot_calibration
from optuna_llm.reporting.figures.history import plot_history
from optuna_llm.reporting.figures.parameters import plot_parameters
from optuna_llm.reporting.figures.parameters import plot_partial_dependence
from optuna_llm.reporting.figures.relations import plot_contour
from optuna_llm.reporting.figures.relations import plot_importance
from optuna_llm.reporting.figures.relations import plot_parallel_coordinate
from optuna_llm.reporting.figures.sources import plot_sources
from optuna_llm.reporting.figures.sources import plot_spending


__all__ = [
    "plot_calibration",
    "plot_contour",
    "plot_history",
    "plot_importance",
    "plot_parallel_coordinate",
    "plot_parameters",
    "plot_partial_dependence",
    "plot_sources",
    "plot_spending",
    "save_dashboard",
    "save_figures",
]
