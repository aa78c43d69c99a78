from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optuna.trial import TrialState
import pytest

from optuna_llm.ask_tell.asking import ask
from optuna_llm.ask_tell.asking import enqueue
from optuna_llm.ask_tell.asking import judge
from optuna_llm.ask_tell.desk import Desk
from optuna_llm.ask_tell.desk import new
from optuna_llm.ask_tell.desk import open_desk
from optuna_llm.ask_tell.looking import relations
from optuna_llm.ask_tell.looking import state
from optuna_llm.ask_tell.program import Metric
from optuna_llm.ask_tell.program import Program
from optuna_llm.ask_tell.running import Plan
from optuna_llm.ask_tell.running import Runner
from optuna_llm.ask_tell.space_file import checked
from optuna_llm.ask_tell.space_file import read_space
from optuna_llm.ask_tell.telling import tell
from optuna_llm.errors import ConfigurationError


# What decides stands behind what depends on it.
SPACE: dict[str, Any] = {
    "nesterov": {
        "type": "categorical",
        "choices": [True, False],
        "when": {"momentum": {"low": 0.5}},
    },
    "momentum": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": ["sgd"]}},
    "width_2": {"type": "int", "low": 1, "high": 9, "when": {"layers": [2, 3], "lr": {"high": 1}}},
    "kind": {"type": "categorical", "choices": ["adam", "sgd", None]},
    "layers": {"type": "int", "low": 1, "high": 3},
    "lr": {"type": "float", "low": 0.5, "high": 1.5},
}


def belongs(params: dict[str, Any]) -> set[str]:
    """Return the parameters that a configuration must have, by rules written out once more."""
    names = {"kind", "layers", "lr"}
    if params["kind"] == "sgd":
        names |= {"momentum"}
        names |= {"nesterov"} if params["momentum"] >= 0.5 else set()
    return names | ({"width_2"} if params["layers"] > 1 and params["lr"] <= 1 else set())


@pytest.fixture
def desk(storage: str) -> Desk:
    new(storage, "s", SPACE, seed=0)
    return open_desk(storage, "s")


def work(desk: Desk, n: int) -> None:
    for _ in range(n):
        (p,) = ask(desk)["proposals"]
        tell(desk, p["trial"], [p["params"]["lr"] + p["params"].get("momentum", 0.5)])


def test_trials_have_the_parameters_that_apply(desk: Desk) -> None:
    work(desk, 16)
    asked = [t.params for t in desk.study.trials]
    assert all(params.keys() == belongs(params) for params in asked)
    sizes = {len(params) for params in asked}
    assert min(sizes) == 3
    assert max(sizes) > 4


def test_the_space_is_stored_in_one_form(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        '[kind]\ntype = "categorical"\nchoices = ["adam", "sgd"]\n'
        '[momentum]\ntype = "float"\nlow = 0\nhigh = 1\nwhen = {kind = "sgd"}\n'
    )
    read = read_space(str(tmp_path / "s.toml"))
    assert read["momentum"]["when"] == {"kind": ["sgd"]}
    assert checked(json.loads(json.dumps(read))) == read


def test_what_is_suggested_is_run_as_far_as_it_applies(desk: Desk) -> None:
    work(desk, 1)
    enqueue(desk, [{"kind": "sgd", "momentum": 0.75, "layers": 1}], "why not")
    enqueue(desk, [{"kind": "adam", "layers": 1, "lr": 1.0}], must=True)
    found = ask(desk, 6)["proposals"]
    assert found[0]["params"] == {"kind": "adam", "layers": 1, "lr": 1.0}
    (own,) = (p for p in found if p["source"] == "agent")
    assert (own["params"]["kind"], own["params"]["momentum"]) == ("sgd", 0.75)
    assert all(p["params"].keys() == belongs(p["params"]) for p in found)


