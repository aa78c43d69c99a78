"""LiteLLM against the same server; the SDK's faults come through it in another shape."""

from __future__ import annotations

from collections.abc import Callable
import pickle
import sys
from typing import Any

import pytest

from optuna_llm.chat import ChatModel
from optuna_llm.chat import connect
from optuna_llm.chat.client import RemoteChatModel
from optuna_llm.chat.client import Settings
from optuna_llm.chat.credentials import ApiKey
from optuna_llm.chat.endpoints import LiteLLMEndpoint
from optuna_llm.chat.prices import prices_of
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import MissingExtraError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from tests.chat.conftest import HELLO
from tests.chat.conftest import SCHEMA
from tests.support.server import EMPTY
from tests.support.server import REFUSAL
from tests.support.server import RESET
from tests.support.server import Answer
from tests.support.server import ChatServer
from tests.support.server import Fault
from tests.support.server import error
from tests.support.server import refuses


StartLiteLLM = Callable[..., tuple[ChatModel, ChatServer]]

CANARY = "canary.7f3b.never.to.be.seen"


@pytest.fixture
def start(serve: Callable[..., ChatServer]) -> StartLiteLLM:
    pytest.importorskip("litellm", reason="the extra [litellm] is not installed")

    def run(*answers: Any, api_key: str | None = CANARY, **options: Any) -> Any:
        server = serve(*answers)
        key = ApiKey(api_key, optional=True)
        endpoint = LiteLLMEndpoint("openai/gpt-5-mini", key=key, api_base=server.base_url)
        settings = Settings(**{"max_retries": 0, **options})
        return RemoteChatModel(endpoint, name=endpoint.model, settings=settings), server

    return run


def test_a_completion_with_the_price_of_the_table(start: StartLiteLLM) -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    model, server = start({"content": "ok", "usage": usage}, extra_body={"seed": 3})
    completion = model.complete(HELLO, schema=SCHEMA)
    assert completion.text == "ok"
    assert completion.mode == "json_schema"
    prices = prices_of(model)
    assert prices is not None
    assert completion.cost == pytest.approx(prices[0])
    assert server.requests[0].json["seed"] == 3
    assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"


def test_the_ladder_steps_down(start: StartLiteLLM) -> None:
    model, _ = start(refuses("response_format", "ok"))
    assert model.complete(HELLO, schema=SCHEMA).mode == "text"


def test_the_limit_on_output_tokens_may_be_refused_by_the_name_that_litellm_gives_it(
    start: StartLiteLLM,
) -> None:
    model, server = start(refuses("max_completion_tokens", "ok"))
    assert model.complete(HELLO, max_output_tokens=50).text == "ok"
    assert "max_completion_tokens" not in server.requests[-1].json


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (EMPTY, EmptyReplyError, "wrote nothing"),
        (REFUSAL, ModelError, "refused to answer"),
        (error(401, f"Incorrect API key: {CANARY}"), ModelSetupError, "argument api_key"),
        (error(404, "no such model"), ModelSetupError, "'openai/gpt-5-mini'"),
        (error(429, "x", code="insufficient_quota"), ModelError, "run out of money"),
        (error(500, f"oops {CANARY}"), ModelError, "HTTP 500"),
        (RESET, ModelError, "connection to http://127.0.0.1.* broke"),
        (Fault(hang=10_000.0), ModelError, "no answer"),
    ],
)
def test_faults_read_as_without_litellm(
    start: StartLiteLLM, answer: Answer, kind: type[Exception], reason: str
) -> None:
    is_slow = isinstance(answer, Fault) and answer.hang > 0.0
    model, _ = start(answer, timeout=0.3 if is_slow else 60.0)
    with pytest.raises(kind, match=reason) as caught:
        model.complete(HELLO)
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None
    assert CANARY.encode() not in pickle.dumps(model)


def test_the_server_says_how_long_to_wait(start: StartLiteLLM, delays: list[float]) -> None:
    model, _ = start(error(429, "slow", headers={"Retry-After": "7"}), "ok", max_retries=1)
    assert model.complete(HELLO).text == "ok"
    assert delays == [7.0]


def test_a_missing_key_is_a_wrong_setup(start: StartLiteLLM) -> None:
    model, server = start("ok", api_key=None)
    with pytest.raises(ModelSetupError, match="none is set"):
        model.complete(HELLO)
    assert server.count == 0


def test_an_unknown_provider_is_a_wrong_setup(start: StartLiteLLM) -> None:
    model = connect("no-such-provider/some-model")
    assert model is not None
    with pytest.raises(ModelSetupError, match="'no-such-provider/some-model'"):
        model.complete(HELLO)


@pytest.mark.parametrize(
    ("name", "known"),
    [("gpt-5-mini", True), ("anthropic/claude-haiku-4-5", True), ("my-own/model", False)],
)
def test_prices_are_looked_up_by_name(start: StartLiteLLM, name: str, known: bool) -> None:
    model = connect(name, base_url="http://127.0.0.1:9/v1")
    assert model is not None
    prices = prices_of(model)
    assert (prices is not None) is known
    if prices is not None:
        assert 0 < prices[0] < prices[1] < 1000  # A million tokens, in dollars.


def test_without_litellm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    model = connect("together_ai/some-model")
    assert model is not None
    with pytest.raises(MissingExtraError, match=r'pip install "litellm.*"litellm"'):
        model.complete(HELLO)
