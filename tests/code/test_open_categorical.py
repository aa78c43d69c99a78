"""Choices that differ from trial to trial: all samplers, stored, resumed, queued, run again."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import GPSampler
from optuna.samplers import NSGAIISampler
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FixedTrial
from optuna.trial import TrialState
import pytest

from optuna_llm import AgentSampler
from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import suggest_open_categorical
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.space.versions import VersionDistribution
from tests.support.models import well_behaved
from tests.support.server import ChatServer


WORTH = {"plain": 1.0, "short": 0.5, "steps": 0.2, "example": 0.0}
SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "TPE": lambda: TPESampler(seed=0),
    "GP": lambda: GPSampler(seed=0, n_startup_trials=3),
    "CMA-ES": lambda: CmaEsSampler(seed=0),
    "NSGA-II": lambda: NSGAIISampler(seed=0),
    "CQR": lambda: CQRSampler(seed=0),
    "LLM on TPE": lambda: LLMSampler(base_sampler=TPESampler(seed=0), seed=0),
    "LLM": lambda: LLMSampler(seed=0),
    "LLAMBO": lambda: LLAMBOSampler(seed=0),
    "Agent": lambda: AgentSampler(seed=0),
}


def choices_at(number: int) -> list[str]:
    """Half of the choices come later, and the first one goes."""
    return ["plain", "short"] if number < 8 else ["short", "steps", "example"]


def objective(trial: optuna.Trial) -> float:
    prompt = suggest_open_categorical(trial, "prompt", choices_at(trial.number))
    x = trial.suggest_float("x", -1, 1)
    return WORTH[prompt] + (x - 0.3) ** 2


def chosen(study: optuna.Study) -> list[str]:
    return [t.user_attrs["llm:choice:prompt"] for t in study.trials]


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_finds_the_best_of_growing_choices(name: str) -> None:
    study = optuna.create_study(sampler=SAMPLERS[name]())
    study.optimize(objective, n_trials=24)
    run = chosen(study)
    assert all(text in choices_at(number) for number, text in enumerate(run))
    assert set(run) == set(WORTH)
    assert run[8:].count("example") > 16 / 3
    for trial in study.trials:
        born = run.index(trial.user_attrs["llm:choice:prompt"])
        assert trial.params["prompt"] == born
        assert trial.distributions["prompt"] == IntDistribution(born, born)
    # A finished trial says all that is needed to run it again.
    assert objective(study.best_trial) == study.best_value


def memory(folder: Path) -> Callable[[], BaseStorage]:
    held = optuna.storages.InMemoryStorage()
    return lambda: held


def sqlite(folder: Path) -> Callable[[], BaseStorage]:
    return lambda: RDBStorage(f"sqlite:///{folder}/study.db")


def journal(folder: Path) -> Callable[[], BaseStorage]:
    return lambda: JournalStorage(JournalFileBackend(str(folder / "study.log")))


@pytest.mark.parametrize("storage", [memory, sqlite, journal])
def test_a_study_goes_on_where_another_process_left_it(
    storage: Callable[[Path], Callable[[], BaseStorage]], tmp_path: Path
) -> None:
    connect = storage(tmp_path)
    first = optuna.create_study(study_name="s", storage=connect(), sampler=CQRSampler(seed=0))
    first.optimize(objective, n_trials=5)
    second = optuna.load_study(study_name="s", storage=connect(), sampler=TPESampler(seed=0))
    second.optimize(objective, n_trials=4)
    run = chosen(second)
    assert [t.params["prompt"] for t in second.trials] == [run.index(text) for text in run]
    frame = second.trials_dataframe()
    assert list(frame["user_attrs_llm:choice:prompt"]) == run
    assert list(frame["params_prompt"]) == [run.index(text) for text in run]


def test_our_samplers_see_a_category_that_may_be_new() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=8)
    trial = study.ask()
    suggest_open_categorical(trial, "prompt", choices_at(8))
    seen = History.from_study(study).parameters["prompt"]
    assert isinstance(seen, VersionDistribution)
    offer = trial.storage.get_trial(trial._trial_id).system_attrs["llm:offer:prompt"]
    assert offer == {"trial": 8, "versions": [1], "new": 2}
    if study.trials[-1].params["prompt"] == 1:
        assert seen.labels == ("short", "a new one")
    # Versions have no order, whatever their numbers are.
    assert History.from_study(study).search_space().n_choices[0] == len(seen.choices)


def test_a_choice_is_queued_by_its_number_or_itself() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.enqueue_trial({"prompt": "example", "x": 0.5})  # None of today's choices.
    study.enqueue_trial({"prompt": 0})
    study.enqueue_trial({"prompt": "plain"})
    study.enqueue_trial({"prompt": "example"})
    study.optimize(objective, n_trials=4)
    assert chosen(study) == ["example", "example", "plain", "example"]
    assert [t.params["prompt"] for t in study.trials] == [0, 0, 2, 0]
    assert study.trials[0].params["x"] == 0.5
    study.enqueue_trial({"prompt": 3})
    with pytest.raises(ConfigurationError, match=r"prompt=3 is the number of no version.* 0, 2"):
        study.optimize(objective, n_trials=1)


def test_queued_numbers_warn_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    study = optuna.create_study(sampler=TPESampler(seed=0))
    study.optimize(objective, n_trials=2)
    study.enqueue_trial({"prompt": 1, "x": 0.0})
    study.optimize(objective, n_trials=1)
    assert [str(w.message) for w in recwarn if "out of range" in str(w.message)] == []
    assert study.trials[2].params == {"prompt": 1, "x": 0.0}


def test_equal_choices_of_two_workers_are_one_version() -> None:
    study = optuna.create_study(sampler=TPESampler(seed=0))
    trials = [study.ask() for _ in range(3)]
    for trial in reversed(trials):
        assert suggest_open_categorical(trial, "prompt", ["plain"]) == "plain"
    assert [t.params["prompt"] for t in study.trials] == [2, 2, 2]


def test_what_is_asked_for_twice_is_the_same() -> None:
    study = optuna.create_study(sampler=TPESampler(seed=0))
    trial = study.ask()
    first = suggest_open_categorical(trial, "prompt", ["plain", "short"])
    assert suggest_open_categorical(trial, "prompt", ["short", "plain"]) == first


def test_a_trial_that_is_queued_again_runs_the_same_version() -> None:
    study = optuna.create_study(sampler=TPESampler(seed=0))
    study.optimize(objective, n_trials=3)
    trial = study.trials[1]
    study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)
    study.optimize(objective, n_trials=1)
    assert study.trials[3].params == trial.params
    assert chosen(study)[3] == chosen(study)[1]


def test_like_choices_of_other_types_are_others() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    options: list[Any] = [True, 1, "1", 1.0, None]

    def run(trial: optuna.Trial) -> float:
        return float(options.index(suggest_open_categorical(trial, "it", options)))

    study.optimize(run, n_trials=10)
    kept = [t.user_attrs["llm:choice:it"] for t in study.trials]
    assert {json.dumps(k) for k in kept} == {"true", "1", '"1"', "1.0", "null"}


def test_several_objectives_and_failed_trials() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=TPESampler(seed=0))

    def both(trial: optuna.Trial) -> tuple[float, float]:
        value = objective(trial)
        if trial.number % 4 == 3:
            raise ValueError("no luck")
        return value, -value

    study.optimize(both, n_trials=16, catch=ValueError)
    assert {t.state for t in study.trials} == {TrialState.COMPLETE, TrialState.FAIL}
    assert set(chosen(study)) == set(WORTH)


# ---- long texts


def test_a_long_text_goes_into_an_artifact(tmp_path: Path) -> None:
    store = FileSystemArtifactStore(tmp_path)
    text = "é" * 1_000_000
    study = optuna.create_study(sampler=TPESampler(seed=0))

    def run(trial: optuna.Trial) -> float:
        found = suggest_open_categorical(trial, "it", [text, "brief"], artifact_store=store)
        return float(len(found))

    study.optimize(run, n_trials=6)
    kept = [t.user_attrs["llm:choice:it"] for t in study.trials]
    assert all(len(json.dumps(k)) < 2000 for k in kept)
    assert len(list(tmp_path.iterdir())) == 1  # However many trials run it.
    long = next(t for t in study.trials if t.value == len(text))
    assert suggest_open_categorical(long, "it", ["brief"], artifact_store=store) == text
    assert suggest_open_categorical(long, "it", [text]) == text
    with pytest.raises(ConfigurationError, match="artifact_store=None"):
        suggest_open_categorical(long, "it", ["brief"])
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ConfigurationError, match="does not hold artifact"):
        suggest_open_categorical(
            long, "it", ["brief"], artifact_store=FileSystemArtifactStore(other)
        )


def test_a_long_text_is_refused_without_a_store() -> None:
    trial = optuna.create_study().ask()
    with pytest.raises(ConfigurationError, match=r"1,000,002 bytes.*pass artifact_store="):
        suggest_open_categorical(trial, "it", ["x" * 1_000_000])


# ---- the model


@pytest.mark.parametrize("anonymize", [False, True])
def test_a_model_proposes_versions_by_their_labels(anonymize: bool) -> None:
    with ChatServer(well_behaved()) as server:
        sampler = LLMSampler("m", base_url=server.base_url, seed=0, anonymize=anonymize)
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=14)
        shown = json.dumps([r.json for r in server.requests])
    assert "llm" in {t.user_attrs["llm:source"] for t in study.trials}
    assert ("one of [plain, " in shown) is not anonymize
    assert ("one of [option_a, " in shown) is anonymize


# ---- what it is given


def test_a_fixed_trial_names_the_choice() -> None:
    assert objective(FixedTrial({"prompt": "short", "x": 0.3})) == 0.5  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'other' not in"):
        objective(FixedTrial({"prompt": "other", "x": 0.3}))  # type: ignore[arg-type]
    untold = optuna.trial.create_trial(value=0.0)
    with pytest.raises(ConfigurationError, match="does not say what it runs of 'prompt'"):
        objective(untold)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("", ["a"], "name=''"),
        ("it", [], "choices=\\[\\]"),
        ("it", "abc", "must be a list"),
        ("it", ["a", "a"], "choices\\[1\\]='a' of 'it' is there twice"),
        ("it", [float("nan")], "choices\\[0\\]=nan"),
        ("it", [object()], "give objects a name"),
    ],
)
def test_wrong_arguments_are_one_clear_error(name: str, choices: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        suggest_open_categorical(optuna.create_study().ask(), name, choices)
