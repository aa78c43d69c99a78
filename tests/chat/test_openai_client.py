"""The client against a real server: good answers, bad answers, and none."""

from __future__ import annotations

from collections.abc import Callable
import copy
import email.utils
import json
import pickle
import socket
import threading
import time
from typing import Any

import pytest

from optuna_llm.chat import ChatModel
from optuna_llm.chat import Usage
from optuna_llm.chat import connect
from optuna_llm.chat import reported_usage
from optuna_llm.chat.client import Settings
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from tests.chat.conftest import HELLO
from tests.chat.conftest import SCHEMA
from tests.chat.conftest import Start
from tests.server import EMPTY
from tests.server import HTML
from tests.server import REASONING_ONLY
from tests.server import REFUSAL
from tests.server import RESET
from tests.server import TOOL_CALL
from tests.server import Answer
from tests.server import ChatServer
from tests.server import Fault
from tests.server import error
from tests.server import refuses


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
    assert request.json == {"model": "tiny", "messages": HELLO}  # Nothing that was not asked for.


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


# ---- the ladder and refused parameters


def test_the_form_of_the_answer_is_asked_for_by_schema(start: Start) -> None:
    model, server = start('{"x": 1}')
    assert model.complete(HELLO, schema=SCHEMA).mode == "json_schema"
    form = server.requests[0].json["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"] == SCHEMA
    assert form["json_schema"]["strict"] is True


def test_the_ladder_steps_down_and_remembers(start: Start) -> None:
    model, server = start(refuses("response_format", "x = 1"))
    completion = model.complete(HELLO, schema=SCHEMA)
    assert completion.mode == "text"
    assert completion.attempts == 3
    forms = [request.json.get("response_format", {}).get("type") for request in server.requests]
    assert forms == ["json_schema", "json_object", None]
    assert model.complete(HELLO, schema=SCHEMA).attempts == 1


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "This response_format type is unavailable now"),
        error(400, "Failed to generate JSON. Please adjust your prompt."),
        error(400, "unsupported", parameter="response_format.json_schema"),
        Fault(422, {"detail": [{"loc": ["body", "response_format", "type"], "msg": "bad"}]}),
        Fault(400, b"Bad Request: grammar is not supported"),
    ],
)
def test_one_step_of_the_ladder_for_each_way_to_say_it(start: Start, refusal: Fault) -> None:
    model, _ = start(refusal, '{"x": 1}')
    assert model.complete(HELLO, schema=SCHEMA).mode == "json_object"


@pytest.mark.parametrize("parameter", ["temperature", "seed", "reasoning_effort"])
def test_a_refused_parameter_is_left_out_from_then_on(
    start: Start, parameter: str, caplog: pytest.LogCaptureFixture
) -> None:
    extra_body = {"seed": 3, "reasoning_effort": "low"}
    model, server = start(refuses(parameter, "ok"), temperature=0.5, extra_body=extra_body)
    assert model.complete(HELLO).attempts == 2
    assert model.complete(HELLO).attempts == 1
    others = {"temperature", "seed", "reasoning_effort"} - {parameter}
    assert all(others <= request.json.keys() for request in server.requests)
    assert [r.message for r in caplog.records if parameter in r.message] != []


def test_the_limit_on_output_tokens_changes_its_name(start: Start) -> None:
    def reply(request: dict[str, Any]) -> Answer:
        if "max_tokens" in request:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.")
        return "ok"

    model, server = start(reply)
    model.complete(HELLO, max_output_tokens=50)
    model.complete(HELLO, max_output_tokens=60)
    limits = [
        {k: v for k, v in request.json.items() if k.startswith("max_")}
        for request in server.requests
    ]
    assert limits == [
        {"max_tokens": 50},
        {"max_completion_tokens": 50},
        {"max_completion_tokens": 60},
    ]


def test_several_refused_parameters_in_one_request(start: Start) -> None:
    def reply(request: dict[str, Any]) -> Answer:
        for name in ("temperature", "max_tokens", "max_completion_tokens", "response_format"):
            if name in request:
                return error(400, f"{name} is not supported")
        return "ok"

    model, server = start(reply, temperature=0.2)
    completion = model.complete(HELLO, schema=SCHEMA, max_output_tokens=9)
    assert completion.attempts == 6
    assert server.requests[-1].json.keys() == {"model", "messages"}


