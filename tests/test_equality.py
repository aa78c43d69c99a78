"""What counts as tried before, seen from the samplers: failures, new parameters, finite spaces."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.history.history import History
from tests.support.models import ScriptedModel


OLD: dict[str, BaseDistribution] = {
    "opt": CategoricalDistribution(["sgd", "adam"]),
    "bs": CategoricalDistribution([16, 32, 64]),
}
NEW = {**OLD, "lr": FloatDistribution(1e-4, 1, log=True)}


def _by_source(study: optuna.Study, name: str) -> Counter[tuple[str, Any]]:
    return Counter((t.user_attrs["llm:source"], t.params[name]) for t in study.trials)


def test_a_failure_before_all_parameters_blocks_no_branch() -> None:
    def objective(trial: optuna.Trial) -> float:
        model = trial.suggest_categorical("model", ["a", "b"])
        if trial.number == 0:
            raise RuntimeError("dataset not mounted yet")
        return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1) + (model == "b")

    sampler = LLMSampler(
        ScriptedModel(n_candidates=8), seed=0, known_good=[{"model": "a"}], prefetch=False
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=20, catch=(RuntimeError,))
    by_source = _by_source(study, "model")
    assert by_source["prior", "a"] + by_source["llm", "a"] > 1
    assert not any("tried before" in t.user_attrs["llm:rationale"] for t in study.trials)
    history = History.from_study(study)
    tried = history.tried(history.search_space())
    assert not tried.repeats({"model": "a", "x": 0.123, "y": 0.456})


def _with_old_trials(sampler: optuna.samplers.BaseSampler, n: int = 12) -> optuna.Study:
    study = optuna.create_study(sampler=sampler)
    for k in range(n):
        params = {"opt": ["sgd", "adam"][k % 2], "bs": [16, 32, 64][k % 3]}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=OLD, value=2.0 + k / n)
        )
    return study


def _extended(trial: optuna.Trial) -> float:
    values = {name: trial._suggest(name, d) for name, d in NEW.items()}
    return abs(float(np.log10(values["lr"])) + 2) + (values["opt"] == "sgd")


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("build", [LLMSampler, LLAMBOSampler])
def test_old_trials_say_nothing_of_a_new_parameter(build: Any, announced: bool) -> None:
    options = {"search_space": NEW} if announced else {}
    sampler = build(seed=0, known_good=[{"opt": "adam", "bs": 32, "lr": 0.01}], **options)
    study = _with_old_trials(sampler)
    study.optimize(_extended, n_trials=3)
    assert study.trials[12].params == {"opt": "adam", "bs": 32, "lr": 0.01}
    assert study.trials[12].user_attrs["llm:source"] == "prior"

    study.sampler = LLMSampler(ScriptedModel(n_candidates=8), seed=0, prefetch=False, **options)
    study.optimize(_extended, n_trials=12)
    sources = Counter(t.user_attrs["llm:source"] for t in study.trials[15:])
    assert sources["llm"] >= 1
    assert not any("tried before" in t.user_attrs["llm:rationale"] for t in study.trials[15:])


def test_cqr_searches_a_new_parameter() -> None:
    away = []
    for seed in range(3):
        study = _with_old_trials(CQRSampler(seed=seed, search_space=NEW))
        study.optimize(_extended, n_trials=16)
        new = study.trials[12:]
        assert len({(t.params["opt"], t.params["bs"], t.params["lr"]) for t in new}) == 16
        away.append(np.median([abs(np.log10(t.params["lr"]) + 2) for t in new[8:]]))
    # It has learnt what the parameter does, though most trials are without it.
    assert np.median(away) < 0.3


@pytest.mark.parametrize(
    ("surrogate", "acquisition"),
    [
        ("gbt", "ts"),
        pytest.param("gbt", "ei", marks=pytest.mark.slow),
        pytest.param("gbt", "lcb", marks=pytest.mark.slow),
        ("ensemble", "ei"),
    ],
)
def test_a_finite_space_is_searched_once_and_then_repeated(
    surrogate: Any, acquisition: Any
) -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_int("depth", 1, 4) + 0.5 * (kind == "b")

    sampler = CQRSampler(
        seed=0, surrogate=surrogate, acquisition=acquisition, n_startup_trials=4, n_candidates=128
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=11)
    tried = {(t.params["kind"], t.params["depth"]) for t in study.trials}
    assert len(tried) == 8


@pytest.mark.parametrize("build", [LLMSampler, LLAMBOSampler])
def test_an_exhausted_space_is_no_fault_of_a_model(build: Any) -> None:
    sampler = build(ScriptedModel(n_candidates=8), seed=0, n_startup_trials=4)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: len(t.suggest_categorical("kind", ["a", "bb", "ccc"])), n_trials=10)
    assert len(study.trials) == 10
    assert {t.params["kind"] for t in study.trials} == {"a", "bb", "ccc"}
