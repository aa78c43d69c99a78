"""Which study, which storage, which process: what a sampler remembers belongs to one of each."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
from pathlib import Path
import pickle
import threading
from typing import Any
import weakref

import optuna
import pytest

from optuna_llm import LLMSampler
from optuna_llm.chat import Budget
from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from optuna_llm.errors import ModelError
from optuna_llm.sharing.assistant import Assistant
from optuna_llm.sharing.assistant import Exchange


SECONDS = 120.0  # A hang, on any machine.


class Model:
    """Answers at once, but in the background of the process it was made in only when let."""

    name = "stand-in"

    def __init__(self) -> None:
        self.process = os.getpid()
        self.calls = 0
        self.blocked = False
        self.let = threading.Event()

    def complete(self, messages: Any, **more: Any) -> Completion:
        self.calls += 1
        background = threading.current_thread() is not threading.main_thread()
        if self.blocked and background and self.process == os.getpid():
            assert self.let.wait(SECONDS)
        params = {"x": (self.calls * 0.37 + os.getpid() * 0.01) % 1, "y": 0.5}
        text = json.dumps({"candidates": [{"params": params, "reason": ""}]})
        return Completion(text, self.name, Usage(100, 10), 0.01, 0.1, 1, "text", "stop")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "let"}


def objective(trial: optuna.Trial) -> float:
    return float(trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1))


def work(url: str, sampler: LLMSampler, n_trials: int) -> None:
    optuna.load_study(study_name="s", storage=url, sampler=sampler).optimize(
        objective, n_trials=n_trials
    )


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder}/study.db"


def sources(study: optuna.Study) -> list[str]:
    return [t.user_attrs["llm:source"] for t in study.trials]


def until_a_reply_is_on_its_way(model: Model, sampler: LLMSampler, study: optuna.Study) -> None:
    assert sampler._assistant is not None
    study.optimize(objective, n_trials=2)
    model.blocked = True
    assistant = sampler._assistant

    def stop(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
        if assistant.is_preparing(study):
            study.stop()

    # Before the last trial of a run nobody is asked for the next one.
    study.optimize(objective, n_trials=60, callbacks=[stop])
    assert assistant.is_preparing(study)


# ---- processes


@pytest.mark.parametrize(
    "method", ["fork", *(pytest.param(m, marks=pytest.mark.slow) for m in ("forkserver", "spawn"))]
)
def test_a_child_does_not_wait_for_its_parents_reply(method: str, tmp_path: Path) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    model = Model()
    sampler = LLMSampler(model, seed=0)
    study = optuna.create_study(study_name="s", storage=url_in(tmp_path), sampler=sampler)
    until_a_reply_is_on_its_way(model, sampler, study)
    before, seen = len(study.trials), sampler.spending(study).requests
    child = multiprocessing.get_context(method).Process(
        target=work, args=(url_in(tmp_path), sampler, 8), daemon=True
    )
    child.start()
    child.join(SECONDS)
    assert child.exitcode == 0
    assert len(study.trials) == before + 8
    assert sampler.spending(study).requests > seen  # The child has asked on its own account.
    model.let.set()
    study.optimize(objective, n_trials=1)
    assert sources(study)[-1] in ("llm", "base")
    last = study.trials[-1].system_attrs["llm:proposal"]
    assert last["requests"] == 1  # The parent has got its reply.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_lock_that_was_held_during_a_fork_is_free_in_the_child(tmp_path: Path) -> None:
    sampler = LLMSampler(Model(), seed=0)
    study = optuna.create_study(study_name="s", storage=url_in(tmp_path), sampler=sampler)
    study.optimize(objective, n_trials=3)
    assert sampler._assistant is not None
    child = multiprocessing.get_context("fork").Process(
        target=work, args=(url_in(tmp_path), sampler, 3), daemon=True
    )
    ledger = sampler._assistant.ledger(study)
    with sampler._assistant._lock, ledger._lock:
        child.start()
    child.join(SECONDS)
    assert child.exitcode == 0


def _evaluate_in_child(trial: optuna.Trial, values: Any) -> None:
    values.put(objective(trial))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_no_request_dies_with_a_child_that_evaluates_one_trial(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    asked = context.Value("i", 0)

    class Counting(Model):
        def complete(self, messages: Any, **more: Any) -> Completion:
            completion = super().complete(messages, **more)
            with asked.get_lock():
                asked.value += 1
            return completion

    def evaluate(trial: optuna.Trial) -> float:
        values = context.SimpleQueue()
        child = context.Process(target=_evaluate_in_child, args=(trial, values), daemon=True)
        child.start()
        value = float(values.get())
        child.join(SECONDS)
        return value

    sampler = LLMSampler(Counting(), seed=0)
    study = optuna.create_study(study_name="s", storage=url_in(tmp_path), sampler=sampler)
    study.optimize(evaluate, n_trials=12)
    records = [t.system_attrs["llm:proposal"] for t in study.trials]
    assert asked.value >= 3
    assert sampler.spending(study).requests == asked.value
    assert sum(r.get("requests", 0) for r in records) == asked.value
    assert sources(study).count("llm") >= 2


def test_a_study_that_is_loaded_for_each_trial_uses_all_that_it_pays_for(tmp_path: Path) -> None:
    model = Model()
    sampler = LLMSampler(model, seed=0)
    optuna.create_study(study_name="s", storage=url_in(tmp_path))
    for _ in range(12):
        work(url_in(tmp_path), sampler, 1)
    study = optuna.load_study(study_name="s", storage=url_in(tmp_path), sampler=sampler)
    asked = sum(t.system_attrs["llm:proposal"].get("requests", 0) for t in study.trials)
    assert sources(study).count("llm") >= 2
    assert asked == model.calls == sampler.spending(study).requests


# ---- studies and storages


def test_studies_of_one_name_have_budgets_and_replies_of_their_own() -> None:
    sampler = LLMSampler(model := Model(), seed=0, max_requests=5)
    studies = [optuna.create_study(study_name="exp", sampler=sampler) for _ in range(3)]
    for study in studies:
        study.optimize(objective, n_trials=20)
        assert sampler._assistant is not None
        sampler._assistant.collect(study)
    spent = [sampler.spending(study).requests for study in studies]
    assert min(spent) >= 3
    assert sum(spent) == model.calls
    for study in studies:
        attrs = study._storage.get_study_system_attrs(0)
        assert sum(key.startswith("llm:ledger:") for key in attrs) == 1


def test_a_reply_about_one_study_is_not_handed_to_another_of_its_name() -> None:
    sampler = LLMSampler(Model(), seed=0)
    assistant = sampler._assistant
    assert assistant is not None
    first, second = (optuna.create_study(study_name="exp", sampler=sampler) for _ in range(2))
    assistant.prepare(first, Exchange)
    assert not assistant.is_preparing(second)
    assert assistant.collect(second) is None
    assert assistant.collect(first) == Exchange()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_study_that_is_made_again_begins_anew(kind: str, tmp_path: Path) -> None:
    storage: optuna.storages.BaseStorage = (
        optuna.storages.InMemoryStorage()
        if kind == "memory"
        else optuna.storages.RDBStorage(url_in(tmp_path))
    )
    sampler = LLMSampler(model := Model(), seed=0, max_requests=50)
    assistant = sampler._assistant
    assert assistant is not None
    study = optuna.create_study(study_name="s", storage=storage, sampler=sampler)
    study.optimize(objective, n_trials=12)
    assistant.collect(study)
    first = model.calls
    assert first > 0
    assistant.prepare(study, Exchange)
    optuna.delete_study(study_name="s", storage=storage)
    # SQLite gives the new study the id of the deleted one.
    study = optuna.create_study(study_name="s", storage=storage, sampler=sampler)
    assert sampler.spending(study).requests == 0
    assert assistant.collect(study) is None
    study.optimize(objective, n_trials=15)
    assistant.collect(study)
    assert "fallback" not in sources(study)
    assert sampler.spending(study).requests == model.calls - first > 0


def test_no_storage_is_kept_alive() -> None:
    sampler = LLMSampler(Model(), seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=12)
    assert sampler._assistant is not None
    sampler._assistant.collect(study)
    storage = weakref.ref(study._storage)
    del study
    gc.collect()
    assert storage() is None
    assert len(sampler._assistant._ledgers) == 0


def test_a_database_that_other_threads_do_not_see_is_asked_from_this_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sampler = LLMSampler(model := Model(), seed=0, max_requests=100)
    study = optuna.create_study(storage="sqlite:///:memory:", sampler=sampler)
    study.optimize(objective, n_trials=20)
    assert "fallback" not in sources(study)
    assert sources(study).count("llm") >= 2
    asked = sum(t.system_attrs["llm:proposal"].get("requests", 0) for t in study.trials)
    assert asked == model.calls == sampler.spending(study).requests
    assert "ledger" not in caplog.text


# ---- waiting


def test_nobody_waits_for_ever_for_a_reply_in_the_background() -> None:
    assistant = Assistant(Model(), Budget(), deadline=0.1)
    assistant._patience = 0.1
    study = optuna.create_study()
    let = threading.Event()

    def ask() -> Exchange:
        let.wait(SECONDS)
        return Exchange()

    assistant.prepare(study, ask)
    late = assistant.collect(study)
    let.set()
    assert late is not None
    assert isinstance(late.error, ModelError)
    assert "stand-in in the background within 0.1 s" in str(late.error)
    assert not assistant.is_preparing(study)


def test_a_pickled_assistant_remembers_no_study() -> None:
    assistant = Assistant(Model(), Budget(max_requests=3))
    study = optuna.create_study()
    assistant.prepare(study, Exchange)
    renewed = pickle.loads(pickle.dumps(assistant))
    assert not renewed.is_preparing(study)
    assert renewed.ledger(study).totals().requests == 0
