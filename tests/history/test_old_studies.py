"""Studies that version 0.1.0 wrote: all that was recorded is read, and each of them goes on."""

from __future__ import annotations

from pathlib import Path
import shutil

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
import pytest

from benchmarks.dev.same_proposals import Objective
from benchmarks.dev.same_proposals import conditional
from benchmarks.dev.same_proposals import mixed
from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.chat import Completion
from optuna_llm.expectations.track_record import TrackRecord
from optuna_llm.history.history import History
from optuna_llm.reporting.tables import summarize_model_use
from optuna_llm.reporting.tables import summarize_sources
from tests.support.models import ScriptedModel


STORED = Path(__file__).parents[1] / "data" / "studies_0_1_0.log"
N_FINISHED = 14
# Of each study's running trial: what its objective has asked for, and what was announced.
RUNNING = {
    "llm": (
        {"lr"},
        {
            "activation": "gelu",
            "batch_size": 128,
            "dropout": 0.5,
            "lr": 0.0011401826480824388,
            "max_depth": 12,
        },
    ),
    "llambo": (
        {"lr"},
        {
            "activation": "relu",
            "batch_size": 128,
            "dropout": 0.15000000000000002,
            "lr": 0.006186767015990323,
            "max_depth": 8,
        },
    ),
    "cqr": (
        {"booster"},
        {
            "booster": "dart",
            "learning_rate": 0.0011235092948574147,
            "max_depth": 6,
            "rate_drop": 1.0,
        },
    ),
}


class CountingModel(ScriptedModel):
    """A stand-in that counts how often it is asked."""

    n_requests = 0

    def complete(self, *args: object, **kwargs: object) -> Completion:
        """Answer as the stand-in does."""
        self.n_requests += 1
        return super().complete(*args, **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def storage(tmp_path: Path) -> JournalStorage:
    copy = tmp_path / "studies.log"
    shutil.copy(STORED, copy)
    return JournalStorage(JournalFileBackend(str(copy)))


@pytest.mark.parametrize("name", RUNNING)
def test_everybody_sees_what_a_running_trial_is_going_to_run(
    storage: JournalStorage, name: str
) -> None:
    study = optuna.load_study(storage=storage, study_name=name)
    (running,) = History.from_study(study).running
    asked, announced = RUNNING[name]
    assert running.trial.params.keys() == asked
    assert running.params == announced


def test_origins_costs_and_waiting_candidates_are_read(storage: JournalStorage) -> None:
    study = optuna.load_study(storage=storage, study_name="llm")
    history = History.from_study(study)
    origins = [o.origin.source for o in history.observations if o.origin is not None]
    assert origins == [t.user_attrs["llm:source"] for t in study.trials]
    assert [o.origin.design for o in history.observations[:2] if o.origin] == [1, 2]
    assert [o.cost.requests for o in history.observations[:4]] == [0, 0, 2, 2]
    assert history.observations[2].cost.model == "scripted"
    (*_, candidate) = history.observations[2].queue.waiting(history.search_space())
    assert candidate.params.keys() == history.search_space().distributions.keys()
    assert len(history.observations[2].queue.candidates) == 9


def test_predictions_are_read(storage: JournalStorage) -> None:
    study = optuna.load_study(storage=storage, study_name="llambo")
    history = History.from_study(study)
    told = [o.predictions for o in history.observations if o.predictions.scale]
    assert len(told) == 9
    assert all(p.interval is not None and len(p.held_out["numbers"]) >= 2 for p in told)
    assert 0 <= TrackRecord(history).weight() <= 1


@pytest.mark.parametrize("name", RUNNING)
def test_tables_tell_what_was_recorded(storage: JournalStorage, name: str) -> None:
    history = History.from_study(optuna.load_study(storage=storage, study_name=name))
    assert sum(s.trials for s in summarize_sources(history)) == N_FINISHED + 1
    use = summarize_model_use(history)
    assert use.requests == {"llm": 4, "llambo": 38, "cqr": 0}[name]
    assert use.models == (() if name == "cqr" else ("scripted",))


def goes_on(
    storage: JournalStorage, name: str, sampler: BaseSampler, objective: Objective, n: int
) -> optuna.Study:
    study = optuna.load_study(storage=storage, study_name=name, sampler=sampler)
    before = [(t.params, t.values) for t in study.trials[:N_FINISHED]]
    study.optimize(objective, n_trials=n)
    assert [(t.params, t.values) for t in study.trials[:N_FINISHED]] == before
    new = study.trials[N_FINISHED + 1 :]
    assert [t.state for t in new] == [TrialState.COMPLETE] * n
    assert all(t.params not in [p for p, _ in before] for t in new)
    assert RUNNING[name][1] not in [t.params for t in new]
    return study


def test_cqr_goes_on(storage: JournalStorage) -> None:
    goes_on(storage, "cqr", CQRSampler(seed=0), conditional, 3)


def test_llm_goes_on_and_runs_the_candidates_that_wait(
    storage: JournalStorage,
) -> None:
    model = CountingModel(0)
    sampler = LLMSampler(
        model, seed=0, known_good=[{"lr": 0.01}], n_startup_trials=20, prefetch=False
    )
    study = goes_on(storage, "llm", sampler, mixed, 4)
    sources = [t.user_attrs["llm:source"] for t in study.trials[N_FINISHED + 1 :]]
    assert "llm" in sources
    assert model.n_requests < 4  # Not on every trial.
    # The known good configuration has been run.
    assert not any("Known good" in t.user_attrs["llm:rationale"] for t in study.trials[1:])


def test_llm_counts_what_was_spent(storage: JournalStorage) -> None:
    model = CountingModel(0)
    sampler = LLMSampler(model, seed=0, max_requests=6, prefetch=False)
    study = goes_on(storage, "llm", sampler, mixed, 3)
    assert sampler.spending(study).requests == 6
    assert model.n_requests == 0


def test_llambo_goes_on(storage: JournalStorage) -> None:
    model = CountingModel(0)
    sampler = LLAMBOSampler(model, seed=0)
    study = goes_on(storage, "llambo", sampler, mixed, 2)
    # Not the zero-shot warm start once more: candidates and predictions, for each trial.
    assert model.n_requests >= 4
    assert sampler.spending(study).requests == 38 + model.n_requests
