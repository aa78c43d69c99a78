"""The ladder of forms of an answer, and parameters that a server refuses."""

from __future__ import annotations

from typing import Any

import pytest

from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError
from tests.chat.conftest import HELLO
from tests.chat.conftest import SCHEMA
from tests.chat.conftest import Start
from tests.support.server import Answer
from tests.support.server import ChatServer
from tests.support.server import Fault
from tests.support.server import error
from tests.support.server import refuses


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


BOUNDED: Any = {
    "type": "object",
    "properties": {
        "maximum": {"type": "number", "minimum": 0, "maximum": 1},
        "reasons": {"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 3},
    },
    "required": ["maximum", "reasons"],
    "additionalProperties": False,
}


def _schema(request: Any) -> Any:
    return request.json["response_format"]["json_schema"]["schema"]


def test_bounds_that_a_server_names_are_left_out_and_the_others_stay(start: Start) -> None:
    def reply(request: dict[str, Any]) -> Answer:
        if "maxLength" in str(request["response_format"]):
            return error(400, "Invalid schema for response_format: 'maxLength' is not permitted.")
        return "{}"

    model, server = start(reply)
    completion = model.complete(HELLO, schema=BOUNDED)
    assert (completion.mode, completion.attempts) == ("json_schema", 2)
    assert _schema(server.requests[0]) == BOUNDED
    kept = _schema(server.requests[1])["properties"]
    assert kept["maximum"] == BOUNDED["properties"]["maximum"]
    assert kept["reasons"] == {"type": "array", "items": {"type": "string"}, "maxItems": 3}
    assert model.complete(HELLO, schema=BOUNDED).attempts == 1
    assert getattr(model, "refused", None) == ("maxLength",)


def test_where_no_bound_is_named_all_go_before_the_schema_does(start: Start) -> None:
    model, server = start(refuses("response_format", "x = 1"))
    assert model.complete(HELLO, schema=BOUNDED).attempts == 4
    # A property of such a name is no bound.
    assert _schema(server.requests[1])["properties"]["maximum"] == {"type": "number"}
    assert getattr(model, "refused", None) == ("json_object", "json_schema")


# ---- the limit on output tokens


def _limits(server: ChatServer) -> list[int | None]:
    return [request.json.get("max_tokens") for request in server.requests]


def test_an_answer_gets_the_tokens_that_its_form_may_need(start: Start) -> None:
    model, server = start("{}")
    more = {**BOUNDED, "properties": {**BOUNDED["properties"], "why": {"type": "string"}}}
    model.complete(HELLO)
    model.complete(HELLO, schema=BOUNDED)
    model.complete(HELLO, schema=more)
    model.complete(HELLO, schema=more, max_output_tokens=7)
    none, fewer, most, own = _limits(server)
    assert none is None
    assert fewer is not None
    assert most is not None
    assert 64 <= fewer < most < 1000
    assert own == 7


HIDDEN = {"prompt_tokens": 9, "completion_tokens": 400}


@pytest.mark.parametrize(
    ("first", "attempts"),
    [
        ({"content": "", "finish_reason": "length", "usage": HIDDEN}, 2),
        ({"content": "{", "finish_reason": "length", "usage": HIDDEN}, 1),
    ],
)
def test_a_model_that_thinks_gets_no_limit_of_ours(
    start: Start, first: Answer, attempts: int
) -> None:
    model, server = start(first, {"content": "{}", "usage": HIDDEN})
    completion = model.complete(HELLO, schema=BOUNDED)
    assert completion.attempts == attempts
    # What was thought in vain is paid for.
    assert completion.usage.completion_tokens == attempts * 400
    model.complete(HELLO, schema=BOUNDED)
    first_limit, *others = _limits(server)
    assert first_limit is not None
    assert set(others) == {None}


def test_a_limit_of_the_users_stays_and_is_not_tried_again(start: Start) -> None:
    model, server = start({"content": "", "finish_reason": "length", "usage": HIDDEN})
    with pytest.raises(EmptyReplyError):
        model.complete(HELLO, schema=BOUNDED, max_output_tokens=50)
    assert _limits(server) == [50]


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
    left = {"model", "messages", "stream", "stream_options"}
    assert server.requests[-1].json.keys() == left


def test_a_400_about_nothing_that_was_sent_is_an_error(start: Start) -> None:
    model, server = start(error(400, "Something about the seed"), temperature=0.2)
    with pytest.raises(ModelError, match=r"HTTP 400.*Something about the seed"):
        model.complete(HELLO)
    assert server.count == 1


# ---- the role system


INSTRUCTED: Any = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": "Again"},
]


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "System role not supported"),
        error(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        error(400, "Only user and assistant roles are supported!"),
        error(
            400,
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            parameter="messages[0].role",
        ),
        error(400, "Invalid value", parameter="messages[0].role"),
        error(400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
        error(500, "Jinja Exception: System role not supported"),
        Fault(422, {"error": "Template error: System role not supported"}),
        Fault(
            422,
            {
                "detail": [
                    {
                        "loc": ["body", "messages", 0, "role"],
                        "msg": "Input should be 'user' or 'assistant'",
                    }
                ]
            },
        ),
        Fault(400, {"error": {"message": 'messages: Unexpected role "system".'}}),
    ],
)
def test_instructions_move_to_the_user_where_there_is_no_system_role(
    start: Start, refusal: Fault
) -> None:
    model, server = start(
        lambda r: refusal if r["messages"][0]["role"] == "system" else '{"x": 1}'
    )
    assert model.complete(INSTRUCTED, schema=SCHEMA).mode == "json_schema"
    assert model.complete(INSTRUCTED, schema=SCHEMA).attempts == 1
    first, second, third = (request.json["messages"] for request in server.requests)
    assert first == INSTRUCTED
    assert second == third == [{"role": "user", "content": "Be short.\n\nHello"}, *INSTRUCTED[2:]]


