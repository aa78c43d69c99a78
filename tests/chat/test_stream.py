"""Answers that come in pieces, and those that never end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optuna_llm.chat.reply import parse_body
from optuna_llm.chat.reply import read_reply
from optuna_llm.chat.stream import Stream
from optuna_llm.chat.stream import is_repetitive
from optuna_llm.errors import EmptyReplyError
from tests.chat.conftest import HELLO
from tests.chat.conftest import Start
from tests.support.server import Fault
from tests.support.server import refuses


def _event(text: str, **more: Any) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, **more}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _endless(text: str) -> Fault:
    return Fault(body=_event(text), headers={"Content-Type": "text/event-stream"}, endless=True)


def test_an_answer_without_end_is_stopped_and_kept(start: Start) -> None:
    model, server = start(_endless("and so on "), timeout=100.0)
    completion = model.complete(HELLO)
    assert completion.finish_reason == "repetition"
    assert completion.text.startswith("and so on and so on")
    assert len(completion.text) < 50_000
    assert completion.usage.estimated
    assert server.requests[0].json["stream"] is True


def test_endless_line_breaks_are_no_answer(start: Start) -> None:
    model, _ = start(_endless("\n"), timeout=100.0)
    with pytest.raises(EmptyReplyError, match="repeated itself"):
        model.complete(HELLO)


def test_a_server_that_does_not_stream_is_asked_without(start: Start) -> None:
    model, server = start(refuses("stream", "ok"))
    assert model.complete(HELLO).attempts == 2
    assert server.requests[1].json.keys() == {"model", "messages"}
    assert model.complete(HELLO).attempts == 1


def test_bytes_may_be_cut_anywhere() -> None:
    token = {"token": "7", "logprob": -0.1, "top_logprobs": [{"token": "8", "logprob": -2.5}]}
    body = _event("Grü", logprobs={"content": [token]}) + _event("ße", finish_reason="stop")
    body += b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'
    stream = Stream()
    for byte in body + b"data: [DONE]":
        stream.feed(bytes([byte]))
    response = stream.response()
    assert response is not None
    reply = read_reply(response)
    assert (reply.text, reply.finish_reason) == ("Grüße", "stop")
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 2
    assert [token.alternatives for token in reply.tokens] == [(("8", -2.5),)]
    assert read_reply(parse_body(body, "text/event-stream")) == reply


def _candidates(n: int) -> str:
    params = [{"lr": 10.0**-i, "depth": 3, "booster": "gbtree", "l2": 1.0} for i in range(n)]
    return json.dumps({"candidates": [{"reason": "as usual", "params": p} for p in params]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short " * 10,
        _candidates(30),
        json.dumps({"scores": {chr(65 + i): 92 for i in range(26)}}, indent=1),
        "\n".join(f"{chr(65 + i % 26)}{i}: 1" for i in range(200)),
    ],
)
def test_what_is_alike_is_no_repetition(text: str) -> None:
    assert not is_repetitive(text)


@pytest.mark.parametrize("piece", [" ", "\t\n", "the same line again\n", _candidates(2)])
def test_the_same_over_and_over_is_one(piece: str) -> None:
    assert is_repetitive("At first it says this. " + piece * (2000 // len(piece) + 1))
    assert not is_repetitive("At first it says this. " + piece * 2)
