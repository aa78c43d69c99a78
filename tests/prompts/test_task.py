from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_llm import LLMSampler
from optuna_llm import Scale
from optuna_llm.chat import estimate_tokens
from optuna_llm.errors import ConfigurationError
from optuna_llm.prompts import Task


def test_text_mapping_and_nothing_are_accepted() -> None:
    assert Task.of(None) == Task()
    assert Task.of("tune a forest") == Task(text="tune a forest")
    assert Task.of({"dataset": "iris", "n_trials": 30}) == Task(dataset="iris", n_trials=30)
    assert Task.of(Task(metric="AUC")) == Task(metric="AUC")


@pytest.mark.parametrize(
    ("task", "named"),
    [
        (3, "task"),
        ({"data": "iris"}, "'data'"),
        ({"dataset": 3}, "dataset"),
        ({"n_trials": 0}, "n_trials"),
        ({"n_trials": True}, "n_trials"),
        ({"n_trials": "30"}, "n_trials"),
        ({3: "x"}, "3"),
    ],
)
def test_bad_input_is_named(task: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Task.of(task)


@pytest.mark.parametrize("character", ["word ", "1", "!", "日", "🙂", "\x00", '"', "\\"])
def test_long_fields_are_cut_visibly_to_300_tokens(character: str) -> None:
    long = character * 5000
    lines = Task(text=long, metric=long, dataset=long, model=long, hardware=long).lines()
    assert sum(estimate_tokens(line) + 1 for line in lines) <= 300
    assert all(line.endswith('…"') or character == "\x00" for line in lines)


def test_short_fields_survive_a_long_text() -> None:
    lines = Task(text="blah " * 2000, metric="log loss", hardware="8 GB").lines()
    assert '- metric: "log loss"' in lines
    assert '- hardware: "8 GB"' in lines


def test_the_number_of_trials_is_told_in_one_place_or_alike_in_both() -> None:
    assert Task(metric="AUC").with_budget(30) == Task(metric="AUC", n_trials=30)
    assert Task(n_trials=30).with_budget(None).n_trials == 30
    assert Task(n_trials=30).with_budget(30).n_trials == 30
    with pytest.raises(ConfigurationError, match=r"n_trials=20 and Task.n_trials=30 differ"):
        Task(n_trials=30).with_budget(20)
    with pytest.raises(ConfigurationError, match="n_trials must be a positive integer"):
        Task().with_budget(0)


def test_sizes_are_told_once_and_may_be_a_mapping() -> None:
    task = Task(scale={"rows": 5000, "classes": 3}, model="SVM")  # type: ignore[arg-type]
    assert task.scale == Scale(rows=5000, classes=3)
    assert '- size: "rows 5000, classes 3"' in task.lines()
    told = Task(scale=Scale(rows=5000, columns=4), dataset="5000 rows of weather").lines()
    assert '- size: "columns 4"' in told
    assert Task.of({"scale": {"width": 64}}).scale == Scale(width=64)
    with pytest.raises(ConfigurationError, match="scale: width=0 must be"):
        Task.of({"scale": {"width": 0}})


def test_sizes_reach_the_prior_of_a_sampler() -> None:
    sampler = LLMSampler(task=Task(scale=Scale(width=4096), model="network"), seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("lr", 1e-6, 1, log=True), n_trials=1)
    assert study.trials[0].params["lr"] == pytest.approx(1e-3 / 8)
    assert "lr x 0.125: learning_rate ~ width^-0.75" in str(study.trials[0].user_attrs)
