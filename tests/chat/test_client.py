"""Retries, waits and deadlines of the client, against a real server."""

from __future__ import annotations

from collections.abc import Callable
import email.utils
import threading
import time

import pytest

from optuna_llm.chat import ChatModel
from optuna_llm.chat import connect
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from tests.chat.conftest import HELLO
from tests.chat.conftest import Start
from tests.support.ports import closed_port
from tests.support.server import RESET
from tests.support.server import ChatServer
from tests.support.server import Fault
from tests.support.server import error


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
    date = email.utils.formatdate(time.time() + 1000.0, usegmt=True)
    slow = error(503, "x", headers={"Retry-After": date})
    model, _ = start(slow, "ok", max_retries=1, deadline=10_000.0)
    model.complete(HELLO)
    assert 0.0 < delays[0] <= 1001.0


def test_a_wait_beyond_the_deadline_is_not_begun(start: Start, delays: list[float]) -> None:
    slow = error(429, "slow", headers={"Retry-After": "300"})
    model, server = start(slow, max_retries=2)
    with pytest.raises(ModelError, match="asks to wait 300 s"):
        model.complete(HELLO)
    assert delays == []
    assert server.count == 1


# None of them ends while a test lives: who waits for the end of it waits for ever.
HANG = Fault(hang=10_000.0)
DRIP = Fault(body=b'{"choices": []' + b" " * 1_000_000 + b"}", drip=0.05)
DRIP_HEADERS = Fault(headers={"X-Long": "x" * 1_000_000}, drip=0.05, drip_headers=True)
FAULTS = pytest.mark.parametrize(
    "fault", [HANG, DRIP, DRIP_HEADERS], ids=["hang", "drip", "headers"]
)


@FAULTS
def test_the_timeout_ends_each_request_and_the_next_gets_twice_as_long(
    start: Start, delays: list[float], fault: Fault
) -> None:
    model, server = start(fault, timeout=0.2, deadline=60.0, max_retries=2)
    failure = _expect_no_answer(model, r"within [\d.]+ s \(3 attempts\)$")
    # The message tells the whole wait.
    assert float(str(failure).split()[-4]) >= 1.39  # 0.2 + 0.4 + 0.8
    assert server.count == failure.unanswered == 3
    assert delays == []


def test_a_timeout_is_not_repeated_with_the_same_limit(start: Start) -> None:
    model, server = start(HANG, timeout=0.3, deadline=0.6, max_retries=5)
    failure = _expect_no_answer(model, r"within [\d.]+ s$")
    assert server.count == failure.unanswered == 1


def test_an_answer_after_a_timeout_tells_of_it(start: Start) -> None:
    model, _ = start(HANG, "ok", timeout=0.3, deadline=60.0, max_retries=1)
    completion = model.complete(HELLO)
    assert (completion.attempts, completion.unanswered) == (2, 1)


@pytest.mark.parametrize(
    ("answer", "unanswered"),
    [(error(500, "oops"), 0), (error(504, "upstream timed out"), 1), (error(400, "no"), 0)],
)
def test_a_try_that_a_provider_may_bill_is_told(
    start: Start, answer: Fault, unanswered: int
) -> None:
    model, _ = start(answer)
    with pytest.raises(ModelError) as caught:
        model.complete(HELLO)
    assert caught.value.unanswered == unanswered


@FAULTS
def test_the_deadline_ends_all_requests(start: Start, delays: list[float], fault: Fault) -> None:
    model, _ = start(fault, timeout=60.0, deadline=0.3, max_retries=3)
    _expect_no_answer(model, r"within 0\.\d+ s")
    assert delays == []


def test_the_timeout_holds_with_a_ready_client(serve: Callable[..., ChatServer]) -> None:
    import openai

    server = serve(DRIP)
    with openai.OpenAI(api_key="ready-key-1", base_url=server.base_url) as client:
        model = connect(client, model_name="tiny", timeout=0.2, max_retries=0)
        _expect_no_answer(model, r"within [\d.]+ s")
        assert not client.is_closed()


def _expect_no_answer(model: ChatModel | None, limit: str) -> ModelError:
    assert model is not None
    before = set(threading.enumerate())
    with pytest.raises(ModelError, match=rf"no answer from http://127\.0\.0\.1:.* {limit}") as e:
        model.complete(HELLO)
    # The connections are closed, not left behind with a request that nobody waits for.
    for thread in set(threading.enumerate()) - before:
        if thread.name == "optuna-llm-chat":
            thread.join(300)
            assert not thread.is_alive()
    return e.value


def test_nobody_there(delays: list[float]) -> None:
    with closed_port() as port:
        model = connect("tiny", base_url=f"http://127.0.0.1:{port}/v1")
        assert model is not None
        with pytest.raises(ModelError, match=f"127.0.0.1:{port}.*not seem to be running"):
            model.complete(HELLO)
    assert len(delays) == 2


@pytest.mark.parametrize("code", [502, "503", 429, None])
def test_a_passing_fault_that_a_router_passes_on_is_tried_again(
    start: Start, delays: list[float], code: object
) -> None:
    down = Fault(body={"error": {"message": "upstream is down", "code": code}})
    model, _ = start(down, "ok", max_retries=1)
    assert model.complete(HELLO).text == "ok"
    assert len(delays) == 1


def test_a_refused_key_that_a_router_passes_on_is_a_wrong_setup(start: Start) -> None:
    model, _ = start(Fault(body={"error": {"message": "No auth credentials found", "code": 401}}))
    with pytest.raises(ModelSetupError, match=r"passes on an error .*No auth credentials"):
        model.complete(HELLO)
