"""LLMSampler, from the package optuna-llm: a model and a statistical sampler take turns."""

from __future__ import annotations


try:
    from optuna_llm import LLMSampler
    from optuna_llm import Task
except ModuleNotFoundError as error:
    if error.name != "optuna_llm":
        raise
    raise ModuleNotFoundError(
        "LLMSampler is in the package optuna-llm; install it with: pip install optuna-llm",
        name="optuna_llm",
    ) from None


__all__ = ["LLMSampler", "Task"]