def test_whole_configurations_are_judged_whether_they_have_them_or_not(desk: Desk) -> None:
    work(desk, 12)
    plain = {"kind": "adam", "layers": 1, "lr": 0.6}
    found = judge(desk, [plain, {**plain, "kind": "sgd", "momentum": 0.1}])["judgements"]
    assert all(0 <= j["nearest"]["distance"] < 1 for j in found)
    assert all(j["expected"]["value"]["0.5"] < 2.5 for j in found)


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"kind": "adam", "momentum": 0.5}, r"'momentum' .*'kind' is 'adam'.* leave 'momentum'"),
        ({"kind": None, "momentum": 0.5}, "'kind' is None"),
        ({"momentum": 0.5}, "'momentum' without 'kind'.* where kind is sgd.*name 'kind'"),
        ({"nesterov": True, "momentum": 0.4, "kind": "sgd"}, "momentum is at least 0.5"),
        ({"width_2": 4, "layers": 2, "lr": 1.2}, "lr is at most 1"),
        ({"width_2": 4, "layers": 1, "lr": 1.0}, "layers is 2 or 3"),
    ],
)
def test_what_does_not_apply_is_not_taken(
    desk: Desk, storage: str, configuration: dict[str, Any], said: str
) -> None:
    for must in (True, False):
        with pytest.raises(ConfigurationError, match=said):
            enqueue(desk, [configuration], must=must)
    with pytest.raises(ConfigurationError, match=said):
        judge(desk, [configuration])
    with pytest.raises(ConfigurationError, match=rf"known_good\[0\].*{said}"):
        new(storage, "other", SPACE, known_good=[configuration])


def test_the_state_and_the_relations_say_when_a_parameter_applies(desk: Desk) -> None:
    work(desk, 1)
    text = state(desk)["text"]
    assert "momentum: number from 0 to 1, only where kind is sgd\n" in text
    assert "where layers is 2 or 3 and where lr is at most 1\n" in text
    assert "momentum applies only where kind is sgd." in relations(desk)["conditions"]


def test_a_program_gets_what_applies(desk: Desk, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f'echo "$OPTUNA_LLM_PARAMS $@" >> {seen}; echo 1'
    options = [word for name in SPACE for word in (f"--{name}", f"{{{name}}}")]
    program = Program.of(["sh", "-c", script, "sh", *options], list(SPACE))
    Runner(desk, Plan(program, [Metric()], 6, tmp_path / "logs"), lambda line, told: None)()
    for trial, line in zip(desk.study.trials, seen.read_text().splitlines(), strict=True):
        assert trial.state == TrialState.COMPLETE
        told, _, passed = line.partition("} ")
        assert json.loads(told + "}") == trial.params
        assert {w[2:] for w in passed.split() if w.startswith("--")} == belongs(trial.params)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ([], "must map"),
        ({}, "must map"),
        ({"x": 1}, "no other parameter; choose from kind, n, y"),
        ({"z": 1}, "'z'"),
        ({"kind": ["c"]}, "'c' is no value of 'kind'"),
        ({"kind": []}, "empty"),
        ({"n": [9]}, "9 is no value"),
        ({"n": [1.5]}, "1.5 is no value"),
        ({"y": [0.5]}, r"'y' is a float.*\{\"low\": 0.5\}"),
        ({"kind": {"low": 1}}, "has choices"),
        ({"n": {"least": 1}}, "write 'low', 'high' or both"),
        ({"n": {"low": "1"}}, "write 'low', 'high' or both"),
        ({"n": {"low": 6}}, "mend the ends"),
        ({"n": {"low": 4, "high": 2}}, "mend the ends"),
    ],
)
def test_a_condition_that_cannot_be_is_told_with_a_fix(when: Any, said: str) -> None:
    space = {
        "x": {"type": "float", "low": 0, "high": 1, "when": when},
        "kind": {"type": "categorical", "choices": ["a", "b"]},
        "n": {"type": "int", "low": 1, "high": 5},
        "y": {"type": "float", "low": 0, "high": 1},
    }
    with pytest.raises(ConfigurationError, match=rf"'x'\].*{said}") as error:
        checked(space)
    assert "; " in str(error.value)


def test_conditions_in_a_circle_are_told() -> None:
    one = {"type": "int", "low": 1, "high": 5}
    circle = {"a": {**one, "when": {"b": 1}}, "b": {**one, "when": {"a": 1}}, "c": one}
    with pytest.raises(ConfigurationError, match="circle through 'a', 'b'; "):
        checked(circle)
