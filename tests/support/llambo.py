"""A small study of LLAMBOSampler with the stand-in server, and what it has asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna

from optuna_llm import LLAMBOSampler
from tests.support.server import ChatServer
from tests.support.server import Script


SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "lr": optuna.distributions.FloatDistribution(1e-5, 1.0, log=True),
    "depth": optuna.distributions.IntDistribution(1, 12),
    "activation": optuna.distributions.CategoricalDistribution(["relu", "tanh", "gelu"]),
}


def loss(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    depth = trial.suggest_int("depth", 1, 12)
    activation = trial.suggest_categorical("activation", ["relu", "tanh", "gelu"])
    return (np.log10(lr) + 2.5) ** 2 + (depth - 7) ** 2 / 10 + 0.3 * (activation != "gelu")


@contextmanager
def served(script: Script, **options: Any) -> Iterator[tuple[LLAMBOSampler, ChatServer]]:
    with ChatServer(script) as server:
        options = {"seed": 0, "max_retries": 0, **options}
        yield LLAMBOSampler("stand-in", base_url=server.base_url, **options), server


def run(sampler: LLAMBOSampler, n: int, objective: Any = loss, **study: Any) -> optuna.Study:
    created = optuna.create_study(sampler=sampler, **study)
    created.optimize(objective, n_trials=n)
    return created


def prompts(server: ChatServer, kind: str) -> list[str]:
    texts = [r.json["messages"][-1]["content"] for r in server.requests]
    marks = {"score": "PREDICT the score", "label": "PREDICT the label"}
    if kind == "candidates":
        return [t for t in texts if "PREDICT" not in t]
    return [t for t in texts if marks[kind] in t]
