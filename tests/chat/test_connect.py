from __future__ import annotations

from collections.abc import Callable
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from optuna_llm.chat import ChatModel
from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from optuna_llm.chat import connect
from optuna_llm.chat import time_limits
from optuna_llm.chat.client import RemoteChatModel
from optuna_llm.chat.prices import prices_of
from optuna_llm.chat.providers import PROVIDERS
from optuna_llm.chat.providers import base_url_of
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.errors import ModelSetupError
from tests.chat.conftest import HELLO
from tests.support.server import ChatServer
from tests.support.server import error


def _where(model: ChatModel | None) -> tuple[str, str]:
    """Return the address and the model that a request would name."""
    assert isinstance(model, RemoteChatModel)
    return model._endpoint.address, model._endpoint.model


@pytest.mark.parametrize(
    ("name", "address", "there"),
    [
        ("gpt-5.4-mini", "https://api.openai.com/v1", "gpt-5.4-mini"),
        ("openai/gpt-5.4-mini", "https://api.openai.com/v1", "gpt-5.4-mini"),
        ("ollama/qwen3:8b", "http://127.0.0.1:11434/v1", "qwen3:8b"),
        ("lm_studio/qwen/qwen3", "http://127.0.0.1:1234/v1", "qwen/qwen3"),
        ("openrouter/openai/gpt-5", "https://openrouter.ai/api/v1", "openai/gpt-5"),
        ("anthropic/claude-haiku-4-5", "https://api.anthropic.com/v1", "claude-haiku-4-5"),
        ("bedrock/some-model", "LiteLLM's bedrock", "bedrock/some-model"),
    ],
)
def test_a_name_says_where_the_model_is(name: str, address: str, there: str) -> None:
    assert _where(connect(name)) == (address, there)


def test_with_a_base_url_a_name_is_taken_as_it_is() -> None:
    model = connect("openai/gpt-oss-20b", base_url="http://127.0.0.1:8000/v1/")
    assert _where(model) == ("http://127.0.0.1:8000/v1", "openai/gpt-oss-20b")


def test_connecting_imports_nothing_and_sends_nothing() -> None:
    program = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.getaddrinfo = refuse
import optuna_llm.chat
for name in ("gpt-5.4-mini", "ollama/qwen3", "groq/x", "bedrock/y"):
    print(repr(optuna_llm.chat.connect(name)))
