"""Eight processes on each kind of storage, killed and replaced, and a storage that crashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
import time

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
import pytest

from tests.faults.legal import assert_labelled
from tests.faults.samplers import model
from tests.faults.services import SERVICES
from tests.faults.services import JournalFile
from tests.faults.services import Service
from tests.faults.services import started
from tests.faults.workers import STUDY
from tests.faults.workers import Crew
from tests.faults.workers import Job
from tests.faults.workers import ModelSamplers
from tests.faults.workers import duplicate_share
from tests.support.server import ChatServer


N_WORKERS, N_TRIALS = 8, 8 * 50
MAX_REQUESTS = 30
N_KILLS = 12
# However busy the machine is: without a single trial in all this time, none comes any more.
STALL_SECONDS = 300.0

# One at a time with the other clusters, servers and browsers.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with started(request.param, tmp_path) as service:
        yield service


def make_job(service: Service, folder: Path, n_trials: int, make_sampler: object) -> Job:
    optuna.create_study(study_name=STUDY, storage=service.connect())
    diaries = folder / "diaries"
    diaries.mkdir()
    return Job(service.connect, make_sampler, n_trials, diaries)  # type: ignore[arg-type]


@pytest.mark.timeout(3600)
def test_nothing_is_lost(service: Service, tmp_path: Path) -> None:
    rng = Random(0)
    with ChatServer(model()) as server:
        samplers = ModelSamplers(server.base_url, MAX_REQUESTS)
        with Crew(make_job(service, tmp_path, N_TRIALS, samplers), N_WORKERS) as crew:
            n_done, until, crashed = 0, time.monotonic() + STALL_SECONDS, False
            while not crew.is_done():
                assert time.monotonic() < until, f"{n_done} trials, and no more"
                time.sleep(0.1)
                if len(crew.diary()) > n_done:
                    n_done, until = len(crew.diary()), time.monotonic() + STALL_SECONDS
                if n_done >= (crew.n_killed + 1) * N_TRIALS / (N_KILLS + 2):
                    crew.kill_one(rng)
                if not crashed and n_done >= N_TRIALS / 2:
                    crashed = True
                    service.kill()
                    time.sleep(1.0)
                    service.start()
            diary = crew.diary()
            assert crew.n_killed >= N_KILLS
            assert crashed
        n_requests = server.count
    study = optuna.load_study(study_name=STUDY, storage=service.connect())
    trials = study.trials
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    # Every trial is there once, with the value that its worker has seen the storage take.
    assert [t.number for t in trials] == list(range(len(trials)))
    assert N_TRIALS <= len(complete) < N_TRIALS + N_WORKERS
    stored = {t.number: t.value for t in complete}
    assert diary.items() <= stored.items()
    assert len(stored) - len(diary) <= crew.n_started
    for trial in complete:
        assert_labelled(trial)
    assert {"prior", "llm", "base"} <= {t.user_attrs["llm:source"] for t in complete}
    # What killed workers leave behind has not been finished by anybody else.
    assert len(trials) - len(complete) <= crew.n_started
    assert duplicate_share(complete) < 0.02
    # The last request within the budget may be sent by all workers at once.
    assert MAX_REQUESTS / 2 <= n_requests <= MAX_REQUESTS + N_WORKERS


@dataclass(frozen=True)
class Naive:
    """Makes equal samplers, once all workers are there: else one might have done it all."""

    present: Path

    def __call__(self, place: int) -> BaseSampler:
        (self.present / str(place)).touch()
        while len(list(self.present.iterdir())) < N_WORKERS:
            time.sleep(0.05)
        return RandomSampler(seed=0)


def test_workers_with_a_naive_sampler_repeat_each_other(tmp_path: Path) -> None:
    service = JournalFile(tmp_path)
    present = tmp_path / "present"
    present.mkdir()
    with Crew(make_job(service, tmp_path, 100, Naive(present)), N_WORKERS) as crew:
        while not crew.is_done():
            time.sleep(0.1)
    study = optuna.load_study(study_name=STUDY, storage=service.connect())
    assert duplicate_share(study.get_trials(states=[TrialState.COMPLETE])) > 0.2
