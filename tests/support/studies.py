"""Studies made by hand, whose trials carry what the samplers write."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any
from typing import Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
from optuna.trial import create_trial

from optuna_llm.history.attributes import PROPOSAL_KEY
from optuna_llm.history.attributes import RATIONALE_KEY
from optuna_llm.history.attributes import SOURCE_KEY


DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "max_depth": IntDistribution(1, 12),
    "booster": CategoricalDistribution(("gbtree", "dart", None)),
    "subsample": FloatDistribution(0.2, 1.0),
}
CYCLE = ("base", "llm", "base", "base", "fallback")


def make_trial(
    number: int,
    params: dict[str, Any],
    *,
    source: str | None = None,
    rationale: str = "",
    distributions: Mapping[str, BaseDistribution] | None = None,
    record: dict[str, Any] | None = None,
    user_attrs: dict[str, Any] | None = None,
    **options: Any,
) -> FrozenTrial:
    """Return a trial with the attributes of one that ``source`` proposed; none if it is None."""
    user, system = dict(user_attrs or {}), {}
    if source is not None:
        user |= {SOURCE_KEY: source, RATIONALE_KEY: rationale}
        system[PROPOSAL_KEY] = {"trial": number, "source": source, **(record or {})}
    known = DISTRIBUTIONS if distributions is None else distributions
    return create_trial(
        params=params,
        distributions={name: known[name] for name in params},
        user_attrs=user,
        system_attrs=system,
        **options,
    )


def make_study(
    n_trials: int = 30, *, direction: Literal["minimize", "maximize"] = "minimize"
) -> optuna.Study:
    """Return a study of a made-up loss in which every source and state occurs."""
    study = optuna.create_study(direction=direction, study_name="made-up")
    rng = np.random.default_rng(0)
    sign = 1 if direction == "minimize" else -1
    for number in range(n_trials):
        source = ("prior", "enqueued")[number] if number < 2 else CYCLE[number % 5]
        learning_rate, max_depth = float(10 ** rng.uniform(-4, 0)), int(rng.integers(1, 13))
        params = {
            "learning_rate": learning_rate,
            "max_depth": max_depth,
            "booster": ("gbtree", "dart", None)[rng.integers(3)],
            "subsample": float(rng.uniform(0.2, 1.0)),
        }
        distance = abs(math.log10(learning_rate) + 1.5) + abs(max_depth - 5)
        value = 0.1 + 0.05 * distance * (0.4 if source == "llm" else 1.0)
        record: dict[str, Any] = {}
        rationale = ""
        if source == "llm":
            rationale = "A lower rate with shallow trees: the best trials so far lean that way."
            record = {
                "model": "small-model",
                "requests": 1,
                "prompt_tokens": 900 + 10 * number,
                "completion_tokens": 150,
                "cost": 0.0004,
                "seconds": 1.5,
            }
        elif source == "fallback":
            record = {"model": "small-model", "requests": 1, "seconds": 10.0, "error": "timeout"}
        options: dict[str, Any] = {"value": sign * value}
        if number % 11 == 8:
            options = {
                "state": TrialState.FAIL,
                "user_attrs": {"fail_reason": "out of memory"},
            }
        elif number % 11 == 9:
            options = {"state": TrialState.PRUNED, "intermediate_values": {0: sign * 0.9}}
        study.add_trial(
            make_trial(
                number, params, source=source, rationale=rationale, record=record, **options
            )
        )
    return study


def make_two_objective_study(n_trials: int = 20) -> optuna.Study:
    """Return a study of a loss and a size, one to be minimised and one to be maximised."""
    study = optuna.create_study(directions=["minimize", "maximize"], study_name="two")
    study.set_metric_names(["loss", "speed"])
    rng = np.random.default_rng(1)
    for number in range(n_trials):
        x, y = rng.uniform(0.2, 1.0, size=2)
        params = {"subsample": float(x), "learning_rate": float(y)}
        study.add_trial(
            make_trial(
                number, params, source=CYCLE[number % 5], values=[x**2 + 0.3 * y, x + 0.2 * y]
            )
        )
    return study


def make_failed_study() -> optuna.Study:
    """Return a study in which nothing but failed trials of the model is."""
    study = optuna.create_study()
    for number in range(3):
        study.add_trial(make_trial(number, {"max_depth": 3}, source="llm", state=TrialState.FAIL))
    return study


def make_plain_study(n_trials: int = 8) -> optuna.Study:
    """Return a study that a sampler of Optuna itself ran: no attributes of ours."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), study_name="plain")
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=n_trials)
    return study


def make_conditional_study(n_trials: int, *, linear: float = 3.0) -> optuna.Study:
    """Return a study in which a tree has a depth, which is its loss, and a linear model has none.

    Args:
        n_trials: Number of trials.
        linear: The loss of the linear model.
    """

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["linear", "tree"]) == "tree":
            return float(trial.suggest_int("depth", 1, 9))
        return linear

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=n_trials)
    return study
