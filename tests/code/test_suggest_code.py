"""Functions whose code is tuned: versions, numbers, contracts, what is stored, what comes back."""

from __future__ import annotations

from collections.abc import Callable
import json
import math
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import GPSampler
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FixedTrial
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import code_parameter
from optuna_llm import load_code
from optuna_llm import suggest_code
from optuna_llm.code.parameter import CodeParameter
from optuna_llm.code.sandbox.probe import sandbox_level
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import SandboxError


# "limits" takes more where there is more, and the tests run where there is less, too.
def grows(call: Callable[..., Any]) -> None:
    assert call(3.0, 1) > call(1.0, 1)


@code_parameter(
    examples=[(1.0, 1), (2.5, 3), (1.5, 2)], tests=[grows], trust="limits", seconds=60.0
)
def curve(x, step):
    """Return a number that grows with x."""
    slope = 0.5
    return slope * x


BETTER = (
    "def curve(x, step):\n    # Meets the target at a slope of 2.\n    return x * 0.9 * step\n"
)
TARGET = 2.0


def objective(trial: optuna.Trial) -> float:
    call = suggest_code(trial, curve)
    offset = trial.suggest_float("offset", -1, 1)
    return abs(call(1.0, 1) - TARGET) + abs(offset - 0.5)


SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "TPE": lambda: TPESampler(seed=0, n_startup_trials=4),
    "GP": lambda: GPSampler(seed=0, n_startup_trials=3),
    "CMA-ES": lambda: CmaEsSampler(seed=0),
    "CQR": lambda: CQRSampler(seed=0),
    "LLM": lambda: LLMSampler(seed=0),
    "LLAMBO": lambda: LLAMBOSampler(seed=0),
}


def run(n_trials: int, sampler: BaseSampler | None = None, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=sampler or TPESampler(seed=0), **options)
    study.optimize(objective, n_trials=n_trials)
    return study


def test_called_itself_it_is_the_function() -> None:
    assert isinstance(curve, CodeParameter)
    assert curve(3.0, 1) == 1.5
    assert curve.__doc__ == "Return a number that grows with x."
    assert curve.text.startswith("def curve(x, step):\n    ")


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_versions_and_their_numbers_are_tuned(name: str) -> None:
    study = optuna.create_study(sampler=SAMPLERS[name]())
    study.enqueue_trial({})
    study.enqueue_trial({"curve": BETTER})
    study.optimize(objective, n_trials=10)
    first, second = study.trials[:2]
    assert first.params.keys() == {"curve", "curve.0.slope", "offset"}
    assert (first.params["curve"], first.params["curve.0.slope"]) == (0, 0.5)
    assert second.params.keys() == {"curve", "curve.1.0", "offset"}
    assert (second.params["curve"], second.params["curve.1.0"]) == (1, 0.9)
    # Later trials vary the numbers of the version that they run.
    names = {0: "curve.0.slope", 1: "curve.1.0"}
    for trial in study.trials[2:]:
        assert trial.params[names[trial.params["curve"]]] not in (0.5, 0.9)
    assert len({t.params["curve"] for t in study.trials}) == 2
    assert objective(study.best_trial) == study.best_value


def test_a_trial_gives_its_version_back_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    study = run(3, study_name="s", storage=JournalStorage(JournalFileBackend(path)))
    study.enqueue_trial({"curve": BETTER})
    study.optimize(objective, n_trials=2)
    again = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(path)))
    for trial in again.trials:
        call = load_code(trial, "curve", trust="limits")
        offset = abs(trial.params["offset"] - 0.5)
        assert abs(call(1.0, 1) - TARGET) + offset == pytest.approx(trial.value)
        assert objective(trial) == trial.value  # type: ignore[arg-type]
        assert call.number == trial.params["curve"]
        assert "def curve(" in call.source
    assert again.trials[3].user_attrs["llm:choice:curve"] == BETTER
    expected = sandbox_level()
    assert {t.user_attrs["llm:sandbox:curve"] for t in again.trials} == {expected}
    # Goes on where it stopped.
    again.optimize(objective, n_trials=2)
    assert {t.params["curve"] for t in again.trials} == {0, 3}


def test_other_names_and_numbers_are_no_other_version() -> None:
    study = run(1)
    twin = "def curve(x, step):\n    s = 0.75  # As good.\n    return s * x\n"
    study.enqueue_trial({"curve": twin})
    study.optimize(objective, n_trials=1)
    assert study.trials[1].params["curve"] == 0
    assert study.trials[1].params["curve.0.slope"] == 0.75
    assert study.trials[1].user_attrs["llm:choice:curve"] == curve.text


def test_equal_behaviour_on_the_examples_is_no_other_version() -> None:
    study = run(1)
    study.enqueue_trial({"curve": "def curve(x, step): return (x + x) * 0.25"})
    study.optimize(objective, n_trials=1)
    assert study.trials[1].params["curve"] == 0