optuna_llm.chat.connect(lambda prompt: prompt)
assert optuna_llm.chat.connect(None) is None
heavy = {"openai", "litellm", "httpx", "httpx2", "requests"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": "."})


# ---- keys and the environment


def test_none_is_no_model_whatever_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert connect() is not None
    assert connect("none") is None
    monkeypatch.setenv("OPTUNA_LLM_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPTUNA_LLM_MODEL", "None")
    assert connect() is None
    assert connect("gpt-5.4-mini") is not None
    with pytest.raises(ConfigurationError, match="api_key has no effect on no model"):
        connect("none", api_key="sk-2")


@pytest.mark.parametrize("name", [n for n, p in PROVIDERS.items() if p.variable is not None])
def test_a_missing_key_shows_at_the_first_request(name: str) -> None:
    model = connect(f"{name}/some-model")
    assert model is not None
    with pytest.raises(ModelSetupError, match=rf"no API key.*{PROVIDERS[name].variable}.*api_key"):
        model.complete(HELLO)


def test_another_providers_key_is_never_sent(
    serve: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "for-openai-only")
    server = serve("ok")
    model = connect("tiny", base_url=server.base_url)
    assert model is not None
    model.complete(HELLO)
    assert "for-openai-only" not in str(server.requests[0].headers)
    model = connect("tiny", base_url="https://models.example.com/v1")
    assert model is not None
    with pytest.raises(ModelSetupError, match="OPTUNA_LLM_API_KEY"):
        model.complete(HELLO)


def test_no_model_and_nothing_in_the_environment() -> None:
    assert connect(None) is None


@pytest.mark.parametrize("name", [n for n, p in PROVIDERS.items() if p.variable is not None])
def test_the_key_of_a_provider_chooses_its_default_model(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = PROVIDERS[name]
    assert provider.variable is not None
    monkeypatch.setenv(provider.variable, "some-key-123")
    assert _where(connect(None)) == (provider.base_url, provider.default_model)


def test_the_environment_names_model_address_and_key(
    serve: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve("ok")
    monkeypatch.setenv("OPENAI_API_KEY", "for-openai-only")
    monkeypatch.setenv("OPTUNA_LLM_MODEL", "org/tiny")
    monkeypatch.setenv("OPTUNA_LLM_BASE_URL", server.base_url)
    monkeypatch.setenv("OPTUNA_LLM_API_KEY", "my-own-key-1")
    model = connect(None)
    assert model is not None
    model.complete(HELLO)
    (request,) = server.requests
    assert request.json["model"] == "org/tiny"
    assert request.headers["authorization"] == "Bearer my-own-key-1"
    monkeypatch.delenv("OPTUNA_LLM_MODEL")
    with pytest.raises(ConfigurationError, match="OPTUNA_LLM_MODEL"):
        connect(None)


def test_a_key_for_the_named_model_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_LLM_MODEL", "groq/some-model")
    assert _where(connect(None)) == ("https://api.groq.com/openai/v1", "some-model")
    monkeypatch.delenv("OPTUNA_LLM_MODEL")
    with pytest.raises(ConfigurationError, match="api_key without a model"):
        connect(None, api_key="some-key-123")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080/v1"),
        (":8080", "http://127.0.0.1:8080/v1"),
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("http://gpu-box:1234/", "http://gpu-box:1234/v1"),
        ("https://ollama.example.com", "https://ollama.example.com/v1"),
        ("https://example.com/ollama", "https://example.com/ollama/v1"),
        ("http://gpu-box:1234/v1", "http://gpu-box:1234/v1"),
        ("http://gpu-box:1234/v1/", "http://gpu-box:1234/v1"),
        ("https://example.com/ollama/v1", "https://example.com/ollama/v1"),
        ("'gpu-box'", "http://gpu-box:11434/v1"),
        ("[::]:8080", "http://127.0.0.1:8080/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
    ],
)
def test_the_address_of_ollama(value: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", value)
    assert base_url_of("ollama") == address


def test_the_address_of_openai_as_in_its_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example.com/v1")
    assert _where(connect("gpt-5")) == ("https://gateway.example.com/v1", "gpt-5")


# ---- other models than named ones


class _Echo:
    name = "echo"

    def complete(self, messages: Any, *, schema: Any = None, max_output_tokens: Any = None) -> Any:
        text = messages[-1]["content"]
        return Completion(text, "echo", Usage(1, 1), None, 0.0, 1, "text", "stop")


class _Async:
    async def __call__(self, prompt: str) -> str:
        return prompt


async def _async_function(prompt: str) -> str:
    return prompt


def test_a_chat_model_is_returned_as_it_is() -> None:
    model = _Echo()
    assert connect(model) is model


def test_free_models_cost_nothing() -> None:
    model = connect("ollama/qwen3")
    assert model is not None
    assert prices_of(model) == (0.0, 0.0)


def _async_client() -> Any:
    import openai

    return openai.AsyncOpenAI(api_key="some-key-123")


def _client() -> Any:
    import openai

    return openai.OpenAI(api_key="some-key-123")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"model": ""}, "model=''"),
        ({"model": "/qwen"}, "model='/qwen'"),
        ({"model": "ollama/"}, "model='ollama/'"),
        ({"model": 42}, "model must be.*int"),
        ({"model": _Echo}, "model must be.*type"),
        ({"model": _async_function}, "asynchronous"),
        ({"model": _Async()}, "asynchronous"),
        ({"model": "x", "model_name": "y"}, "model_name has no effect"),
        ({"model": print, "model_name": 3}, "model_name=3"),
        ({"model": print, "model_name": np.array([1, 2])}, "model_name=array"),
        ({"model": print, "model_name": " "}, "model_name=' '"),
        ({"model": _Echo(), "temperature": 0.1}, "temperature has no effect"),
        ({"model": _Echo(), "prices": (1, 1)}, "prices has no effect"),
        ({"model": str, "base_url": "http://127.0.0.1/v1"}, "model must be|base_url"),
        ({"model": print, "base_url": "http://127.0.0.1/v1"}, "base_url has no effect"),
        ({"model": print, "extra_body": {"a": 1}}, "extra_body has no effect"),
        ({"model": None, "base_url": "http://127.0.0.1/v1"}, "without a model name"),
        ({"model": "x", "base_url": "127.0.0.1:8000/v1"}, "base_url='127.0.0.1:8000/v1'"),
        ({"model": "x", "base_url": "ftp://host/v1"}, "base_url='ftp"),
        ({"model": "x", "base_url": "http://host:port/v1"}, "base_url='http://host:port"),
        ({"model": "x", "base_url": 8000}, "base_url must be a string.*int"),
        ({"model": "x", "base_url": "http://h/v1/chat/completions"}, "before /chat/completions"),
        ({"model": "x", "timeout": 0}, "timeout=0"),
        ({"model": "x", "prices": 3.0}, "prices=3.0"),
        ({"model": "x", "prices": (1.0,)}, r"prices=\(1.0,\)"),
        ({"model": "x", "prices": (1.0, -2.0)}, "prices="),
        ({"model": "x", "prices": {"input": 1.0, "output": 2.0}}, "prices="),
        ({"model": "x", "prices": "ab"}, "prices='ab'"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        connect(**arguments)


@pytest.mark.parametrize("kind", [int, np.int64, np.float32])
def test_a_deadline_follows_the_timeout_of_any_type(kind: type) -> None:
    assert time_limits("x", kind(300), None) == (300, 600)


def test_wrong_use_of_a_ready_client() -> None:
    with pytest.raises(ConfigurationError, match="model_name"):
        connect(_client())
    with pytest.raises(ConfigurationError, match="base_url has no effect"):
        connect(_client(), model_name="x", base_url="http://127.0.0.1/v1")
    with pytest.raises(ConfigurationError, match="asynchronous AsyncOpenAI"):
        connect(_async_client(), model_name="x")


@pytest.mark.parametrize("base_url", ["http://me:hunter2@host/v1", "http://host/v1?key=hunter2"])
def test_a_secret_in_the_address_is_refused_and_not_shown(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key") as caught:
        connect("x", base_url=base_url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "needs_key"),
    [
        ("http://localhost:8000/v1", False),
        ("http://192.168.1.20:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://vllm:8000/v1", False),
        ("http://box.local/v1", False),
        ("https://models.example.com/v1", True),
        ("http://8.8.8.8/v1", True),
    ],
)
def test_servers_nearby_need_no_key(base_url: str, needs_key: bool) -> None:
    model = connect("x", base_url=base_url)
    assert isinstance(model, RemoteChatModel)
    key: Any = model._endpoint.key
    if needs_key:
        with pytest.raises(ModelSetupError):
            key.read()
    else:
        assert key.read() is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("deepseek-r1:8b", "'ollama/deepseek-r1:8b'"),
        ("deepseek-chat", "'deepseek/deepseek-chat'"),
        ("claude-haiku-4-5", "'anthropic/claude-haiku-4-5'"),
        ("gemini-2.0-flash", "'gemini/gemini-2.0-flash'"),
        ("mistral-small-latest", "'mistral/mistral-small-latest'"),
        ("smollm2", "'ollama/smollm2'.*--base-url"),
        ("gpt-oss:20b", "'ollama/gpt-oss:20b'"),
        ("grok-4", "'xai/grok-4'"),
    ],
)
def test_a_name_without_its_provider_is_told_what_to_write(name: str, meant: str) -> None:
    model = connect(name)
    assert model is not None
    with pytest.raises(ModelSetupError, match=rf"write {meant}.*no API key"):
        model.complete(HELLO)


def test_a_missing_key_of_openai_is_not_taken_for_a_wrong_name() -> None:
    for name in ("gpt-5.4-mini", "o4-mini", "chatgpt-4o-latest", "ft:gpt-4o:me", "openai/other"):
        model = connect(name)
        assert model is not None
        with pytest.raises(ModelSetupError, match=r"^no API key"):
            model.complete(HELLO)


def test_a_provider_before_the_name_at_an_address_is_told_what_to_write(
    serve: Callable[..., ChatServer],
) -> None:
    server = serve(error(404, "model 'ollama/qwen3' not found"))
    model = connect("ollama/qwen3", base_url=server.base_url)
    assert model is not None
    with pytest.raises(ModelSetupError, match="taken as it is; write 'qwen3'"):
        model.complete(HELLO)


def test_a_name_of_a_hub_is_told_of_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    model = connect("Qwen/Qwen3-8B")
    assert model is not None
    with pytest.raises(MissingExtraError, match=r"'Qwen' is no provider.*base_url"):
        model.complete(HELLO)
