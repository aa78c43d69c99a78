"""All that is recorded of a trial, in one object."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optuna_llm.history.cost import Cost
from optuna_llm.history.origin import Origin
from optuna_llm.history.predictions import Predictions
from optuna_llm.history.queue import Queue


def recorded(trial: FrozenTrial) -> Any:
    """Return the fields of a trial's origin, cost and queue, and its ``predictions``."""
    origin = Origin.find(trial)
    assert origin is not None
    parts = (origin, Cost.read(trial), Queue.read(trial))
    fields = {name: value for part in parts for name, value in vars(part).items()}
    return SimpleNamespace(**fields, predictions=Predictions.read(trial))


def records(study: optuna.Study) -> list[Any]:
    """Return what is recorded of each trial."""
    return [recorded(t) for t in study.trials]
