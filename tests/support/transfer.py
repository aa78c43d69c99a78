"""Studies of a made-up loss, to be sources of one another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
import math
from typing import Any
from typing import Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import create_trial

from optuna_llm.space.numbers import from_unit


SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "max_depth": IntDistribution(1, 12),
    "booster": CategoricalDistribution(("gbtree", "dart")),
}
_START = datetime(2026, 1, 1)


def loss(params: Mapping[str, Any], optimum: float = -1.5) -> float:
    """Return a smooth loss; its best learning rate is ten to the power of the optimum."""
    rate = math.log10(params["learning_rate"])
    depth = params.get("max_depth", 6)
    return (rate - optimum) ** 2 + abs(depth - 6) / 10 + (params.get("booster") == "dart")


def earlier_study(
    name: str = "earlier",
    n_trials: int = 30,
    *,
    space: Mapping[str, BaseDistribution] = SPACE,
    optimum: float = -1.5,
    direction: Literal["minimize", "maximize"] = "minimize",
    days: int = 0,
    seed: int = 0,
    storage: BaseStorage | str | None = None,
) -> optuna.Study:
    """Return a study of random trials of that loss, begun so many days after New Year."""
    study = optuna.create_study(
        study_name=name, direction=direction, storage=storage, sampler=RandomSampler(seed=seed)
    )
    rng = np.random.default_rng(seed)
    sign = 1 if direction == "minimize" else -1
    for i in range(n_trials):
        params = {n: drawn(d, rng) for n, d in space.items()}
        trial = create_trial(
            params=params, distributions=dict(space), value=sign * loss(params, optimum)
        )
        trial.datetime_start = _START + timedelta(days=days, minutes=i)
        study.add_trial(trial)
    return study


def drawn(distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    """Draw a native value uniformly."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[rng.integers(len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return from_unit(distribution, float(rng.random()))
