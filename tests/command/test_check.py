from __future__ import annotations

from collections.abc import Mapping
import json
from typing import Any

import pytest

from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from optuna_llm.command.check import Check
from optuna_llm.command.cli import main
from tests.support.models import well_behaved
from tests.support.server import EMPTY
from tests.support.server import Answer
from tests.support.server import ChatServer
from tests.support.server import Script
from tests.support.server import error
from tests.support.server import refuses


GOOD = {"learning_rate": 0.1, "max_depth": 6, "subsample": 0.8, "booster": "gbtree"}


def _answer(*configurations: Mapping[str, Any]) -> str:
    return json.dumps({"candidates": [{"reason": "usual", "params": c} for c in configurations]})


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs the command and returns code, output, errors and requests."""

    def run(reply: Script | Answer, *argv: str) -> tuple[int, dict[str, str], str, ChatServer]:
        script = reply if callable(reply) else lambda _: reply
        with ChatServer(script) as server:
            code = main(["check", "small-model", "--base-url", server.base_url, *argv])
        captured = capsys.readouterr()
        rows = (line.split("  ", 2)[1:] for line in captured.out.splitlines())
        table = {row[0]: row[1].strip() for row in rows if len(row) == 2}
        return code, table, captured.out + captured.err, server

    return run


def test_a_good_model_passes_with_one_structured_request(check: Any) -> None:
    code, table, _, server = check(well_behaved(), "--prices", "1", "10")
    assert code == 0
    assert server.count == 1
    assert server.requests[0].json["response_format"]["type"] == "json_schema"
    assert table["answer form"].startswith("json_schema")
    assert table["candidates"] == "3 usable, 3 asked for"
    assert table["refused by the server"] == "nothing"
    assert "as the server reports" in table["tokens"]
    prompt, completion = (int(table["tokens"].split()[i].replace(",", "")) for i in (0, 3))
    assert float(table["cost"]) == pytest.approx((prompt + 10 * completion) / 1e6, rel=1e-3)


def test_what_the_server_refuses_is_said(check: Any) -> None:
    code, table, _, _ = check(refuses("response_format", then=_answer(GOOD)))
    assert code == 0
    assert table["answer form"].startswith("text")
    assert table["refused by the server"] == "json_object, json_schema"
    assert "4 HTTP requests" in table["latency"]


def test_what_is_repaired_or_dropped_is_said(check: Any) -> None:
    poor = {**GOOD, "learning_rate": 7, "booster": "forest"}
    del poor["max_depth"]
    code, _, out, _ = check(_answer(GOOD, poor))
    assert code == 0
    assert "2 usable, 3 asked for" in out
    assert "candidate 2: learning_rate=7 must be number from 0.001 to 0.5, log scale" in out
    assert 'candidate 2: booster="forest"' in out
    assert "candidate 2: missing: max_depth" in out
    assert "candidate 1" not in out


def test_an_answer_without_a_configuration_fails_and_is_shown(check: Any) -> None:
    code, _, out, _ = check("I would rather talk about the weather.")
    assert code == 1
    assert "No configuration was found in the answer: I would rather talk" in out


@pytest.mark.parametrize(
    ("reply", "code", "message"),
    [
        (EMPTY, 1, "the model wrote nothing"),
        (error(400, "this model does not chat"), 1, "this model does not chat"),
        (error(401, "wrong key"), 2, "key"),
        (error(404, "no such model"), 2, "small-model"),
    ],
)
def test_a_model_that_does_not_answer_is_an_error_with_a_code(
    check: Any, reply: Answer, code: int, message: str
) -> None:
    found, table, out, _ = check(reply)
    assert found == code
    assert not table
    assert message in out


def test_a_missing_key_is_a_wrong_setup(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gpt-5-mini"]) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "breach"),
    [
        (_answer({**GOOD, "learning_rate": "0.1"}), "learning_rate is no number"),
        (_answer({"learning_rate": 0.1}), "params has no 'max_depth'"),
        (_answer({**GOOD, "more": 1}), "has 'more' beside"),
        (_answer({**GOOD, "booster": "forest"}), "booster is none of its choices"),
        ("Here it is: ", "the answer is not JSON"),
    ],
)
def test_a_form_that_is_not_kept_is_not_said_to_be_enforced(
    check: Any, answer: str, breach: str
) -> None:
    answer = answer.replace("{", '{"analysis": "", ', 1) if "{" in answer else answer
    _, table, _, _ = check(answer)
    assert "does not enforce it" in table["answer form"]
    assert breach in table["answer form"]


def test_a_model_too_slow_for_a_samplers_default_is_told_the_timeout_to_give() -> None:
    usage = Usage(10, 10)
    for seconds, advice in (
        (5.0, ""),
        (80.0, "; a sampler needs timeout=240, deadline beyond"),
    ):
        completion = Completion("{}", "m", usage, None, seconds, 1, "text", "stop")
        row = str(Check("m", completion, None, 1, (), ()))
        assert f"{seconds:.2f} s{advice}\n" in row
