"""Which failed trials are failures of their parameters, on every way in which a trial can fail."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import multiprocessing
import os
from pathlib import Path
import time

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import PartialFixedSampler
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm.history.failure import Failure
from optuna_llm.history.history import History


SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "cqr": lambda: CQRSampler(seed=0),
    "llm": lambda: LLMSampler(seed=0),
    "cqr with a fixed parameter": lambda: PartialFixedSampler({"y": 0.5}, CQRSampler(seed=0)),
}


def failing(error: BaseException | float) -> Callable[[optuna.Trial], float]:
    """Return an objective that raises, or returns what is no value."""

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 0, 1)
        trial.suggest_float("y", 0, 1)
        if isinstance(error, BaseException):
            raise error
        return error

    return objective


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_optimize_tells_interruptions_from_errors(sampler: str, n_jobs: int) -> None:
    study = optuna.create_study(sampler=SAMPLERS[sampler]())
    for error in (RuntimeError("boom"), MemoryError(), float("nan")):
        study.optimize(failing(error), n_trials=1, n_jobs=n_jobs, catch=(Exception,))
    with contextlib.suppress(KeyboardInterrupt):
        study.optimize(failing(KeyboardInterrupt()), n_trials=1, n_jobs=n_jobs)
    history = History.from_study(study)
    assert [o.number for o in history.failed] == [0, 1, 2, 3]
    assert [o.number for o in history.failures_of_parameters] == [0, 1, 2]
    assert [o.failure for o in history.failed] == [
        "RuntimeError: boom",
        "MemoryError",
        "no reason given",
        "KeyboardInterrupt",
    ]


def test_what_is_handled_around_a_study_is_not_its_own() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        study.optimize(failing(float("nan")), n_trials=1)
        study.optimize(failing(ValueError()), n_trials=1, catch=(ValueError,))
    assert len(History.from_study(study).failures_of_parameters) == 2


def test_ask_and_tell() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    for error in (SystemExit(1), RuntimeError()):
        trial = study.ask()
        try:
            failing(error)(trial)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
    failing(0.0)(trial := study.ask())
    study.tell(trial, state=TrialState.FAIL)
    history = History.from_study(study)
    assert [o.is_interrupted for o in history.failed] == [True, False, False]


def test_a_finished_trial_has_no_failure() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(failing(1.0), n_trials=2)
    assert [Failure.read(t) for t in study.trials] == [None, None]


def test_what_was_said_of_another_trial_does_not_count() -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    trial = study.ask()
    frozen = study._storage.get_trial(trial._trial_id)
    Failure("KeyboardInterrupt", interrupted=True).write(study, frozen)
    study.tell(trial, state=TrialState.FAIL)
    (first,) = study.trials
    study.add_trial(
        optuna.create_trial(state=TrialState.FAIL, system_attrs=dict(first.system_attrs))
    )
    assert [o.is_interrupted for o in History.from_study(study).failed] == [True, False]


def test_the_objective_s_own_words_come_first() -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("fail_reason", "CUDA out of memory")
        raise RuntimeError

    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=1, catch=(RuntimeError,))
    (failed,) = History.from_study(study).failed
    assert failed.failure == "CUDA out of memory"


def stale(path: Path, sampler: BaseSampler) -> optuna.Study:
    """Return a study of which one trial's worker died, with Optuna's retry."""
    storage = RDBStorage(
        f"sqlite:///{path}/heartbeat.db",
        heartbeat_interval=1,
        grace_period=1,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
    )
    study = optuna.create_study(storage=storage, sampler=sampler)
    failing(0.0)(trial := study.ask())
    storage.record_heartbeat(trial._trial_id)
    return study


@pytest.mark.parametrize("sampler", [RandomSampler, CQRSampler, LLMSampler])
def test_a_trial_whose_worker_died_is_no_failure_of_its_parameters(
    sampler: type[BaseSampler], tmp_path: Path
) -> None:
    study = stale(tmp_path, sampler(seed=0))  # type: ignore[call-arg]
    storage = study._storage
    while not storage._get_stale_trial_ids(study._study_id):  # type: ignore[attr-defined]
        time.sleep(0.1)
    study.optimize(failing(1.0), n_trials=2)
    history = History.from_study(study)
    (lost,) = history.failed
    assert history.failures_of_parameters == ()
    assert lost.failure == "its worker died"
    # Both the trial that was lost and its retry with the same parameters are there.
    assert lost.params in [o.params for o in history.complete]


def storage_at(path: Path, *, is_watched: bool) -> RDBStorage:
    """Return a database, with a heartbeat and without a retry, or without a heartbeat."""
    watch = {"heartbeat_interval": 1, "grace_period": 1} if is_watched else {}
    return RDBStorage(f"sqlite:///{path}/study.db", **watch)


def leave_a_dead_worker(path: Path, sampler: type[BaseSampler], *, is_watched: bool) -> None:
    """Run a worker that is gone, as by SIGKILL, in the middle of trial 0."""
    optuna.create_study(storage=storage_at(path, is_watched=is_watched), study_name="s")

    def work() -> None:
        study = optuna.load_study(
            storage=storage_at(path, is_watched=is_watched),
            study_name="s",
            sampler=sampler(seed=0),  # type: ignore[call-arg]
        )
        study.optimize(lambda t: os._exit(int(t.suggest_float("x", 0, 1) < 2)), n_trials=1)

    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("other", [RandomSampler, CQRSampler])
@pytest.mark.parametrize("sampler", [CQRSampler, LLMSampler])
def test_whoever_ends_the_trial_of_a_dead_worker(
    sampler: type[BaseSampler], other: type[BaseSampler], tmp_path: Path
) -> None:
    for is_watched in (True, False):
        path = tmp_path / str(is_watched)
        path.mkdir()
        leave_a_dead_worker(path, sampler, is_watched=is_watched)
        storage = storage_at(path, is_watched=is_watched)
        study = optuna.load_study(
            storage=storage,
            study_name="s",
            sampler=other(seed=1),  # type: ignore[call-arg]
        )
        if is_watched:
            while not storage._get_stale_trial_ids(study._study_id):
                time.sleep(0.1)
            study.optimize(failing(1.0), n_trials=1)
        else:
            study.tell(0, state=TrialState.FAIL)
        history = History.from_study(study)
        assert [o.number for o in history.failed] == [0]
        assert history.failures_of_parameters == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_nobody_knows_how_the_trial_of_another_sampler_failed(tmp_path: Path) -> None:
    leave_a_dead_worker(tmp_path, RandomSampler, is_watched=False)
    study = optuna.load_study(
        storage=storage_at(tmp_path, is_watched=False), study_name="s", sampler=RandomSampler()
    )
    study.tell(0, state=TrialState.FAIL)
    assert len(History.from_study(study).failures_of_parameters) == 1


@pytest.mark.parametrize("sampler", [CQRSampler, LLMSampler])
def test_a_failure_that_another_process_tells_is_one_of_the_parameters(
    sampler: type[BaseSampler], tmp_path: Path
) -> None:
    storage = storage_at(tmp_path, is_watched=True)
    study = optuna.create_study(
        storage=storage,
        study_name="s",
        sampler=sampler(seed=0),  # type: ignore[call-arg]
    )
    failing(0.0)(trial := study.ask())
    teller = optuna.load_study(storage=storage, study_name="s", sampler=RandomSampler())
    teller.tell(trial.number, state=TrialState.FAIL)
    assert len(History.from_study(study).failures_of_parameters) == 1


def test_a_study_within_an_evaluation_tells_of_its_own_trials() -> None:
    inner = optuna.create_study(sampler=CQRSampler(seed=0))

    def objective(outer: optuna.Trial) -> float:
        trial = inner.ask()
        failing(0.0)(trial)
        inner.tell(trial, state=TrialState.FAIL)
        return outer.suggest_float("x", 0, 1)

    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=2)
    assert len(History.from_study(inner).failures_of_parameters) == 2