def test_numbers_that_are_queued_count() -> None:
    study = run(1)
    study.enqueue_trial({"curve": 0, "curve.0.slope": 2.5, "offset": 0.5})
    study.optimize(objective, n_trials=1)
    assert study.trials[1].value == 0.5


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def curve(x, step): return -x", "breaks the contract: grows: assert"),
        ("def curve(x, step): return 1 / 0", r"on \(1.0, 1\) it raised ZeroDivisionError"),
        ("def curve(x, step): return {1}", "a set cannot pass"),
        ("def curve(x): return x", r"must take \(x, step\)"),
        ("def curve(x, step) return x", "does not parse"),
        ("def curve(x, step): return np.sin(x)", "'np' is not defined .*imports= only"),
        ("def curve(x, step): return '" + "x" * 1_000_000 + "'", "characters; at most 20,000"),
        (7, "curve=7 is the number of no version; there are 0"),
    ],
)
def test_a_version_that_is_none_fails_its_trial_alone(source: object, message: str) -> None:
    study = run(1)
    study.enqueue_trial({"curve": source})
    with pytest.raises(ConfigurationError, match=message):
        study.optimize(objective, n_trials=1)
    assert study.trials[1].state == TrialState.FAIL
    assert "curve" not in study.trials[1].params
    study.optimize(objective, n_trials=1)
    assert study.trials[2].params["curve"] == 0


def test_a_version_that_fails_later_says_why_and_the_study_goes_on() -> None:
    study = run(1)
    fragile = "def curve(x, step):\n    return x * 0.4 if step != 1000 else open_it()"
    study.enqueue_trial({"curve": fragile})

    def later(trial: optuna.Trial) -> float:
        return float(suggest_code(trial, curve)(1.0, 1000))

    study.optimize(later, n_trials=3, catch=SandboxError)
    failed = study.trials[1]
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["fail_reason"] == (
        "curve, version 1: it raised NameError: name 'open_it' is not defined"
    )
    assert len(study.trials) == 4


def test_a_contract_that_has_changed_leaves_old_versions_aside() -> None:
    study = run(2)

    @code_parameter(trust="limits", seconds=60.0)
    def curve(x, step, more):
        return x

    def other(trial: optuna.Trial) -> float:
        return float(suggest_code(trial, curve)(1.0, 1, 2))

    study.optimize(other, n_trials=3)
    assert [t.params["curve"] for t in study.trials[2:]] == [2, 2, 2]


def test_what_is_stored_is_plain_data() -> None:
    trial = run(1).trials[0]
    record = trial.system_attrs["llm:code:curve"]
    assert json.loads(json.dumps(record)) == record
    assert record["imports"] == ["math"]
    assert record["by"] == "user"
    assert len(record["behaviour"]) == 64


def test_the_parent_of_a_version_is_the_one_most_like_it() -> None:
    study = run(1)
    study.enqueue_trial({"curve": BETTER})
    study.enqueue_trial({"curve": BETTER.rstrip() + " * step"})
    study.optimize(objective, n_trials=2)
    born = [t.system_attrs["llm:code:curve"] for t in study.trials]
    assert [b.get("parent") for b in born] == [None, 0, 1]


def test_imports_of_a_stored_version_are_not_taken_from_anywhere() -> None:
    study = run(1)
    trial = study.trials[0]
    trial.system_attrs["llm:code:curve"]["imports"] = ["antigravity", "math"]
    assert load_code(trial, "curve", trust="limits")(1.0, 1) == 0.5
    assert "antigravity" not in str(load_code(trial, "curve", trust="limits")._sandbox.source)


def test_numpy_under_its_usual_name() -> None:
    @code_parameter(imports=["numpy as np"], trust="limits", seconds=60.0)
    def features(table):
        return np.log1p(table) * math.sqrt(4.0)  # noqa: F821

    study = optuna.create_study(sampler=TPESampler(seed=0))

    def use(trial: optuna.Trial) -> float:
        import numpy as np

        return float(suggest_code(trial, features)(np.ones(3)).sum())

    study.optimize(use, n_trials=1)
    assert study.best_value == pytest.approx(6 * math.log(2))
    assert "features.0.0" in study.best_params


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: suggest_code(FixedTrial({}), grows), "decorated with @optuna_llm.code_param"),
        (lambda: suggest_code(FixedTrial({}), curve), "has run no version of 'curve'"),
        (lambda: load_code(run(1).trials[0], "other"), "has run no version of 'other'"),
        (lambda: load_code(run(1).trials[0], "curve", time=1), "no argument 'time'"),
        (lambda: code_parameter(len), "source of .* cannot be found"),
        (lambda: code_parameter(imports=["os; x"])(grows), "'os; x' must be a module"),
        (lambda: code_parameter(imports="numpy")(grows), r"must be a list, such as \['numpy'\]"),
        (lambda: code_parameter(imports=["no_such"])(grows), "no module 'no_such'; install it"),
        (lambda: code_parameter(examples=[1])(grows), r"list of tuples .*, such as \[\(1,\)\]"),
        (lambda: code_parameter(tests=["x"])(grows), "'x' must be a function"),
        (lambda: code_parameter(seconds=0)(grows), "seconds=0 must be above 0"),
    ],
)
def test_wrong_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        call()
