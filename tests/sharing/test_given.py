"""What users say of parameters by name, held against what the objective asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.sharing import given
from optuna_llm.sharing.given import exact


ALL = [CQRSampler, LLMSampler, LLAMBOSampler]
SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 10), "y": FloatDistribution(0, 10)}


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(given._logger, "warning", said.append)
    return said


def two(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 10) + trial.suggest_float("y", 0, 10)


def run(sampler: Any, objective: Callable[[optuna.Trial], float], n: int, **fixed: Any) -> Any:
    study = optuna.create_study(sampler=sampler)
    if fixed:
        study.enqueue_trial(fixed)
    study.optimize(objective, n_trials=n)
    return study


def rationale(trial: Any) -> str:
    return str(trial.user_attrs["llm:rationale"])


def test_values_are_read_exactly() -> None:
    space: dict[str, BaseDistribution] = {
        "n": IntDistribution(1, 10),
        "lr": FloatDistribution(1e-4, 1, log=True),
        "c": CategoricalDistribution([True, 1, "1", None]),
        "学习率": FloatDistribution(0, 1),
    }
    values, problems = exact({"n": np.int64(5), "lr": 0.1, "c": "1", "N": 7, "深度": 1}, space)
    assert values == {"n": 5, "lr": 0.1, "c": "1"}
    assert not problems
    assert exact({"c": 1}, space)[0]["c"] is space["c"].choices[1]
    values, problems = exact({"n": 99, "lr": "0.1", "c": "None", "学习率": float("nan")}, space)
    assert values == {}
    assert "n=99 must be integer from 1 to 10; nearest is 10" in problems["n"]
    assert set(problems) == {"n", "lr", "c", "学习率"}


@pytest.mark.parametrize("kind", [np.float16, np.float32, lambda v: np.array(v, dtype="f4")])
def test_numbers_of_single_precision_are_what_they_are_written_as(
    kind: Callable[[float], Any],
) -> None:
    space: dict[str, BaseDistribution] = {
        "stepped": FloatDistribution(0, 1, step=0.1),
        "highest": FloatDistribution(0, 0.1),
        "chosen": CategoricalDistribution([0.1, 0.2]),
    }
    given = {"stepped": kind(0.3), "highest": kind(0.1), "chosen": kind(0.2)}
    assert exact(given, space) == ({"stepped": 0.3, "highest": 0.1, "chosen": 0.2}, {})
    _, problems = exact({"stepped": kind(0.35), "highest": kind(0.2)}, space)
    assert problems.keys() == {"stepped", "highest"}


@pytest.mark.parametrize("sampler", ALL)
def test_a_mistyped_name_is_one_warning_and_never_claimed(
    sampler: Any, warnings: list[str]
) -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("learning_rate", 1e-4, 1, log=True)

    study = run(sampler(seed=0, known_good=[{"lr": 0.37}]), objective, 4)
    assert len(warnings) == 1
    assert "known_good[0]" in warnings[0]
    assert "'lr'" in warnings[0]
    assert "Did you mean 'learning_rate'?" in warnings[0]
    assert not [t for t in study.trials if rationale(t).startswith("Known good")]


def test_what_one_study_asks_for_says_nothing_of_another_of_its_name(warnings: list[str]) -> None:
    sampler = CQRSampler(known_good=[{"z": 0.5}], seed=0)
    for objective in (lambda t: t.suggest_float("z", 0, 1), two):
        optuna.create_study(study_name="same", sampler=sampler).optimize(objective, n_trials=2)
    assert len(warnings) == 1
    assert "no trial has asked for 'z'" in warnings[0]


@pytest.mark.parametrize("sampler", ALL)
def test_what_of_a_configuration_was_not_run_is_said(sampler: Any, warnings: list[str]) -> None:
    study = run(sampler(seed=0, known_good=[{"depth": 3, "y": 3.0}]), two, 2)
    assert study.trials[0].params["y"] == 3.0
    assert rationale(study.trials[0]).startswith("Known good configuration 1 of 1")
    assert "depth" in rationale(study.trials[0])
    assert len(warnings) == 1


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize("index", [0, 1])
def test_a_value_out_of_range_is_a_warning_or_an_error_at_construction(
    sampler: Any, index: int, warnings: list[str]
) -> None:
    known = [{"x": 0.5}, {"x": 0.7}]
    known[index] = {"x": 70.0}
    study = run(sampler(seed=0, known_good=known), two, 4)
    assert len(study.trials) == 4
    assert len(warnings) == 1
    assert f"known_good[{index}]: x=70.0" in warnings[0]
    assert 10.0 not in [t.params["x"] for t in study.trials[:2]]
    assert f"configuration {index + 1} of 2, from" not in " ".join(map(rationale, study.trials))
    with pytest.raises(ConfigurationError, match=rf"known_good\[{index}\]: x=70"):
        sampler(known_good=known, search_space=SPACE)


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize("announced", [None, SPACE])
def test_a_trial_enqueued_in_part_leaves_the_known_good_ones_to_others(
    sampler: Any, announced: Any
) -> None:
    known = {"x": 1.0, "y": 2.0}
    study = run(sampler(seed=0, known_good=[known], search_space=announced), two, 4, x=5.0)
    assert study.trials[0].params["x"] == 5.0
    assert study.trials[0].user_attrs["llm:source"] == "enqueued"
    assert "x" in rationale(study.trials[0])
    assert study.trials[1].params == known
    assert rationale(study.trials[1]) == "Known good configuration 1 of 1, from the user."


ANNOUNCED: dict[str, BaseDistribution] = {
    "choice": CategoricalDistribution(["a", "b"]),
    "order": CategoricalDistribution(["z", "a", "b"]),
    "kind": IntDistribution(0, 3),
}


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize("announced", ANNOUNCED.values(), ids=ANNOUNCED)
def test_an_announced_space_that_no_longer_holds_is_one_warning(
    sampler: Any, announced: BaseDistribution, warnings: list[str]
) -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b", "z"])
        return trial.suggest_float("w", 0, 1) + (kind == "a")

    space = {"kind": announced, "w": FloatDistribution(0, 1)}
    study = run(sampler(seed=0, search_space=space, n_startup_trials=2), objective, 6)
    assert len(study.trials) == 6
    assert len(warnings) == 1
    assert "search_space" in warnings[0]
    assert "'kind'" in warnings[0]


@pytest.mark.parametrize("sampler", ALL)
def test_another_scale_is_one_warning(sampler: Any, warnings: list[str]) -> None:
    space = {"x": FloatDistribution(1, 10, log=True), "y": FloatDistribution(0, 10)}
    run(sampler(seed=0, search_space=space), two, 3)
    assert len(warnings) == 1
    assert "'x'" in warnings[0]


def test_announced_and_described_names_that_nobody_asks_for_are_named(
    warnings: list[str],
) -> None:
    run(CQRSampler(seed=0, search_space={**SPACE, "zz": FloatDistribution(0, 1)}), two, 3)
    run(LLMSampler(seed=0, param_docs={"x": "fine", "yy": "not"}), two, 3)
    assert len(warnings) == 2
    assert warnings[0].startswith("search_space: ")
    assert "'zz'" in warnings[0]
    assert warnings[1].startswith("param_docs: ")
    assert "Did you mean 'y'?" in warnings[1]


def test_branches_of_a_conditional_space_are_waited_for(warnings: list[str]) -> None:
    space: dict[str, BaseDistribution] = {
        "kind": CategoricalDistribution(["net", "trees"]),
        "learning_rate": FloatDistribution(0, 1),
        "max_depth": IntDistribution(1, 9),
    }

    def switched(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["net", "trees"]) == "net":
            return trial.suggest_float("learning_rate", 0, 1)
        return trial.suggest_int("max_depth", 1, 9)

    known = [{"kind": "net", "learning_rate": 0.5, "max_depth": 3}]
    run(CQRSampler(seed=0, search_space=space, known_good=known), switched, 9)
    run(LLMSampler(seed=0, search_space=space, param_docs={"max_depth": "of trees"}), switched, 9)
    assert warnings == []
    # After ten finished trials it is said.
    run(
        CQRSampler(seed=0, search_space={**space, "max_leaves": IntDistribution(2, 9)}),
        switched,
        12,
    )
    assert len(warnings) == 1
    assert "max_leaves" in warnings[0]


@pytest.mark.parametrize("sampler", ALL)
def test_a_known_good_configuration_that_was_interrupted_is_run_again(
    sampler: Callable[..., BaseSampler],
) -> None:
    known = [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.125}]
    study = optuna.create_study(sampler=sampler(seed=0, known_good=known))

    def objective(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        if trial.number == 0:
            raise KeyboardInterrupt
        return x + y

    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=5)
    study.optimize(objective, n_trials=6)
    run = [t.params for t in study.trials if t.state == TrialState.COMPLETE]
    assert [run.count(params) for params in known] == [1, 1]
    again = next(t for t in study.trials[1:] if t.params == known[0])
    assert "configuration 1 of 2" in again.user_attrs["llm:rationale"]


@pytest.mark.parametrize("interrupted", [0, 1, 2])
def test_an_interrupted_start_loses_neither_what_is_known_nor_the_usual_values(
    interrupted: int,
) -> None:
    known = [{"learning_rate": 0.25}, {"learning_rate": 0.5}]
    study = optuna.create_study(sampler=CQRSampler(seed=0, known_good=known))

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
        if trial.number == interrupted:
            raise KeyboardInterrupt
        return rate

    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=3)
    study.optimize(objective, n_trials=5)
    rates = [t.params["learning_rate"] for t in study.trials if t.state == TrialState.COMPLETE]
    usual = EmbeddedPrior().default(study.trials[0].distributions)["learning_rate"]
    assert [rates.count(rate) for rate in (0.25, 0.5, usual)] == [1, 1, 1]


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize("failing", [1, 99])
def test_what_is_known_to_be_good_is_tried_once_more_after_it_has_failed(
    sampler: Callable[..., BaseSampler], failing: int
) -> None:
    known = {"learning_rate": 0.25}
    study = optuna.create_study(sampler=sampler(seed=0, known_good=[known]))
    usual = EmbeddedPrior().default({"learning_rate": FloatDistribution(1e-5, 1.0, log=True)})

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
        tried = sum(t.params["learning_rate"] == rate for t in study.trials)
        if rate in (0.25, usual["learning_rate"]) and tried <= failing:
            raise ConnectionError
        return rate

    study.optimize(objective, n_trials=8, catch=(ConnectionError,))
    for params in (known, usual):
        states = [t.state for t in study.trials if t.params == params]
        assert states == [TrialState.FAIL, TrialState.FAIL if failing > 1 else TrialState.COMPLETE]


def test_usual_values_that_failed_after_the_start_up_had_begun_are_tried_once_more() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    trials = [study.ask() for _ in range(12)]
    rates = [t.suggest_float("learning_rate", 1e-5, 1.0, log=True) for t in trials]
    for trial, rate in list(zip(trials, rates, strict=True))[1:]:
        study.tell(trial, rate)
    study.tell(trials[0], state=TrialState.FAIL)
    for expected in (True, False):
        trial = study.ask()
        assert (trial.suggest_float("learning_rate", 1e-5, 1.0, log=True) == rates[0]) == expected
        study.tell(trial, state=TrialState.FAIL)