def test_a_400_about_nothing_that_was_sent_is_an_error(start: Start) -> None:
    model, server = start(error(400, "Something about the seed"), temperature=0.2)
    with pytest.raises(ModelError, match=r"HTTP 400.*Something about the seed"):
        model.complete(HELLO)
    assert server.count == 1


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
    for module in ("reply", "openai_client"):
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


# ---- retries and deadlines


@pytest.mark.parametrize("fault", [error(429, "slow"), error(500, "oops"), error(503, "x"), RESET])
def test_a_passing_fault_is_tried_again(start: Start, delays: list[float], fault: Fault) -> None:
    model, _ = start(fault, fault, "ok", max_retries=2)
    assert model.complete(HELLO).attempts == 3
    first, second = delays
    assert 0.375 <= first <= 0.5
    assert 0.75 <= second <= 1.0


def test_retries_end(start: Start, delays: list[float]) -> None:
    model, server = start(error(500, "oops"), max_retries=2)
    with pytest.raises(ModelError, match=r"HTTP 500: oops \(3 attempts\)"):
        model.complete(HELLO)
    assert server.count == 3


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry-After": "7"}, 7.0), ({"retry-after-ms": "250"}, 0.25)]
)
def test_the_server_says_how_long_to_wait(
    start: Start, delays: list[float], headers: dict[str, str], seconds: float
) -> None:
    model, _ = start(error(429, "slow", headers=headers), "ok", max_retries=1)
    model.complete(HELLO)
    assert delays == [seconds]


@pytest.mark.parametrize("value", ["soon", "-3", "Wed, 21 Oct 2015 07:28:00 GMT", "nan"])
def test_a_wait_that_makes_no_sense_is_ours_to_choose(
    start: Start, delays: list[float], value: str
) -> None:
    model, _ = start(error(503, "x", headers={"Retry-After": value}), "ok", max_retries=1)
    model.complete(HELLO)
    assert 0.375 <= delays[0] <= 0.5


def test_a_wait_until_a_date(start: Start, delays: list[float]) -> None:
    date = email.utils.formatdate(time.time() + 30.0, usegmt=True)
    model, _ = start(error(503, "x", headers={"Retry-After": date}), "ok", max_retries=1)
    model.complete(HELLO)
    assert 0.0 < delays[0] <= 31.0


def test_a_wait_beyond_the_deadline_is_not_begun(start: Start, delays: list[float]) -> None:
    slow = error(429, "slow", headers={"Retry-After": "300"})
    model, server = start(slow, max_retries=2)
    with pytest.raises(ModelError, match="asks to wait 300 s"):
        model.complete(HELLO)
    assert delays == []
    assert server.count == 1


# Each would take a minute or more.
HANG = Fault(hang=60.0)
DRIP = Fault(body=b'{"choices": []' + b" " * 1000 + b"}", drip=0.1)
DRIP_HEADERS = Fault(headers={"X-Long": "x" * 1000}, drip=0.1, drip_headers=True)


@pytest.mark.parametrize("fault", [HANG, DRIP, DRIP_HEADERS], ids=["hang", "drip", "headers"])
def test_the_deadline_holds_whatever_the_server_does(start: Start, fault: Fault) -> None:
    model, server = start(fault, timeout=0.2, deadline=1.5, max_retries=5)
    _expect_no_answer(model)
    assert server.count >= 2  # The timeout of one request is not the end.


def test_the_deadline_holds_with_a_ready_client(serve: Callable[..., ChatServer]) -> None:
    import openai

    server = serve(DRIP)
    with openai.OpenAI(api_key="ready-key-1", base_url=server.base_url) as client:
        _expect_no_answer(connect(client, model_name="tiny", timeout=0.2, max_retries=0))
        assert not client.is_closed()


def _expect_no_answer(model: ChatModel | None) -> None:
    assert model is not None
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"no answer from http://127\.0\.0\.1:"):
        model.complete(HELLO)
    assert time.monotonic() - started < 30.0
    # The connection is closed, not left behind.
    for _ in range(200):
        if all(thread.name != "optuna-llm-chat" for thread in threading.enumerate()):
            return
        time.sleep(0.05)
    raise AssertionError("a request goes on that nobody waits for")


def test_nobody_there(delays: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    model = connect("tiny", base_url=f"http://127.0.0.1:{port}/v1")
    assert model is not None
    with pytest.raises(ModelError, match=f"127.0.0.1:{port}.*not seem to be running"):
        model.complete(HELLO)
    assert len(delays) == 2


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
