"""The client against a real server: good answers, bad answers, and none."""

from __future__ import annotations

from collections.abc import Callable
import copy
import json
import pickle
import shutil
import ssl
import subprocess
import sys
import threading
from typing import Any

import pytest

from optuna_llm.chat import Usage
from optuna_llm.chat import connect
from optuna_llm.chat import reported_usage
from optuna_llm.chat.client import Settings
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from tests.chat.conftest import HELLO
from tests.chat.conftest import Start
from tests.support.server import EMPTY
from tests.support.server import HTML
from tests.support.server import REASONING_ONLY
from tests.support.server import REFUSAL
from tests.support.server import RESET
from tests.support.server import TOOL_CALL
from tests.support.server import Answer
from tests.support.server import ChatServer
from tests.support.server import Fault
from tests.support.server import error


def test_a_completion_says_what_was_answered_and_what_it_took(start: Start) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    answer = {
        "content": " Hello ",
        "usage": usage,
        "model": "tiny-2026",
        "finish_reason": "length",
    }
    model, server = start(answer, prices=(1.0, 4.0))
    completion = model.complete(HELLO)
    assert completion.text == "Hello"
    assert completion.model == "tiny-2026"
    assert completion.usage == Usage(1000, 500)
    assert completion.cost == pytest.approx(0.003)
    assert completion.attempts == 1
    assert completion.mode == "text"
    assert completion.finish_reason == "length"
    assert completion.seconds > 0
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    # Nothing that was not asked for, but that an answer of an own server may be ended early.
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    assert request.json == {"model": "tiny", "messages": HELLO, **streamed}


def test_options_reach_the_server(start: Start) -> None:
    extra_body = {"reasoning_effort": "low", "seed": 3}
    model, server = start("ok", temperature=0.5, extra_body=extra_body, api_key="abc-1234567")
    model.complete(HELLO, max_output_tokens=77)
    (request,) = server.requests
    assert request.json["temperature"] == 0.5
    assert request.json["max_tokens"] == 77
    assert request.json["reasoning_effort"] == "low"
    assert request.json["seed"] == 3
    assert request.headers["authorization"] == "Bearer abc-1234567"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}])
def test_usage_that_is_not_reported_is_estimated_and_says_so(start: Start, usage: object) -> None:
    model, _ = start({"content": "x" * 40, "usage": usage})
    completion = model.complete([{"role": "user", "content": "y" * 400}])
    assert completion.usage == Usage(104, 10, estimated=True)
    assert completion.cost is None


def test_threads_share_one_client(start: Start) -> None:
    def echo(request: dict[str, Any]) -> str:
        return str(request["messages"][0]["content"])

    model, server = start(echo)
    texts: dict[int, str] = {}

    def ask(number: int) -> None:
        texts[number] = model.complete([{"role": "user", "content": f"n{number}"}]).text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: f"n{number}" for number in range(8)}
    assert server.count == 8


# ---- unusable replies


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (EMPTY, EmptyReplyError, "wrote nothing"),
        ({"content": None}, EmptyReplyError, "wrote nothing"),
        ({"content": "<think>hm</think>"}, EmptyReplyError, "only reasoning.*reasoning_effort"),
        (REASONING_ONLY, EmptyReplyError, "only reasoning.*'length'.*output tokens"),
        (REFUSAL, ModelError, "refused to answer: 'I cannot help"),
        (TOOL_CALL, ModelError, "called a tool"),
        ({"finish_reason": "content_filter"}, ModelError, "content filter"),
        (HTML, ModelError, "web page.*base_url.*/v1"),
        (Fault(body=b"Hello"), ModelError, "not JSON: 'Hello'"),
        (Fault(body=b"[1]"), ModelError, "JSON list"),
        (Fault(body='{"a": "é"}'.encode("latin-1")), ModelError, "not UTF-8"),
        (Fault(body={"error": {"message": "upstream is down"}}), ModelError, "upstream is down"),
        (Fault(body={"choices": []}), ModelError, "no choices"),
        (Fault(body=b"[" * 100_000), ModelError, "not JSON"),
        (Fault(body={"x": "y" * 99}, cut=True), ModelError, "broke"),
        (RESET, ModelError, "connection to http://127.0.0.1:.* broke"),
    ],
)
def test_an_unusable_reply_is_a_clear_error(
    start: Start, answer: Answer, kind: type[ModelError], reason: str
) -> None:
    model, _ = start(answer)
    with pytest.raises(kind, match=reason) as caught:
        model.complete(HELLO)
    assert type(caught.value) is kind


