from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from optuna_llm.chat import Usage
from optuna_llm.chat.reply import UpstreamError
from optuna_llm.chat.reply import clean
from optuna_llm.chat.reply import excerpt
from optuna_llm.chat.reply import holds_an_object
from optuna_llm.chat.reply import parse_body
from optuna_llm.chat.reply import read_reply
from optuna_llm.chat.reply import strip_reasoning
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("plain", "plain"),
        ("<think>hm</think>answer", "answer"),
        ("  <think>a</think> b <think>c</think> d", "   b  d"),
        ("<think>never closed", ""),
        (" \n<think>never closed", " \n"),
        ("opened by the template</think>answer", "answer"),
        ('{"note": "<think>"}', '{"note": "<think>"}'),
        ("<think>a</think>x<think>open", "x<think>open"),
        ("<think></think>", ""),
        ("", ""),
    ],
)
def test_reasoning_is_left_out(text: str, answer: str) -> None:
    assert strip_reasoning(text).strip() == answer.strip()


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "b ", "{"]), max_size=12))
def test_what_is_left_holds_no_whole_reasoning(pieces: list[str]) -> None:
    answer = strip_reasoning("".join(pieces))
    start = answer.find("<think>")
    assert start < 0 or "</think>" not in answer[start:]
    if "<think>" not in pieces and "</think>" not in pieces:
        assert answer == "".join(pieces)


def test_hostile_tags_take_no_quadratic_time() -> None:
    # Quadratic would be some 10^10 steps.
    assert clean("<think>" * 100_000) == ""
    assert clean("x" + "<think>" * 100_000).startswith("x")


@given(st.text(alphabet=st.characters()))
def test_an_answer_can_be_stored_anywhere(text: str) -> None:
    answer = clean(text + "\ud800\x00")
    answer.encode("utf-8")
    assert "\x00" not in answer


def test_an_excerpt_is_one_short_printable_line() -> None:
    assert excerpt("a\n\n b\x1b[31m\tc") == "a b [31m c"
    assert len(excerpt("x" * 10_000)) == 300


# ---- where servers put the answer


SCHEMA: Any = {"type": "object", "properties": {"candidates": {"type": "array"}}}
ANSWER = '{"candidates": [{"params": {"x": 0.25}}]}'
DRAFT = '{"candidates": [{"params": {"x": 0.75}}]}'


def _response(**message: Any) -> dict[str, Any]:
    finish_reason = message.pop("finish_reason", "stop")
    return {"choices": [{"message": message, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "", "reasoning_content": ANSWER},
        {"content": None, "reasoning": f"Maybe {DRAFT}, no.\n```json\n{ANSWER}\n```"},
        {"reasoning_details": [{"type": "reasoning.text", "text": f"So: {ANSWER}"}]},
        {"content": " ", "provider_specific_fields": {"reasoning_content": ANSWER}},
        {"content": None, "tool_calls": [{"function": {"name": "reply", "arguments": ANSWER}}]},
        {"function_call": {"name": "reply", "arguments": json.loads(ANSWER)}},
    ],
)
def test_the_json_that_was_asked_for_is_read_wherever_it_stands(message: dict[str, Any]) -> None:
    assert json.loads(read_reply(_response(**message), SCHEMA).text) == json.loads(ANSWER)


@pytest.mark.parametrize(
    "reasoning", [f"Maybe {DRAFT}, no, that diverges.", "x is 0.25", '{"other": 1}']
)
def test_reasoning_without_the_answer_is_no_answer(reasoning: str) -> None:
    with pytest.raises(EmptyReplyError, match=r"only reasoning.*reasoning parser"):
        read_reply(_response(content="", reasoning_content=reasoning), SCHEMA)


def test_without_a_form_reasoning_is_never_the_answer() -> None:
    with pytest.raises(EmptyReplyError):
        read_reply(_response(content="", reasoning_content=ANSWER))


def _chunk(**delta: Any) -> str:
    return json.dumps({"model": "m-1", "choices": [{"index": 0, "delta": delta}]})


USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
END = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})


@pytest.mark.parametrize("form", ["data: {}\n\n", "event: message\ndata:{}\r\n\r\n", "{}\n"])
def test_an_answer_that_is_streamed_unasked_is_put_together(form: str) -> None:
    pieces = [ANSWER[i : i + 7] for i in range(0, len(ANSWER), 7)]
    events = [_chunk(role="assistant"), *(_chunk(content=p) for p in pieces), END, USAGE]
    stream = ": ping\n\n" + "".join(form.format(e) for e in events)
    body = (stream + ("data: [DONE]\n\n" if "data" in form else "")).encode()
    reply = read_reply(parse_body(body, "text/event-stream"), SCHEMA)
    assert reply.text == ANSWER
    assert (reply.model, reply.finish_reason, reply.usage) == ("m-1", "stop", Usage(7, 3))


def test_a_streamed_error_is_an_error() -> None:
    body = b'data: {"error": {"message": "no memory left", "code": 503}}\n\ndata: [DONE]\n\n'
    with pytest.raises(UpstreamError, match="no memory left") as caught:
        read_reply(parse_body(body, "text/event-stream"))
    assert caught.value.status_code == 503


def test_a_streamed_call_of_a_tool_is_put_together() -> None:
    calls = [
        _chunk(tool_calls=[{"index": 0, "function": {"name": "reply", "arguments": p}}])
        for p in (ANSWER[:9], ANSWER[9:])
    ]
    body = "".join(f"data: {c}\n\n" for c in calls).encode()
    assert read_reply(parse_body(body, ""), SCHEMA).text == ANSWER


def test_a_body_of_neither_json_nor_stream_is_said() -> None:
    with pytest.raises(ModelError, match="not JSON"):
        parse_body(b"data: hello\n\n", "text/event-stream")


@pytest.mark.parametrize(
    ("text", "usable"),
    [(DRAFT[:-3], True), ('{"candidates": [{"par', False), ("", False), (None, False)],
)
def test_a_usable_beginning(text: str | None, usable: bool) -> None:
    assert holds_an_object(text) is usable
