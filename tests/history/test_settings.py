"""What ran a study: its samplers' settings and versions, without secrets."""

from __future__ import annotations

import copy
import inspect
import json
from pathlib import Path
import pickle
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers import PartialFixedSampler
from optuna.samplers import TPESampler
import pytest

from optuna_llm import AgentSampler
from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import Task
from optuna_llm.history.attributes import MAX_LENGTH
from optuna_llm.history.settings import KEY_PREFIX
from optuna_llm.history.settings import settings_of


SECRET = "a-very-secret-key-of-ours"


def _objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1) ** 2


def _run(sampler: Any, n_trials: int = 2, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(_objective, n_trials)
    return study


@pytest.mark.parametrize("kind", [LLMSampler, LLAMBOSampler, CQRSampler, AgentSampler])
def test_each_of_our_samplers_is_kept_with_what_it_was_given(kind: Any) -> None:
    space = {"x": FloatDistribution(0, 1)}
    (run,) = settings_of(_run(kind(search_space=space, seed=5)))
    assert run.sampler == kind.__name__
    assert set(run.arguments) == {"search_space", "seed"}
    assert run.arguments["seed"] == 5
    assert "FloatDistribution" in run.arguments["search_space"]
    assert run.versions["optuna"] == optuna.__version__
    assert {"python", "numpy", "optuna-llm"} <= set(run.versions)
    assert run.trial == 0


def test_signatures_stay_as_they_are() -> None:
    assert list(inspect.signature(CQRSampler).parameters)[:2] == ["search_space", "surrogate"]
    assert "max_cost" in inspect.signature(LLMSampler).parameters
    with pytest.raises(TypeError, match="unexpected keyword argument 'sede'"):
        CQRSampler(sede=1)  # type: ignore[call-arg]


def test_secrets_are_never_kept() -> None:
    # Before the space is known, in the first trial, no model is asked.
    sampler = LLMSampler(
        "small",
        base_url="http://127.0.0.1:9/v1",
        api_key=SECRET,
        prefetch=False,
        extra_body={"api_key": SECRET, "top_k": 3},
        param_docs={"x": f"Bearer {SECRET}"},
        task=Task(text=f"ask with {SECRET}", n_trials=60),
        base_sampler=TPESampler(seed=1),
    )
    for made in (sampler, pickle.loads(pickle.dumps(sampler)), copy.deepcopy(sampler)):
        study = _run(made, 1)
        stored = json.dumps(study._storage.get_study_system_attrs(study._study_id))
        assert SECRET not in stored
        (run,) = settings_of(study)
        assert "api_key" not in run.arguments
        assert run.arguments["extra_body"] == "[api_key, top_k]"
        assert run.arguments["base_sampler"] == "TPESampler"
        assert run.n_trials == 60
        assert SECRET not in str(run)


def test_long_arguments_fit_what_databases_hold() -> None:
    docs = {f"p{i}": "word " * 200 for i in range(50)}
    good = [{"x": i / 100} for i in range(100)]
    study = _run(LLMSampler(param_docs=docs, known_good=good, task="x" * 5000, seed=1), 1)
    values = study._storage.get_study_system_attrs(study._study_id)
    (value,) = [v for k, v in values.items() if k.startswith(KEY_PREFIX)]
    assert len(json.dumps(value)) <= MAX_LENGTH
    assert value["arguments"]["seed"] == 1


def test_each_set_of_settings_is_kept_once_with_its_first_trial() -> None:
    study = _run(CQRSampler(seed=1), 3)
    study.sampler = CQRSampler(seed=2)
    study.optimize(_objective, 2)
    study.sampler = CQRSampler(seed=1)
    study.optimize(_objective, 1)
    assert [(str(r), r.trial) for r in settings_of(study)] == [
        ("CQRSampler(seed=1)", 0),
        ("CQRSampler(seed=2)", 3),
    ]


def test_a_sampler_inside_another_one_is_part_of_its_settings() -> None:
    study = _run(LLMSampler(base_sampler=CQRSampler(seed=4), seed=1), 2)
    (run,) = settings_of(study)
    assert str(run) == "LLMSampler(base_sampler=CQRSampler(seed=4), seed=1)"
    wrapped = PartialFixedSampler({"x": 0.5}, CQRSampler(seed=4))
    assert [str(r) for r in settings_of(_run(wrapped))] == ["CQRSampler(seed=4)"]


def test_a_subclass_is_kept_by_its_own_name_and_arguments() -> None:
    class Mine(CQRSampler):
        def __init__(self, width: int, **options: Any) -> None:
            super().__init__(n_candidates=64, **options)

    (run,) = settings_of(_run(Mine(3, seed=2)))
    assert str(run) == "Mine(width=3, seed=2)"


def test_studies_of_other_samplers_have_none() -> None:
    assert settings_of(_run(TPESampler(seed=0))) == []


def test_a_study_that_was_deleted_and_made_again_is_told_again(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    sampler = CQRSampler(seed=1)
    opened = optuna.storages.RDBStorage(storage)
    for _ in range(2):
        study = _run(sampler, 2, storage=opened, study_name="s")
        assert len(settings_of(study)) == 1
        optuna.delete_study(study_name="s", storage=opened)
