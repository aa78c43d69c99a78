"""A small study of LLMSampler with the stand-in server, and what it has recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler

from optuna_llm import LLMSampler
from optuna_llm.history.attributes import read_entry
from tests.support.server import ChatServer


SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "max_depth": IntDistribution(1, 12),
    "booster": CategoricalDistribution(["gbtree", "dart"]),
}
CANARY = "sk-canary-0123456789abcdef"


def objective(trial: optuna.Trial) -> float:
    depth = trial.suggest_int("max_depth", 1, 12)
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
    return float(np.log10(rate / 0.03) ** 2 + (depth - 7) ** 2 / 10 + (booster == "dart"))


def sampler_for(server: ChatServer, **options: Any) -> LLMSampler:
    defaults = {"base_url": server.base_url, "seed": 0, "max_retries": 0, "search_space": SPACE}
    return LLMSampler("stand-in", **{**defaults, **options})


def run(sampler: BaseSampler, n_trials: int = 20, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n_trials)
    return study


def sources(study: optuna.Study) -> list[str]:
    return [t.user_attrs["llm:source"] for t in study.trials]


def record(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return dict(read_entry(trial))
