"""LLAMBOSampler, from the package optuna-llm: a language model inside Bayesian optimisation."""

from __future__ import annotations


try:
    from optuna_llm import LLAMBOSampler
    from optuna_llm import Task
except ModuleNotFoundError as error:
    if error.name != "optuna_llm":
        raise
    raise ModuleNotFoundError(
        "LLAMBOSampler is in the package optuna-llm; install it with: pip install optuna-llm",
        name="optuna_llm",
    ) from None


__all__ = ["LLAMBOSampler", "Task"]
