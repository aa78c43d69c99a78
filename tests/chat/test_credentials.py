"""A key goes into a header and nowhere else."""

from __future__ import annotations

import copy
import functools
import logging
import pickle
import traceback

import pytest

from optuna_llm.chat import connect
from optuna_llm.chat.credentials import ApiKey
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.errors import redact
from tests.chat.conftest import HELLO
from tests.chat.conftest import Start
from tests.support.server import RESET
from tests.support.server import Answer
from tests.support.server import Fault
from tests.support.server import error


# Of no known form, so that patterns alone would not find it.
CANARY = "canary.7f3b.never.to.be.seen"


def module_level_key() -> str:
    return CANARY


@pytest.mark.parametrize(
    "answer",
    [
        error(401, f"Incorrect API key provided: {CANARY}"),
        error(400, "x" * 290 + CANARY),  # Half of it within the excerpt.
        error(404, f"no such model for {CANARY}"),
        error(429, CANARY),
        error(500, CANARY),
        Fault(502, f"<html>{CANARY}".encode()),
        Fault(body=CANARY.encode()),
        Fault(body={"error": {"message": CANARY}}),
        {"refusal": CANARY},
        Fault(hang=10_000.0),
        RESET,
        "ok",
    ],
)
@pytest.mark.parametrize("how", ["string", "function", "environment"])
def test_the_key_is_nowhere_to_be_seen(
    start: Start,
    answer: Answer,
    how: str,
    delays: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    if how == "environment":
        monkeypatch.setenv("OPTUNA_LLM_API_KEY", CANARY)
    api_key = {"string": CANARY, "function": lambda: CANARY, "environment": None}[how]
    is_slow = isinstance(answer, Fault) and answer.hang > 0.0
    # Several short tries: one of them arrives on the slowest machine.
    limits = {"timeout": 0.2, "max_retries": 2} if is_slow else {}
    model, server = start(answer, api_key=api_key, **limits)
    shown = [repr(model), str(vars(model))]
    try:
        model.complete(HELLO)
    except OptunaLLMError as caught:
        shown += [repr(caught), str(vars(caught)), *_everything(caught)]
    assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    shown += [repr(model), *(f"{r.getMessage()} {r.exc_text} {vars(r)}" for r in caplog.records)]
    shown += capfd.readouterr()
    shown += [repr(pickle.dumps(model)), repr(pickle.dumps(model, protocol=0))]
    for text in shown:
        assert CANARY not in text
        assert CANARY[:12] not in text


def _everything(error: BaseException) -> list[str]:
    """Return all that a traceback with local variables shows, along the whole chain."""
    seen = traceback.format_exception(error)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "optuna_llm" in frame.f_code.co_filename:
            seen += [repr(value) for value in frame.f_locals.values()]
    chained = (error.__cause__, error.__context__)
    return seen + [text for link in chained if link is not None for text in _everything(link)]


@pytest.mark.parametrize("api_key", [CANARY, lambda: CANARY, functools.partial(str, CANARY)])
def test_a_given_key_stays_in_its_process(
    start: Start, api_key: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, server = start("ok", api_key=api_key)
    copy.deepcopy(model).complete(HELLO)
    assert server.requests[-1].headers["authorization"] == f"Bearer {CANARY}"
    elsewhere = pickle.loads(pickle.dumps(model))
    monkeypatch.setenv("OPTUNA_LLM_API_KEY", "from-the-environment")
    elsewhere.complete(HELLO)
    assert server.requests[-1].headers["authorization"] == "Bearer from-the-environment"


def test_a_key_left_behind_is_missed_with_a_clear_error() -> None:
    model = connect("groq/some-model", api_key=CANARY)
    with pytest.raises(ModelSetupError, match=r"no API key.*GROQ_API_KEY.*left out of pickles"):
        pickle.loads(pickle.dumps(model)).complete(HELLO)


def test_an_importable_function_travels_by_its_name(start: Start) -> None:
    model, server = start("ok", api_key=module_level_key)
    pickled = pickle.dumps(model)
    assert CANARY.encode() not in pickled
    pickle.loads(pickled).complete(HELLO)
    assert server.requests[-1].headers["authorization"] == f"Bearer {CANARY}"


def test_the_key_is_read_for_each_request(start: Start) -> None:
    keys = iter(["first-key", "second-key"])
    model, server = start("ok", api_key=lambda: next(keys))
    model.complete(HELLO)
    model.complete(HELLO)
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer first-key", "Bearer second-key"]


def _broken_vault() -> str:
    raise RuntimeError(f"vault is sealed, token={CANARY}")


@pytest.mark.parametrize(
    ("api_key", "reason"),
    [
        (_broken_vault, "RuntimeError: vault is sealed"),
        (lambda: None, "returned no text"),
        (lambda: " ", "returned no text"),
        ("two\nlines", "line breaks"),
        ("clé", "ASCII"),
    ],
)
def test_a_key_that_cannot_be_used(start: Start, api_key: object, reason: str) -> None:
    model, server = start("ok", api_key=api_key)
    with pytest.raises(ModelSetupError, match=reason) as caught:
        model.complete(HELLO)
    assert CANARY not in str(caught.value)
    assert server.count == 0


@pytest.mark.parametrize("api_key", ["", "  ", 42, b"bytes"])
def test_a_key_that_is_none(api_key: object) -> None:
    with pytest.raises(ConfigurationError, match="api_key"):
        ApiKey(api_key)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [" key-from-a-file\n", "'key-from-a-file'", '"key-from-a-file"', "Bearer key-from-a-file"],
)
def test_what_is_copied_along_with_a_key_is_left_out(start: Start, given: str) -> None:
    model, server = start("ok", api_key=given)
    model.complete(HELLO)
    assert server.requests[0].headers["authorization"] == "Bearer key-from-a-file"


# ---- redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Incorrect API key provided: sk-proj-abc123DEF456", "abc123"),
        ("key gsk_abcdef123456 is bad", "abcdef"),
        ("AIzaSyA-abcdef_123456789", "abcdef"),
        ("Authorization: Bearer abc.def.ghi", "abc.def"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNl"),
        ("GET https://host/v1?key=abcdef123456&alt=json", "abcdef"),
        ("x-api-key: abcdef123456", "abcdef"),
        ('{"api_key": "abcdef123456"}', "abcdef"),
        ("x-goog-api-key=abcdef123456", "abcdef"),
        ("password=hunter2hunter2", "hunter2"),
        ("access_token='abcdef123456'", "abcdef"),
        ("http://user:hunter2@host/v1", "hunter2"),
        ("hf_abcdefghijkl", "abcdef"),
        ("postgresql://user:pw@127.0.0.1:1/db", ":pw"),
        ("mysql+pymysql://user:hun/t@er2@127.0.0.1/db", "er2"),
        ("redis://:hunter2@host:6379/0", "hunter2"),
        ("postgresql://host/db?user=me&password=abc&x=1", "=abc"),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, secret: str) -> None:
    masked = redact(text)
    assert secret not in masked
    assert "[redacted]" in masked
    assert redact(masked) == masked


def test_secrets_of_the_environment_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SERVICE_API_KEY", "no.known.form.1")
    monkeypatch.setenv("HOMEPAGE", "a.plain.value.2")
    assert redact("no.known.form.1 a.plain.value.2") == "[redacted] a.plain.value.2"


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 1000000 is too large for this model",
        "learning_rate=0.001, batch_size=128",
        "the task-specific monkey-patched skeleton",
        "KeyError: 'choices'",
        "sqlite:///folder/study.db",
        "http://127.0.0.1:8000/v1 is no address of me@example.com",
        "https://host:8080/path/of/me@example.com",
        "",
    ],
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_logs_of_retries_are_masked(
    start: Start, delays: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="optuna_llm")
    model, _ = start(error(500, f"key {CANARY}"), api_key=CANARY, max_retries=1)
    with pytest.raises(ModelError):
        model.complete(HELLO)
    (record,) = [r for r in caplog.records if "Asking again" in r.getMessage()]
    assert "HTTP 500: key [redacted]" in record.getMessage()
