"""Versions of a function where workers die, and where two of them bear versions at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import subprocess
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from tests.support.server import ChatServer
from tests.support.writing import gain
from tests.support.writing import objective
from tests.support.writing import version
from tests.support.writing import writing


pytestmark = pytest.mark.slow  # All together.

# A worker that dies in the middle of its third trial.
WORKER = """
import os, sys
import optuna
from optuna_llm import CQRSampler, suggest_code
from tests.support.writing import gain, objective

def dying(trial):
    if trial.number < 2:
        return objective(trial)
    suggest_code(trial, gain)(1.0)
    os._exit(9)

study = optuna.load_study(study_name="s", storage=sys.argv[1], sampler=CQRSampler(seed=0))
study.optimize(dying, n_trials=3)
"""


def test_a_study_goes_on_where_its_worker_died(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(study_name="s", storage=url, sampler=CQRSampler(seed=1))
    study.enqueue_trial({})
    study.enqueue_trial({"gain": "def gain(x):\n    return x * x * 0.9\n"})
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WORKER, url], cwd=root, capture_output=True
    )
    assert done.returncode == 9, done.stderr
    assert study.trials[2].state == TrialState.RUNNING
    study.optimize(objective, n_trials=4)
    finished = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert len(finished) == 6
    assert {t.params["gain"] for t in finished} == {0, 1}
    assert study.trials[2].user_attrs["llm:choice:gain"] in (
        gain.text,
        study.trials[1].user_attrs["llm:choice:gain"],
    )
    assert objective(study.best_trial) == study.best_value  # type: ignore[arg-type]


def test_two_workers_bear_versions_at_once(tmp_path: Path) -> None:
    def connect() -> JournalStorage:
        return JournalStorage(JournalFileBackend(str(tmp_path / "log")))

    optuna.create_study(study_name="s", storage=connect())
    with ChatServer(writing(lambda i: version(f"return x * x * 0.5 + {i % 4} - {i}"))) as server:

        def work(seed: int) -> None:
            sampler = LLMSampler("m", base_url=server.base_url, seed=seed, max_retries=0)
            study = optuna.load_study(study_name="s", storage=connect(), sampler=sampler)
            study.optimize(objective, n_trials=6)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, range(2)))  # Raises what one of them has raised.
    trials = optuna.load_study(study_name="s", storage=connect()).trials
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 12
    texts: dict[int, set[str]] = {}
    for trial in trials:
        number = trial.params["gain"]
        texts.setdefault(number, set()).add(trial.user_attrs["llm:choice:gain"])
        assert objective(trial) == trial.value  # type: ignore[arg-type]
    assert len(texts) > 1
    assert all(len(same) == 1 for same in texts.values())
