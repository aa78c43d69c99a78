"""Eight workers on one PostgreSQL study: all of them end, nothing is lost, and it can go on."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

# Imported before the workers are forked: each of them would take seconds for it.
import psycopg  # noqa: F401
import pytest

from optuna_llm import StopWhenDone
from optuna_llm.stopping import Patience
from tests.faults.services import PostgreSQL


_N_WORKERS = 8


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[], BaseStorage]]:
    service = PostgreSQL(tmp_path)
    try:
        service.start()
        yield service.connect
    finally:
        service.stop()


def _objective(trial: optuna.Trial) -> float:
    trial.suggest_float("x", 0, 1)
    return float(trial.number)


def _work(connect: Callable[[], BaseStorage], n_trials: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.load_study(study_name="shared", storage=connect())
    stop = StopWhenDone(Patience(10), n_trials=n_trials)
    study.optimize(_objective, n_trials=1000, callbacks=[stop])


def _run(connect: Callable[[], BaseStorage], n_trials: int) -> int:
    """Run all workers to their end and return how many trials the study has."""
    processes = [
        get_context("fork").Process(target=_work, args=(connect, n_trials))
        for _ in range(_N_WORKERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0] * _N_WORKERS
    trials = optuna.load_study(study_name="shared", storage=connect()).trials
    assert all(t.state == TrialState.COMPLETE for t in trials)
    return len(trials)


@pytest.mark.slow
@pytest.mark.xdist_group("services")
def test_eight_workers_end_and_go_on_with_a_larger_budget(
    connect: Callable[[], BaseStorage],
) -> None:
    optuna.create_study(study_name="shared", storage=connect())
    # A quarter of the budget, and what the other workers were at when it was done.
    stopped = _run(connect, 100)
    assert 25 <= stopped <= 25 + 2 * _N_WORKERS
    # The same budget ends each worker after the trial that it begins with.
    assert _run(connect, 100) <= stopped + _N_WORKERS
    first = stopped + (200 - stopped) // 4
    assert first <= _run(connect, 200) <= first + 4 * _N_WORKERS
