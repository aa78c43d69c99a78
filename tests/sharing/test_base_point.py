"""What is announced is what is run: base samplers leave no other record on a trial."""

from __future__ import annotations

from collections.abc import Callable
import json
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import NSGAIISampler
from optuna.samplers import QMCSampler
from optuna.samplers import TPESampler
import pytest

from benchmarks.dev.same_proposals import ScriptedModel
from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.history.history import History
from optuna_llm.sharing.base_point import ask


SPACE = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
BASES: dict[str, Callable[[], BaseSampler]] = {
    "tpe": lambda: TPESampler(seed=0, n_startup_trials=3, multivariate=True),
    "cma-es": lambda: CmaEsSampler(seed=0, n_startup_trials=3),
    "nsga-ii": lambda: NSGAIISampler(seed=0, population_size=4),
    "cqr": lambda: CQRSampler(seed=0, n_startup_trials=4),
}
SAMPLERS: dict[str, Callable[[BaseSampler], BaseSampler]] = {
    "llm": lambda base: LLMSampler(ScriptedModel(0), seed=0, base_sampler=base),
    "no model": lambda base: LLMSampler(seed=0, base_sampler=base),
    "llambo": lambda base: LLAMBOSampler(ScriptedModel(0), seed=0, base_sampler=base),
}


def asked_for_one(study: optuna.Study) -> optuna.Trial:
    """Begin a trial whose objective has asked for one parameter only."""
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    return trial


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_others_see_is_what_is_run(sampler: str, base: str) -> None:
    study = optuna.create_study(sampler=SAMPLERS[sampler](BASES[base]()))
    sources, own = [], []
    for _ in range(20):
        trial = asked_for_one(study)
        (running,) = History.from_study(study).running
        y = trial.suggest_float("y", 0, 1)
        assert running.params.get("y", y) == y
        study.tell(trial, (trial.params["x"] - 0.3) ** 2 + y)
        (*_, frozen) = study.trials
        sources.append(frozen.user_attrs["llm:source"])
        own.append([key for key in frozen.system_attrs if not key.startswith("llm:")])
        told = [v for k, v in sorted(frozen.system_attrs.items()) if "relative_params" in k]
        if told:
            assert json.loads("".join(told)).get("y", y) == y
    # A base sampler writes of its own proposals, and of no other.
    assert all(not keys for keys, source in zip(own, sources, strict=True) if source != "base")
    if base in ("tpe", "nsga-ii"):
        assert any(own)


def test_advice_writes_nothing() -> None:
    study = optuna.create_study(sampler=TPESampler(seed=0, multivariate=True))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1), n_trials=12)
    frozen = study._storage.get_trial(study.ask()._trial_id)
    before: dict[str, Any] = dict(study._storage.get_trial(frozen._trial_id).system_attrs)
    for ahead in (0, 1):
        point = ask(TPESampler(seed=1, multivariate=True), study, frozen, SPACE, ahead)
        assert point.params.keys() == SPACE.keys()
        assert any("tpe:relative_params" in key for key in point.attributes.trial)
    assert study._storage.get_trial(frozen._trial_id).system_attrs == before


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_advice_uses_up_no_point_of_a_sequence(sampler: str) -> None:
    study = optuna.create_study(sampler=SAMPLERS[sampler](QMCSampler(seed=0)))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1), n_trials=25)
    by_base = sum(t.user_attrs["llm:source"] == "base" for t in study.trials)
    attributes = study._storage.get_study_system_attrs(study._study_id)
    (last,) = (value for key, value in attributes.items() if key.startswith("qmc"))
    assert 0 < by_base == last + 1


@pytest.mark.parametrize(
    "sampler", [lambda: LLMSampler(seed=0), lambda: CQRSampler(seed=0)], ids=["llm", "cqr"]
)
def test_a_failed_trial_keeps_what_was_intended(sampler: Callable[[], BaseSampler]) -> None:
    study = optuna.create_study(sampler=sampler())
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1), n_trials=10)
    trial = asked_for_one(study)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    (failed,) = History.from_study(study).failed
    assert failed.params.keys() == {"x"}
    assert failed.intended.keys() == {"x", "y"}


@pytest.mark.parametrize(
    "sampler", [lambda: LLMSampler(seed=0), lambda: CQRSampler(seed=0)], ids=["llm", "cqr"]
)
def test_what_is_enqueued_is_announced(sampler: Callable[[], BaseSampler]) -> None:
    study = optuna.create_study(sampler=sampler())
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1), n_trials=10)
    study.enqueue_trial({"y": 0.125})
    trial = asked_for_one(study)
    (running,) = History.from_study(study).running
    assert running.params["y"] == 0.125 == trial.suggest_float("y", 0, 1)