def test_a_complaint_about_roles_is_final_where_no_system_role_was_sent(start: Start) -> None:
    model, server = start(error(400, "Conversation roles must alternate"))
    with pytest.raises(ModelError, match="must alternate"):
        model.complete(HELLO)
    assert server.count == 1


# ---- an answer that was not the JSON asked for


def _not_json(written: str = "") -> Fault:
    said = {
        "message": "Failed to generate JSON. Please adjust your prompt.",
        "type": "invalid_request_error",
        "code": "json_validate_failed",
        "failed_generation": written,
    }
    return Fault(400, {"error": said})


def test_one_failed_generation_does_not_give_up_the_schema(start: Start) -> None:
    model, server = start(_not_json('{"candidates": [{"par'), '{"x": 1}', max_retries=1)
    completion = model.complete(HELLO, schema=SCHEMA)
    assert (completion.text, completion.mode, completion.unanswered) == (
        '{"x": 1}',
        "json_schema",
        1,
    )
    assert model.complete(HELLO, schema=SCHEMA).mode == "json_schema"
    forms = [request.json["response_format"]["type"] for request in server.requests]
    assert forms == ["json_schema"] * 3


def test_many_failed_generations_give_up_the_schema_for_one_request(start: Start) -> None:
    model, _ = start(_not_json(), _not_json(), '{"x": 1}', max_retries=1)
    assert model.complete(HELLO, schema=SCHEMA).mode == "json_object"
    assert model.complete(HELLO, schema=SCHEMA).mode == "json_schema"


def test_a_failed_generation_with_a_usable_beginning_is_the_answer(start: Start) -> None:
    written = '{"candidates": [{"params": {"x": 0.25}}, {"par'
    model, server = start(_not_json(written))
    completion = model.complete(HELLO, schema=SCHEMA)
    assert completion.text == written
    assert server.count == 1
