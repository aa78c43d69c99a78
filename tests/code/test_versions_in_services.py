"""Open parameters in storages that many machines share, two workers at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import threading

import optuna
from optuna.samplers import TPESampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import suggest_open_categorical
from tests.faults.services import SERVICES
from tests.faults.services import Service
from tests.faults.services import started


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

    workers = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
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
