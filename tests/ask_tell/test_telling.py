from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import math
from typing import Any

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm.ask_tell.asking import ask
from optuna_llm.ask_tell.desk import Desk
from optuna_llm.ask_tell.desk import open_desk
from optuna_llm.ask_tell.telling import tell
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ConflictError


def test_a_value_is_told_once_or_twice(desk: Desk) -> None:
    ask(desk)
    once = tell(desk, 0, [0.5], constraints={"size": -1.0}, intermediate={1: 0.9}, why="slow")
    assert once == {
        "trial": 0,
        "state": "complete",
        "values": [0.5],
        "already": False,
        "best": [0],
    }
    assert tell(desk, 0, [0.5]) == {**once, "already": True}
    (trial,) = desk.study.trials
    assert trial.constraints == {"size": -1.0}
    assert trial.intermediate_values == {1: 0.9}
    assert trial.user_attrs["comment"] == "slow"


def test_a_failure_keeps_its_reason(desk: Desk) -> None:
    ask(desk, 3)
    assert tell(desk, 0, "failed", why="out of memory")["state"] == "fail"
    assert tell(desk, 1, "interrupted", why="evicted")["state"] == "fail"
    assert tell(desk, 2, "pruned", intermediate={3: 0.7})["state"] == "pruned"
    failed, interrupted, pruned = desk.history().observations
    assert (failed.failure, failed.is_interrupted) == ("out of memory", False)
    assert (interrupted.failure, interrupted.is_interrupted) == ("evicted", True)
    assert pruned.intermediate_values == {3: 0.7}
    for number, how in enumerate(("failed", "interrupted", "pruned")):
        assert tell(desk, number, how)["already"]


@pytest.mark.parametrize("second", [[0.6], "failed", "pruned", "interrupted", None])
def test_the_contrary_is_a_conflict_and_changes_nothing(desk: Desk, second: Any) -> None:
    ask(desk)
    tell(desk, 0, [0.5])
    with pytest.raises(ConflictError, match=r"trial=0 .*complete with \[0.5\]"):
        tell(desk, 0, second)
    assert desk.study.trials[0].values == [0.5]


@pytest.mark.parametrize(
    "other",
    [
        {"constraints": {"size": 2.0}},
        {"intermediate": {1: 0.4}},
        {"constraints": {"size": -1.0}, "intermediate": {1: 0.4}},
    ],
)
def test_parts_are_told_once_too(desk: Desk, other: dict[str, Any]) -> None:
    same: dict[str, Any] = {"constraints": {"size": -1.0}, "intermediate": {1: 0.9, 2: math.nan}}
    ask(desk)
    for ending in ([], [], [0.5], [0.5]):
        tell(desk, 0, ending or None, **same)
        with pytest.raises(ConflictError, match=r"trial=0 has the value .* keep what is stored"):
            tell(desk, 0, ending or None, **other)
    # What comes after the end is lost, and so is not taken.
    with pytest.raises(ConflictError, match="no value at step 3"):
        tell(desk, 0, [0.5], intermediate={3: 0.1})
    with pytest.raises(ConflictError, match="no value of constraint 'time'"):
        tell(desk, 0, [0.5], constraints={"time": 1.0})
    (trial,) = desk.study.trials
    assert trial.constraints == {"size": -1.0}
    assert trial.intermediate_values[1] == 0.9


def test_of_many_who_tell_at_once_one_is_first(desk: Desk, storage: str) -> None:
    ask(desk)

    def one(value: float) -> str:
        try:
            return "again" if tell(open_desk(storage, "s"), 0, [value])["already"] else "first"
        except ConflictError:
            return "conflict"

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(one, [1.0, 2.0] * 4))
    assert ends.count("first") == 1
    assert (ends.count("again"), ends.count("conflict")) == (3, 4)


def test_reports_on_the_way_say_whether_to_stop(desk: Desk) -> None:
    for _ in range(6):
        (p,) = ask(desk)["proposals"]
        tell(desk, p["trial"], [1.0], intermediate={1: 1.0, 2: 1.0})
    ask(desk, 2)
    good, bad = (tell(desk, n, intermediate={1: v}) for n, v in ((6, 0.1), (7, 9.0)))
    assert (good, bad) == (
        {"trial": 6, "state": "running", "stop": False},
        {"trial": 7, "state": "running", "stop": True},
    )
    assert tell(desk, 6, intermediate={1: 0.1})["stop"] is False


@pytest.mark.parametrize(
    ("trial", "outcome", "more", "said"),
    [
        (1, [1.0], {}, "choose one from 0 to 0"),
        (-1, [1.0], {}, "trial=-1"),
        (0, [1.0, 2.0], {}, "1 objectives"),
        (0, [math.nan], {}, "NaN"),
        (0, "good", {}, "'good'.*ending"),
        (0, [1.0], {"constraints": {"size": math.nan}}, "'size'"),
    ],
)
def test_what_cannot_be_told(
    desk: Desk, trial: int, outcome: Any, more: dict[str, Any], said: str
) -> None:
    ask(desk)
    with pytest.raises(ConfigurationError, match=said):
        tell(desk, trial, outcome, **more)
    assert desk.study.trials[0].state == TrialState.RUNNING


def test_a_waiting_trial_is_to_be_asked_for_first(desk: Desk) -> None:
    desk.study.enqueue_trial({"depth": 2})
    with pytest.raises(ConfigurationError, match="ask for it first"):
        tell(desk, 0, [1.0])


def test_a_trial_of_another_sampler_stays_its_own(desk: Desk) -> None:
    study = optuna.load_study(
        study_name="s", storage=desk.study._storage, sampler=optuna.samplers.RandomSampler()
    )
    study.ask(desk.setup.distributions)
    tell(desk, 0, [1.0])
    assert "llm:source" not in desk.study.trials[0].user_attrs


def test_infinite_values_are_results(desk: Desk) -> None:
    ask(desk)
    assert tell(desk, 0, [math.inf])["values"] == [math.inf]
