"""The surrogate of a study: each model is asked once of the same candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm.surrogate.feasibility import Feasibility


def failing_and_constrained(trial: optuna.Trial) -> float:
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    trial.set_constraint("fits", 1.0 if y > 0.6 else -1.0)
    if x > 0.5:
        raise MemoryError
    return (x - 0.4) ** 2 + y


@pytest.mark.parametrize(
    "sampler", [lambda: CQRSampler(seed=0), lambda: LLMSampler(seed=0)], ids=["cqr", "llm"]
)
def test_classifiers_are_asked_once_of_the_same_candidates(
    sampler: Callable[[], BaseSampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[tuple[int, bytes]] = Counter()
    models: list[Feasibility] = []  # Kept, so that no two have the same id.
    risk = Feasibility.risk

    def counted(model: Feasibility, X: np.ndarray) -> np.ndarray:
        models.append(model)
        asked[id(model), X.tobytes()] += len(X) > 1
        return risk(model, X)

    monkeypatch.setattr(Feasibility, "risk", counted)
    study = optuna.create_study(sampler=sampler())
    study.optimize(failing_and_constrained, n_trials=24, catch=(MemoryError,))
    assert len(asked) > 10
    assert max(asked.values()) == 1
