"""Open parameters in storages that many machines share, two workers at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import pickle
import subprocess
import sys

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import GPSampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import load_code
from optuna_llm import suggest_open_categorical
from optuna_llm.errors import ConfigurationError
from tests.faults.services import SERVICES
from tests.faults.services import Service
from tests.faults.services import started
from tests.support.writing import gain
from tests.support.writing import objective as gains


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]

N_TRIALS = 6
TEXT = "A prompt with a quote ', a newline\nand an é. " * 1000  # Below what goes into artifacts.


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with started(request.param, tmp_path) as service:
        yield service


def objective(trial: optuna.Trial) -> float:
    # Each trial brings a choice of its own beside those that all know.
    text = suggest_open_categorical(trial, "prompt", [TEXT, "brief", f"of {trial.number}"])
    return len(text) + trial.suggest_float("x", 0, 1)


def test_two_workers_bear_versions_at_once(service: Service) -> None:
    optuna.create_study(study_name="s", storage=service.connect())
    samplers = [CQRSampler(seed=0), TPESampler(seed=1)]

    def work(number: int) -> None:
        study = optuna.load_study(
            study_name="s", storage=service.connect(), sampler=samplers[number]
        )
        study.optimize(objective, n_trials=N_TRIALS)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))  # Raises what one of them has raised.
    trials = optuna.load_study(study_name="s", storage=service.connect()).trials
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 2 * N_TRIALS
    texts: dict[int, set[str]] = {}
    for trial in trials:
        text = trial.user_attrs["llm:choice:prompt"]
        texts.setdefault(trial.params["prompt"], set()).add(text)
        assert suggest_open_categorical(trial, "prompt", ["other"]) == text
    # A number is one text, whoever has given it.
    assert all(len(same) == 1 for same in texts.values())
    assert TEXT in {text for same in texts.values() for text in same}


# ---- code

# Opens the storage as this process does, and dies in the middle of a trial.
DYING = """
import os, pickle, sys
import optuna
from optuna_llm import suggest_code
from tests.support.writing import gain

def objective(trial):
    suggest_code(trial, gain)(1.0)
    os._exit(9)

storage = pickle.loads(bytes.fromhex(sys.argv[1]))()
optuna.load_study(study_name="s", storage=storage).optimize(objective, n_trials=1)
"""


def samplers(which: int) -> list[BaseSampler]:
    """Return Optuna's, or this package's."""
    if which == 0:
        return [TPESampler(seed=0), GPSampler(seed=0, n_startup_trials=1), CmaEsSampler(seed=0)]
    return [CQRSampler(seed=0), LLMSampler(seed=0), LLAMBOSampler(seed=0)]


def test_two_workers_bear_code_at_once(service: Service) -> None:
    """Each with three samplers by turns, another one dies, and the study is resumed."""
    study = optuna.create_study(study_name="s", storage=service.connect())
    study.enqueue_trial({})

    def work(which: int) -> None:
        for turn, sampler in enumerate(samplers(which)):
            study = optuna.load_study(study_name="s", storage=service.connect(), sampler=sampler)
            # Both write one version that is the same, and others of their own.
            body = "0.5" if turn == 0 else f"x - {which + 2 * turn}"
            study.enqueue_trial({"gain": f"def gain(x):\n    return x * {body}\n"})
            study.optimize(gains, n_trials=2)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))  # Raises what one of them has raised.
    opening = pickle.dumps(service.connect).hex()
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DYING, opening], cwd=root, capture_output=True
    )
    assert done.returncode == 9, done.stderr
    study = optuna.load_study(
        study_name="s", storage=service.connect(), sampler=CQRSampler(seed=1)
    )
    study.enqueue_trial({"gain": "def gain(x):\n    return '" + "x" * 1_000_000 + "'\n"})
    study.optimize(gains, n_trials=2, catch=ConfigurationError)
    *trials, dead, refused, last = study.trials
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    assert dead.state == TrialState.RUNNING
    assert refused.state == TrialState.FAIL
    assert refused.params == {}
    assert last.state == TrialState.COMPLETE
    texts: dict[int, set[str]] = {}
    for trial in [*trials, last]:
        text = trial.user_attrs["llm:choice:gain"]
        texts.setdefault(trial.params["gain"], set()).add(text)
        assert gains(trial) == trial.value  # type: ignore[arg-type]
    assert all(len(same) == 1 for same in texts.values())
    # Version 0, that of the constant, which it equals up to its number, and at least two more.
    assert gain.text in {text for same in texts.values() for text in same}
    assert len(texts) >= 3
    assert load_code(study.best_trial, "gain", trust="limits").number in texts
