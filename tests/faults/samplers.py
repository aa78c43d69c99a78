"""The samplers that the faults are tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from tests.faults.answers import PATIENT
from tests.support.models import wait_for_answers
from tests.support.neighbours import Neighbours


# Samplers that speak to a model: made from LLMSampler's arguments.
MODEL_SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "LLM": LLMSampler,
    "LLAMBO": LLAMBOSampler,
}
# What answers all of their requests.
model = Neighbours

# All samplers, without a model: made from search_space and seed.
SAMPLERS: dict[str, Callable[..., BaseSampler]] = {**MODEL_SAMPLERS, "CQR": CQRSampler}

SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "max_depth": IntDistribution(1, 12),
    "subsample": FloatDistribution(0.2, 1.0),
    "booster": CategoricalDistribution(["gbtree", "dart"]),
}


def speaking_to(name: str, base_url: str, **options: Any) -> BaseSampler:
    """Return a sampler with a cheap base sampler that sends no request again."""
    defaults: dict[str, Any] = {
        "base_url": base_url,
        "base_sampler": RandomSampler(seed=0),
        "search_space": SPACE,
        "seed": 0,
        "timeout": PATIENT,
        "deadline": PATIENT,
        "max_retries": 0,
    }
    if name == "LLAMBO":
        defaults["n_templates"] = 1
    return MODEL_SAMPLERS[name]("stand-in", **{**defaults, **options})


def limit_waiting(sampler: Any, seconds: float) -> None:
    """Change the time limits of a sampler's requests, once those under way have their answer."""
    wait_for_answers()
    model = sampler._assistant.model
    model._settings = replace(model._settings, timeout=seconds, deadline=seconds)


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    depth = trial.suggest_int("max_depth", 1, 12)
    share = trial.suggest_float("subsample", 0.2, 1.0)
    booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
    return (rate - 0.1) ** 2 + (depth - 6) ** 2 / 50 + (share - 0.7) ** 2 + (booster == "dart")
