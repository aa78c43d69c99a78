"""The embedded prior: a sourced table of usual hyperparameters, found by name and range."""

from __future__ import annotations

from optuna_llm.prior.embedded import EmbeddedPrior
from optuna_llm.prior.own import OwnPrior
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.scale import Scale
from optuna_llm.prior.usual import Usual


__all__ = ["EmbeddedPrior", "OwnPrior", "ParameterPrior", "Scale", "Usual"]
