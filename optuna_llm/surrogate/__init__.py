"""Surrogates for optimisation: arrays in, arrays out; no Optuna, no language model."""

from optuna_llm.surrogate.acquisition import even_levels
from optuna_llm.surrogate.acquisition import expected_improvement
from optuna_llm.surrogate.acquisition import log_expected_improvement
from optuna_llm.surrogate.acquisition import lower_confidence_bound
from optuna_llm.surrogate.acquisition import thompson_sampling
from optuna_llm.surrogate.feasibility import Feasibility
from optuna_llm.surrogate.published_cqr import ConformalQuantileTrees
from optuna_llm.surrogate.quantile import QuantileEnsemble


__all__ = [
    "ConformalQuantileTrees",
    "Feasibility",
    "QuantileEnsemble",
    "even_levels",
    "expected_improvement",
    "log_expected_improvement",
    "lower_confidence_bound",
    "thompson_sampling",
]
