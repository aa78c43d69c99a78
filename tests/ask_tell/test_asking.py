from __future__ import annotations

from typing import Any

from optuna.trial import TrialState
import pytest

from optuna_llm.ask_tell.asking import ask
from optuna_llm.ask_tell.asking import enqueue
from optuna_llm.ask_tell.asking import judge
from optuna_llm.ask_tell.desk import Desk
from optuna_llm.ask_tell.desk import new
from optuna_llm.ask_tell.desk import open_desk
from optuna_llm.ask_tell.telling import tell
from optuna_llm.errors import ConfigurationError
from tests.ask_tell.conftest import BAD
from tests.ask_tell.conftest import GOOD
from tests.ask_tell.conftest import SPACE
from tests.ask_tell.conftest import fill
from tests.ask_tell.conftest import loss


def test_what_is_asked_says_who_why_and_what_is_expected(worked: Desk) -> None:
    asked = ask(worked, 2)["proposals"]
    assert [p["trial"] for p in asked] == [14, 15]
    assert asked[0]["params"] != asked[1]["params"]
    for proposal in asked:
        assert proposal["params"].keys() == SPACE.keys()
        assert proposal["source"] == "base"
        assert "Expected" in proposal["why"]
        low, middle, high = proposal["expected"]["loss"].values()
        assert low <= middle <= high
        assert 0 <= proposal["risk"] < 0.5
        assert proposal["nearest"]["trial"] < 14
        assert 1 <= proposal["rank"] <= proposal["of"]


def test_the_first_trials_are_asked_before_anything_is_expected(desk: Desk) -> None:
    (first,) = ask(desk)["proposals"]
    assert first["source"] == "prior"
    assert "expected" not in first


@pytest.mark.parametrize("n", [0, 101])
def test_a_number_of_trials_that_cannot_be(desk: Desk, n: int) -> None:
    with pytest.raises(ConfigurationError, match=f"n={n}"):
        ask(desk, n)
    assert not desk.study.trials


def test_good_ones_are_judged_better_than_bad_ones_and_nothing_is_stored(worked: Desk) -> None:
    before = worked.study.trials
    good, bad = judge(worked, [GOOD, BAD])["judgements"]
    assert (good["verdict"], bad["verdict"]) == ("worth a trial", "vetoed")
    assert "worse than what the statistical sampler" in bad["why"]
    assert good["expected"]["loss"]["0.5"] < bad["expected"]["loss"]["0.5"]
    assert good["rank"] < bad["rank"]
    assert worked.study.trials == before


def test_the_nearest_trial_is_the_one_that_is_repeated(worked: Desk) -> None:
    trial = worked.study.trials[5]
    (same,) = judge(worked, [trial.params])["judgements"]
    assert same["nearest"] == {"trial": 5, "distance": 0.0, "values": trial.values}


def test_judging_is_too_early_before_there_is_anything_to_go_by(desk: Desk) -> None:
    (judged,) = judge(desk, [GOOD])["judgements"]
    assert (judged["verdict"], judged["why"]) == ("too early", "no trial has finished yet")
    tell(desk, ask(desk)["proposals"][0]["trial"], [1.0])
    (judged,) = judge(desk, [GOOD])["judgements"]
    assert judged["verdict"] == "too early"
    assert "10 finished trials, there are 1" in judged["why"]


def test_where_trials_fail_the_risk_is_judged_high(desk: Desk) -> None:
    failure = {"state": TrialState.FAIL}
    fill(desk, 24, lambda p: failure if p["depth"] > 4 else {"value": loss(p)})
    deep, flat = judge(desk, [{**GOOD, "depth": 8}, {**GOOD, "depth": 2}])["judgements"]
    assert deep["risk"] > 0.5 > flat["risk"]
    assert (deep["verdict"], deep["why"]) == ("vetoed", "it will rather fail than succeed")


def test_each_objective_and_the_constraints_are_judged(storage: str) -> None:
    names = ["loss", "speed"]
    new(storage, "two", SPACE, ["minimize", "maximize"], metrics=names, seed=0)
    desk = open_desk(storage, "two")
    fill(desk, 12, lambda p: {"values": [loss(p), -p["depth"]]})
    flat, deep = judge(desk, [{**GOOD, "depth": 1}, {**GOOD, "depth": 8}])["judgements"]
    assert flat["expected"].keys() == set(names)
    assert flat["expected"]["speed"]["0.5"] > deep["expected"]["speed"]["0.5"]
    assert flat["expected"]["speed"]["0.1"] <= flat["expected"]["speed"]["0.9"]
    assert "feasible" not in flat


def test_the_chance_to_meet_constraints_is_judged(desk: Desk) -> None:
    fill(desk, 8, lambda p: {"value": loss(p)})
    for _ in range(6):
        (p,) = ask(desk)["proposals"]
        size = p["params"]["depth"] - 3.5
        tell(desk, p["trial"], [loss(p["params"])], constraints={"size": size})
    flat, deep = judge(desk, [{**GOOD, "depth": 1}, {**GOOD, "depth": 8}])["judgements"]
    assert flat["feasible"] > deep["feasible"]


@pytest.mark.parametrize(
    ("configurations", "said"),
    [
        ([], "empty"),
        ([{}], "names to values"),
        (["lr"], "names to values"),
        ([{"rate": 0.1}], "'rate'.*no parameter"),
        ([{"lr": 7}], "lr=7.*nearest is 0.1"),
        ([GOOD, {"kind": "c"}], r"configurations\[1\].*kind='c'"),
        ([{"depth": "4"}], "depth='4'"),
    ],
)
def test_what_is_not_legal_is_named(desk: Desk, configurations: Any, said: str) -> None:
    for call in (judge, enqueue):
        with pytest.raises(ConfigurationError, match=said):
            call(desk, configurations)


def test_a_suggestion_waits_for_its_turn_and_is_run_with_its_reason(worked: Desk) -> None:
    answer = enqueue(worked, [{"lr": 1e-3, "depth": 4}], "the bottom of the bowl")
    assert answer["waiting"] == 1
    assert 0.05 <= answer["share"] <= 0.7
    asked = ask(worked, 8)["proposals"]
    (own,) = [p for p in asked if p["source"] == "agent"]
    assert own["params"]["lr"] == 1e-3
    assert own["why"] == "the bottom of the bowl"


def test_a_parameter_with_a_single_value_may_be_named(storage: str) -> None:
    space = {**SPACE, "batch": {"type": "categorical", "choices": [32]}}
    new(storage, "one", space, seed=0)
    desk = open_desk(storage, "one")
    assert judge(desk, [{**GOOD, "batch": 32}])["judgements"][0]["verdict"] == "too early"
    assert enqueue(desk, [{**GOOD, "batch": 32}])["waiting"] == 1
    assert ask(desk)["proposals"][0]["params"]["batch"] == 32
    with pytest.raises(ConfigurationError, match="batch=64"):
        judge(desk, [{**GOOD, "batch": 64}])


def test_what_must_be_run_is_run_next(worked: Desk) -> None:
    assert enqueue(worked, [BAD], "it is in production", must=True)["enqueued"] == []
    (next_one,) = ask(worked)["proposals"]
    assert next_one["params"] == BAD
    assert next_one["source"] == "enqueued"
    assert next_one["why"] == "it is in production"


def test_what_was_tried_is_not_enqueued_silently(worked: Desk) -> None:
    told = enqueue(worked, [worked.study.trials[5].params, GOOD, {"depth": 4}])
    assert told["repeated"] == told["enqueued"][:1]
    assert told["waiting"] == 2
