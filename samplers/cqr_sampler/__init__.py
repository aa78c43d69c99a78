"""CQRSampler, from the package optuna-llm: conformalized quantile regression."""

from __future__ import annotations


try:
    from optuna_llm import CQRSampler
except ModuleNotFoundError as error:
    if error.name != "optuna_llm":
        raise
    raise ModuleNotFoundError(
        "CQRSampler is in the package optuna-llm; install it with: pip install optuna-llm",
        name="optuna_llm",
    ) from None


__all__ = ["CQRSampler"]
