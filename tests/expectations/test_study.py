"""The surrogate of a study: what its models are fitted to, and how often they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.history import History
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


def conditional(trial: optuna.Trial) -> float:
    if trial.suggest_categorical("kind", ["linear", "tree"]) == "linear":
        return trial.suggest_float("ridge", 0, 1)
    return trial.suggest_float("depth", 0, 1) + trial.suggest_float("rate", 0, 1)


def failing_at_random(trial: optuna.Trial) -> float:
    value = conditional(trial)
    if np.random.default_rng([7, trial.number]).random() < 0.2:
        raise ConnectionError
    return value


def test_what_a_proposal_names_in_vain_does_not_tell_failures_from_successes() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=1))
    study.optimize(failing_at_random, n_trials=40, catch=(ConnectionError,))
    history = History.from_study(study)
    assert any(o.announced.keys() > o.trial.params.keys() for o in history.failed)
    surrogate = StudySurrogate.of(history, history.search_space(), seed=0)
    features = surrogate.features([o.params for o in history.complete])
    # Twelve of forty have failed; none of the others was any safer.
    assert np.exp(surrogate.log_success(features)) == pytest.approx(0.7, abs=0.1)


def test_a_running_trial_lacks_what_it_will_not_ask_for() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(conditional, n_trials=20)
    for _ in range(4):
        study.ask().suggest_categorical("kind", ["linear", "tree"])
    history = History.from_study(study)
    space = history.search_space()
    surrogate = StudySurrogate.of(history, space, seed=0)
    running = [o.params["kind"] for o in history.running]
    lacked = np.isnan(surrogate.pending[:, space.names.index("ridge")])
    assert lacked.tolist() == [kind == "tree" for kind in running]
