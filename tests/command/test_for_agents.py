"""The commands for agents and shells: what they print, and how they end."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from optuna_llm.command.cli import main


SPACE = '{"x": {"type": "float", "low": 0, "high": 1}}'


@pytest.fixture
def study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The storage and the name of a new study."""
    where = (f"sqlite:///{tmp_path}/s.db", "s")
    assert main(["new", *where, "--space", SPACE, "--seed", "0"]) == 0
    capsys.readouterr()
    return where


def answer(capsys: pytest.CaptureFixture[str], command: str, *words: str, code: int = 0) -> Any:
    """Give a command and return the one object that it prints."""
    assert main([command, *words, "--json"]) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1
    return json.loads(captured.out)


def test_a_session(study: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    (proposal,) = answer(capsys, "ask", *study)["proposals"]
    assert proposal["trial"] == 0
    assert 0 <= proposal["params"]["x"] <= 1
    told = answer(capsys, "tell", *study, "0", "-1e-3", "--constraint", "a=b=-1", "--step", "2=1")
    assert (told["values"], told["already"]) == ([-0.001], False)
    assert answer(capsys, "tell", *study, "0", "-.001")["already"]
    assert answer(capsys, "judge", *study, '{"x": 0.5}')["judgements"][0]["verdict"] == "too early"
    assert answer(capsys, "enqueue", *study, '[{"x": 0.3}]', "--why", "so")["waiting"] == 1
    assert "HISTORY: 1 complete" in answer(capsys, "state", *study)["text"]
    assert answer(capsys, "relations", *study)["trials"] == 1
    assert answer(capsys, "done", *study, code=1)["done"] is False
    assert answer(capsys, "best", *study)["params"] == proposal["params"]


def test_done_knows_how_many_trials_there_will_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = (f"sqlite:///{tmp_path}/s.db", "s")
    answer(capsys, "new", *study, "--space", SPACE, "--trials", "2")
    for number in ("0", "1"):
        answer(capsys, "ask", *study)
        assert not answer(capsys, "done", *study, code=1)["done"]
        answer(capsys, "tell", *study, number, "1")
    assert answer(capsys, "done", *study)["sentence"] == "all 2 announced trials are finished."
    assert not answer(capsys, "done", *study, "--trials", "3", code=1)["done"]


def test_what_does_not_apply_is_an_error_with_a_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = (f"sqlite:///{tmp_path}/s.db", "s")
    kind = '{"type": "categorical", "choices": ["a", "b"]}'
    own = '{"type": "float", "low": 0, "high": 1, "when": {"kind": "b"}}'
    made = answer(capsys, "new", *study, "--space", f'{{"x": {own}, "kind": {kind}}}')
    assert made["space"]["x"]["when"] == {"kind": ["b"]}
    for command in ("judge", "enqueue"):
        error = answer(capsys, command, *study, '{"x": 1, "kind": "a"}', code=2)["error"]
        assert error["fix"] == "leave 'x' out"


def test_configurations_come_from_standard_input(
    study: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('[{"x": 0.1}, {"x": 0.2}]'))
    assert len(answer(capsys, "judge", *study, "-")["judgements"]) == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
def test_run_shows_a_bar_below_its_lines_in_a_terminal(
    study: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
) -> None:
    screen = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    rest = ["--trials", "2", "--progress", "--logs", str(tmp_path / "logs"), "--", "echo", "{x}"]
    assert main(["run", *study, *rest]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("trial 0 | prior | 0.5 | best 0.5 (trial 0) | 1 to go, ")
    assert second.startswith("trial 1 | ")
    assert ("2/2" in screen.getvalue()) == is_terminal


@pytest.mark.parametrize(
    ("words", "code", "kind", "fix"),
    [
        (("tell", "S", "N", "5", "1"), 2, "configuration", "ask for one first"),
        (("tell", "S", "N", "x"), 2, "usage", "optuna-llm tell --help"),
        (("tell", "S", "N", "0", "good"), 2, "configuration", "tell numbers"),
        (("tell", "S", "N", "0", "1", "--step", "a=1"), 2, "configuration", "--step 3=0.5"),
        (("tell", "S", "N", "0", "1", "--constraint", "a"), 2, "configuration", "NAME=VALUE"),
        (("judge", "S", "N", '{"x": NaN}'), 2, "configuration", "mend"),
        (("judge", "S", "N", "{x"), 2, "configuration", "write an object"),
        (("enqueue", "S", "N", '{"y": 1}'), 2, "configuration", "choose from x"),
        (("ask", "S", "other"), 2, "configuration", "'s'"),
        (("new", "S", "N", "--space", SPACE, "--seed", "1"), 3, "conflict", "another name"),
        (("state", "S", "N", "--max-tokens", "3"), 2, "configuration", "at least 100"),
        (("ask", "sqlite:///no/such.db", "s"), 2, "configuration", "optuna-llm new"),
    ],
)
def test_an_error_is_one_object_with_a_fix(
    study: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    kind: str,
    fix: str,
) -> None:
    given = [{"S": study[0], "N": study[1]}.get(w, w) for w in words]
    error = answer(capsys, *given, code=code)["error"]
    assert error["kind"] == kind
    assert fix in error["fix"]
    assert error["message"]
    assert error["fix"]


def test_without_json_people_can_read_it(
    study: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", *study]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("proposals:\n  - trial: 0\n    params:\n      x: 0.5\n")
    assert err == ""
    assert main(["state", *study]) == 0
    assert capsys.readouterr().out.startswith("PARAMETERS:\nx: number from 0 to 1\n")
    assert main(["tell", *study, "9", "1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("optuna-llm: error: trial=9 is not in study='s'; ")
