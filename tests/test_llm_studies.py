"""LLMSampler among all that Optuna has: storages, pruners, threads, copies, several objectives."""

from __future__ import annotations

from collections.abc import Callable
import copy
import json
import pickle
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
import pytest

from optuna_llm import LLMSampler
from optuna_llm.chat import Spending
from tests.support.llm import CANARY
from tests.support.llm import SPACE
from tests.support.llm import objective
from tests.support.llm import record
from tests.support.llm import run
from tests.support.llm import sampler_for
from tests.support.llm import sources
from tests.support.models import well_behaved
from tests.support.server import ChatServer


@pytest.mark.parametrize(
    "base",
    [
        optuna.samplers.RandomSampler(seed=0),
        optuna.samplers.TPESampler(seed=0, multivariate=True, group=True),
        optuna.samplers.GPSampler(seed=0, n_startup_trials=3),
        optuna.samplers.CmaEsSampler(seed=0),
        optuna.samplers.QMCSampler(seed=0),
        optuna.samplers.NSGAIISampler(seed=0),
    ],
    ids=str,
)
def test_any_base_sampler(serve: Callable[..., ChatServer], base: BaseSampler) -> None:
    study = run(sampler_for(serve(well_behaved()), base_sampler=base), 25)
    assert {"prior", "llm", "base"} <= set(sources(study))
    assert all(t.state == TrialState.COMPLETE for t in study.trials)


def test_several_objectives_constraints_pruning_failures_and_infinity(
    serve: Callable[..., ChatServer],
) -> None:
    def everything(trial: optuna.Trial) -> tuple[float, float]:
        value = objective(trial)
        trial.set_constraint("depth", trial.params["max_depth"] - 9.0)
        if trial.number == 7:
            raise RuntimeError
        return (float("inf") if trial.number == 5 else value, -value)

    server = serve(well_behaved())
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler_for(server))
    study.optimize(everything, n_trials=25, catch=RuntimeError)
    assert "llm" in sources(study)[10:]
    assert "Pareto" in json.dumps(server.requests[-1].json["messages"])


def test_hyperband_conditional_space_and_enqueued_trials(
    serve: Callable[..., ChatServer],
) -> None:
    def conditional(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["svm", "forest"]) == "svm":
            value = abs(np.log10(trial.suggest_float("C", 1e-3, 1e3, log=True)))
        else:
            value = 1 / trial.suggest_int("n_estimators", 10, 200)
        for step in range(1, 9):
            trial.report(value + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(value)

    server = serve(well_behaved())
    pruner = optuna.pruners.HyperbandPruner(max_resource=8)
    sampler = sampler_for(server, search_space=None)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.enqueue_trial({"kind": "svm", "C": 1.0})
    study.optimize(conditional, n_trials=40)
    assert sources(study)[0] == "enqueued"
    assert {"prior", "llm", "base"} <= set(sources(study))
    assert {TrialState.COMPLETE, TrialState.PRUNED} == {t.state for t in study.trials}


def test_threads_share_one_sampler(serve: Callable[..., ChatServer]) -> None:
    study = optuna.create_study(sampler=sampler_for(serve(well_behaved())))
    study.optimize(objective, n_trials=40, n_jobs=4)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 40
    assert "llm" in sources(study)
    assert "fallback" not in sources(study)


def test_fixed_parameters_are_respected_and_shared(
    serve: Callable[..., ChatServer],
) -> None:
    study = run(sampler_for(serve(well_behaved())), 12)
    study.enqueue_trial({"max_depth": 2})
    trial = study.ask(SPACE)
    assert trial.params["max_depth"] == 2
    shared = study.trials[-1].system_attrs["llm:proposal"]["params"]
    assert shared["max_depth"] == 2
    assert set(shared) == set(SPACE)


def test_pickle_and_deepcopy_hold_no_key_and_go_on(
    serve: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, api_key=CANARY), 8)
    pickled = pickle.dumps(study.sampler)
    assert CANARY.encode() not in pickled
    assert CANARY not in repr(study.sampler) + json.dumps([t.system_attrs for t in study.trials])
    study.sampler = copy.deepcopy(study.sampler)
    study.optimize(objective, n_trials=12)
    monkeypatch.setenv("OPTUNA_LLM_API_KEY", CANARY)
    study.sampler = pickle.loads(pickled)
    study.optimize(objective, n_trials=12)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 32
    assert "fallback" not in sources(study)
    assert server.requests[-1].headers["authorization"] == f"Bearer {CANARY}"


def test_cassette_replays_a_search_without_the_model(
    serve: Callable[..., ChatServer], tmp_path: Any
) -> None:
    server = serve(well_behaved())
    path = tmp_path / "search.jsonl"
    recorded = run(sampler_for(server, cassette=path, prefetch=False), 25)
    count = server.count
    replayed = run(sampler_for(server, cassette=path, prefetch=False), 25)
    assert server.count == count
    assert [t.params for t in recorded.trials] == [t.params for t in replayed.trials]


def test_a_free_model_costs_nothing_rather_than_something_unknown(
    serve: Callable[..., ChatServer],
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, prices=(0.0, 0.0)), 12)
    asked = [record(t) for t in study.trials if record(t).get("prompt_tokens")]
    assert asked
    assert all(r["cost"] == 0.0 for r in asked)


def test_without_a_model_the_spending_is_zero_or_what_an_earlier_model_spent(
    serve: Callable[..., ChatServer],
) -> None:
    plain = LLMSampler(seed=0)
    study = run(plain, 2)
    assert plain.spending(study) == Spending()
    server = serve(well_behaved())
    paid = sampler_for(server, prefetch=False)
    study = run(paid, 12)
    assert plain.spending(study) == paid.spending(study)
    assert plain.spending(study).requests == server.count
