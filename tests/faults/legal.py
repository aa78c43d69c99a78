"""What every parameter must be, whoever proposed it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial

from optuna_llm.history.origin import SOURCES


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Ask for a parameter as an objective does, and fail unless it is a legal native value.

    What a user has enqueued is the user's.
    """
    frozen = trial.study._storage.get_trial(trial._trial_id)
    given = name in frozen.system_attrs.get("fixed_params", {})
    if isinstance(distribution, CategoricalDistribution):
        value: Any = trial.suggest_categorical(name, distribution.choices)
        choices = distribution.choices
        legal = any(type(c) is type(value) and (c is value or c == value) for c in choices)
        assert given or legal, (name, choices, value)
        return value
    d = distribution
    if isinstance(d, IntDistribution):
        value = trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
        assert given or type(value) is int, (name, value)
    else:
        assert isinstance(d, FloatDistribution)
        value = trial.suggest_float(name, d.low, d.high, step=d.step, log=d.log)
        # Optuna's own samplers return a NumPy float at the end of a range.
        assert given or type(value) in (float, np.float64), (name, value)
    assert given or d._contains(d.to_internal_repr(value)), (name, d, value)
    return value


def assert_labelled(trial: FrozenTrial) -> None:
    """Fail unless a trial says who proposed it, in attributes that any storage can hold."""
    assert trial.user_attrs["llm:source"] in SOURCES
    assert 0 < len(trial.user_attrs["llm:rationale"]) <= 300
    attributes = {**trial.user_attrs, **trial.system_attrs}
    own = {key: value for key, value in attributes.items() if key.startswith("llm:")}
    json.dumps(own, allow_nan=False)