def test_an_empty_reply_reports_what_it_cost(start: Start) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 900}
    model, _ = start({"content": "", "usage": usage})
    with pytest.raises(EmptyReplyError) as caught:
        model.complete(HELLO)
    assert reported_usage(caught.value) == Usage(10, 900)


def test_a_huge_answer_is_cut(start: Start) -> None:
    model, _ = start("x" * 10_000_000)
    assert model.complete(HELLO).text == "x" * 200_000


def test_a_body_without_end_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reply", "endpoints"):
        monkeypatch.setattr(f"optuna_llm.chat.{module}.MAX_BODY_BYTES", 2**20)
    model, _ = start("x" * 10_000_000)
    with pytest.raises(ModelError, match="larger than 1 MiB"):
        model.complete(HELLO)


def test_a_list_of_parts_is_one_text(start: Start) -> None:
    model, _ = start(
        {"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}
    )
    assert model.complete(HELLO).text == "Hello"


# ---- refusals of the server


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_where_it_comes_from(
    start: Start, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = error(status, "Incorrect API key")
    model, server = start(refused, api_key="wrong-key-1", max_retries=2)
    with pytest.raises(ModelSetupError, match=r"argument api_key.*Incorrect API key"):
        model.complete(HELLO)
    assert server.count == 1
    model, _ = start(refused)
    with pytest.raises(ModelSetupError, match=r"and none is set.*OPTUNA_LLM_API_KEY"):
        model.complete(HELLO)
    monkeypatch.setenv("OPTUNA_LLM_API_KEY", "wrong-key-2")
    with pytest.raises(ModelSetupError, match="environment variable OPTUNA_LLM_API_KEY"):
        model.complete(HELLO)


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "Incorrect API key provided"),
        Fault(400, json.dumps([{"error": {"message": "API key not valid. Pass one."}}]).encode()),
    ],
)
def test_a_refused_key_without_its_status(start: Start, answer: Answer) -> None:
    model, _ = start(answer, api_key="wrong-key-1")
    with pytest.raises(ModelSetupError, match=r"argument api_key.* says: (Incorrect|API key not)"):
        model.complete(HELLO)


@pytest.mark.parametrize(
    "answer", [error(404, "Not found"), error(400, "no", code="model_not_found")]
)
def test_an_unknown_model_names_model_and_address(start: Start, answer: Answer) -> None:
    model, server = start(answer, max_retries=2)
    with pytest.raises(ModelSetupError, match="'tiny'") as caught:
        model.complete(HELLO)
    assert server.base_url in str(caught.value)
    assert server.count == 1


@pytest.mark.parametrize(
    "answer",
    [
        error(402, "Insufficient Balance"),
        error(429, "You exceeded your current quota", code="insufficient_quota"),
        error(400, "Your credit balance is too low to access the API"),
    ],
)
def test_out_of_money_is_said_and_not_retried(start: Start, answer: Answer) -> None:
    model, server = start(answer, max_retries=2)
    with pytest.raises(ModelError, match="run out of money or quota"):
        model.complete(HELLO)
    assert server.count == 1


# ---- connections


def test_an_unknown_host_is_a_wrong_setup() -> None:
    model = connect("tiny", base_url="http://no-such-host.invalid/v1", api_key="abc-1234567")
    assert model is not None
    # A resolver that cannot be reached may also say "try again".
    with pytest.raises((ModelSetupError, ModelError), match=r"no-such-host\.invalid"):
        model.complete(HELLO)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    start: Start, serve: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve("from the proxy")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.base_url.removesuffix("/v1"))
    model, _ = start("from the server")
    assert model.complete(HELLO).text == "from the server"
    assert proxy.count == 0


def test_the_organisation_of_openai_is_told_to_nobody_else(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-1")
    model, server = start("ok")
    model.complete(HELLO)
    assert not {"openai-organization", "openai-project"} & server.requests[0].headers.keys()


# ---- ready clients


def test_a_ready_client_is_used_as_it_is(serve: Callable[..., ChatServer]) -> None:
    import openai

    server = serve(error(500, "oops ready-key-1"), "ok")
    headers = {"X-Mine": "yes"}
    with openai.OpenAI(
        api_key="ready-key-1", base_url=server.base_url, default_headers=headers, max_retries=5
    ) as client:
        model = connect(client, model_name="tiny", max_retries=0)
        assert model is not None
        assert model.name == "tiny"
        with pytest.raises(ModelError, match=r"oops \[redacted\]"):
            model.complete(HELLO)
        assert server.count == 1  # Its own retries would escape the deadline.
        assert copy.deepcopy(model).complete(HELLO).text == "ok"
        assert server.requests[-1].headers["x-mine"] == "yes"
        assert server.requests[-1].headers["authorization"] == "Bearer ready-key-1"
        assert not client.is_closed()
        with pytest.raises(ModelSetupError, match="left out of pickles"):
            pickle.loads(pickle.dumps(model)).complete(HELLO)


def test_an_azure_client(serve: Callable[..., ChatServer]) -> None:
    import openai

    server = serve("ok", error(401, "Access denied"))
    with openai.AzureOpenAI(
        api_key="azure-key-1",
        azure_endpoint=server.base_url.removesuffix("/v1"),
        api_version="2024-10-21",
    ) as client:
        model = connect(client, model_name="my-deployment")
        assert model is not None
        assert model.complete(HELLO).text == "ok"
        (request,) = server.requests
        assert request.path.startswith("/openai/deployments/my-deployment/chat/completions")
        assert request.headers["api-key"] == "azure-key-1"
        with pytest.raises(ModelSetupError, match="the openai client"):
            model.complete(HELLO)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"temperature": True},
        {"timeout": 0},
        {"timeout": None},
        {"deadline": -5.0},
        {"deadline": float("inf")},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"extra_body": ["seed"]},
        {"extra_body": {"model": "other"}},
        {"extra_body": {"stream": True}},
        {"extra_body": {"stop": object()}},
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ConfigurationError, match=name):
        Settings(**options)


# ---- certificates and proxies


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The files of a certificate for this machine, signed by itself, and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    paths = f"{folder}/certificate.pem", f"{folder}/key.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    command += f" {names} -out {paths[0]} -keyout {paths[1]}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return paths


@pytest.fixture
def tls(certificate: tuple[str, str], serve: Callable[..., ChatServer]) -> str:
    """The address of a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = serve("ok")
    http = server._http
    http.socket = context.wrap_socket(http.socket, server_side=True)
    return server.base_url.replace("http:", "https:")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_certificate_is_trusted_where_the_environment_names_it(
    tls: str, certificate: tuple[str, str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = connect("tiny", base_url=tls)
    assert model is not None
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(ModelSetupError, match=r"certificate of https://127.*SSL_CERT_FILE"):
        model.complete(HELLO)
    monkeypatch.setenv(variable, certificate[0])
    assert model.complete(HELLO).text == "ok"
    monkeypatch.setenv(variable, "/no/such/file")
    with pytest.raises(ModelSetupError, match=f"{variable}='/no/such/file'"):
        model.complete(HELLO)


def test_https_to_a_server_of_plain_http_is_a_wrong_setup(start: Start) -> None:
    _, server = start("ok")
    model = connect("tiny", base_url=server.base_url.replace("http:", "https:"))
    assert model is not None
    with pytest.raises(ModelSetupError, match="plain http://"):
        model.complete(HELLO)


def test_a_socks_proxy_without_its_package_is_a_wrong_setup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    model = connect("gpt-5.4-mini", api_key="some-key-123")
    assert model is not None
    with pytest.raises(ModelSetupError, match=r"proxy .*\(ALL_PROXY\).*socks"):
        model.complete(HELLO)


def test_a_proxy_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    model = connect("gpt-5.4-mini", api_key="some-key-123", max_retries=0)
    assert model is not None
    with pytest.raises(ModelError, match=r"proxy that the environment names \(HTTPS_PROXY\)"):
        model.complete(HELLO)
