"""From the body of a chat completions response to the text of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import json
import re
from typing import Any

from optuna_llm.chat.model import Token
from optuna_llm.chat.model import Usage
from optuna_llm.chat.stream import REPETITION
from optuna_llm.chat.stream import Stream
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError
from optuna_llm.errors import redact


# Fields of a message in which servers put what the model has thought.
_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
MAX_BODY_BYTES = 32 * 2**20
MAX_TEXT_CHARACTERS = 200_000

_OPENING = "<think>"
_CLOSING = "</think>"


@dataclass(frozen=True)
class Reply:
    """What matters of a chat completions response.

    Attributes:
        text: The answer, not empty.
        model: The model's name, or None if the server names none.
        usage: Tokens used, or None if the server does not say.
        finish_reason: Why the model stopped.
        tokens: The tokens with their alternatives, if the server tells them.
    """

    text: str
    model: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    tokens: tuple[Token, ...] = ()


class UpstreamError(Exception):
    """A response of status 200 that passes on the failure of a server further back."""

    def __init__(self, body: object, status_code: int, usage: Usage | None) -> None:
        super().__init__(str(body))
        self.body = body
        self.status_code = status_code
        self.usage = usage


def parse_body(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the JSON object in ``body``.

    Raises:
        ModelError: There is none.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ModelError(f"the reply is larger than {MAX_BODY_BYTES // 2**20} MiB")
    try:
        document = json.loads(body)
    except UnicodeDecodeError:
        raise ModelError("the reply is not UTF-8 text") from None
    except (ValueError, RecursionError):
        # Some gateways stream, whatever they were asked for.
        stream = Stream()
        stream.feed(body)
        if streamed := stream.response():
            return streamed
        if "html" in content_type or body.lstrip()[:1] == b"<":
            raise ModelError(
                "the reply is a web page, not JSON; is base_url right? Most servers expect it to "
                "end in /v1"
            ) from None
        raise ModelError(
            f"the reply is not JSON: {excerpt(body[:1000].decode('utf-8', 'replace'))!r}"
        ) from None
    if not isinstance(document, dict):
        raise ModelError(f"the reply is a JSON {type(document).__name__}, not an object")
    return document


def read_reply(response: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> Reply:
    """Return the answer in a chat completions response.

    Args:
        response: The body of the response.
        schema: The form that was asked for. JSON in it counts as the answer also where a server
            has put it into the reasoning or the call of a tool, and the content is empty.

    Raises:
        EmptyReplyError: The model wrote nothing, or only reasoning.
        ModelError: It refused, called a tool, or the response has no answer at all.
        UpstreamError: The response passes on the failure of another server.
    """
    usage = _usage(response.get("usage"))
    try:
        choice = response["choices"][0]
        message = choice["message"]
        finish_reason = choice.get("finish_reason")
        text = clean(_joined(message.get("content")))
    except (KeyError, IndexError, TypeError, AttributeError):
        if response.get("error") or response.get("detail"):
            raise _upstream(response, usage) from None
        reason = f"the reply holds no answer: no choices in it: {excerpt(dict(response))}"
        raise _unusable(ModelError, reason, usage) from None
    text = text or _elsewhere(message, schema)
    if text:
        return Reply(
            text=text,
            model=_text_or_none(response.get("model")),
            usage=usage,
            finish_reason=_text_or_none(finish_reason),
            tokens=_tokens(choice.get("logprobs")),
        )
    refusal = message.get("refusal") or _extra(message).get("refusal")
    if refusal:
        reason = f"the model refused to answer: {excerpt(refusal)!r}"
        raise _unusable(ModelError, reason, usage)
    if message.get("tool_calls") or message.get("function_call"):
        reason = "the model called a tool instead of answering; no tools were offered"
        raise _unusable(ModelError, reason, usage)
    if finish_reason == "content_filter":
        raise _unusable(ModelError, "the provider's content filter removed the answer", usage)
    if choice.get("error") or response.get("error"):
        raise _upstream(choice if choice.get("error") else response, usage)
    reasoned = any(message.get(name) for name in _REASONING)
    if reasoned or _joined(message.get("content")).strip():
        reason = "the model wrote only reasoning and no answer"
    else:
        reason = "the model wrote nothing"
    advice = (
        "allow more output tokens, or less reasoning such as "
        'extra_body={"reasoning_effort": "low"}'
    )
    if finish_reason == REPETITION:
        advice = "it repeated itself and was stopped; is the model too small for this?"
    if reasoned and finish_reason == "stop":
        advice = (
            "it came to an end, so if its answer stands in the reasoning, turn off the server's "
            f"reasoning parser; else {advice}"
        )
    reason = f"{reason} (finish_reason {finish_reason!r}); {advice}"
    empty = _unusable(EmptyReplyError, reason, usage)
    empty.cut_off = finish_reason == "length"
    raise empty


def _upstream(body: Mapping[str, Any], usage: Usage | None) -> UpstreamError:
    """Return the failure that a response or a choice passes on."""
    error = body.get("error") or body.get("detail")
    described = error if isinstance(error, Mapping) else {}
    codes = (described.get("code"), described.get("status"), body.get("code"), body.get("status"))
    statuses = (int(str(code)) for code in codes if str(code).isdecimal())
    status = next((status for status in statuses if 400 <= status < 600), 502)
    return UpstreamError({"error": error}, status, usage)


def _elsewhere(message: Mapping[str, Any], schema: Mapping[str, Any] | None) -> str:
    """Return the JSON that was asked for where it stands beside the content, or nothing."""
    names = [] if schema is None else list(schema.get("properties", ()))
    calls = [call.get("function") for call in message.get("tool_calls") or ()]
    for call in filter(None, [*calls, message.get("function_call")]):
        arguments = call.get("arguments")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        if any(f'"{name}"' in text for name in names):
            return clean(text)
    thoughts = (clean(_joined(message.get(f) or _extra(message).get(f))) for f in _REASONING)
    return next(filter(None, (_closing_object(text, names) for text in thoughts)), "")


def _closing_object(text: str, names: Sequence[str]) -> str:
    """Return the object with one of the names that a text consists of, or that it ends with.

    Reasoning may hold drafts, so that one in its middle is no answer.
    """
    text = text.removeprefix("```json").strip("` \n")
    first_name = "|".join(map(re.escape, names))
    for begin in re.finditer(rf'\{{\s*"({first_name})"', text) if names else ():
        if begin.start() == 0:
            return text
        try:
            _, end = json.JSONDecoder().raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            continue
        if end == len(text):
            return text[begin.start() :]
    return ""


def holds_an_object(text: str | None) -> bool:
    """Whether a piece of JSON, perhaps cut off, holds at least one whole object of values."""
    return text is not None and re.search(r"\{[^{}]*\"[^{}]*:[^{}]*\}", text) is not None


def clean(text: str) -> str:
    """Return the answer in ``text``: without reasoning, bounded, and storable in any database."""
    text = strip_reasoning(text[:MAX_TEXT_CHARACTERS])
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()


def strip_reasoning(text: str) -> str:
    """Remove each ``<think>...</think>``, and a leading one that is never closed or never opened.

    Chat templates may open the reasoning themselves, so that the text begins inside of it.
    """
    start, end = text.find(_OPENING), text.find(_CLOSING)
    position = end + len(_CLOSING) if end >= 0 and not 0 <= start < end else 0
    answer = ""
    while (start := text.find(_OPENING, position)) >= 0:
        end = text.find(_CLOSING, start)
        if end < 0:
            break
        answer += text[position:start]
        position = end + len(_CLOSING)
    rest = text[position:]
    unfinished = not answer.strip() and rest.lstrip().startswith(_OPENING)
    return answer if unfinished else answer + rest


def excerpt(value: object, *, length: int = 300) -> str:
    """Return foreign text as one short printable line without secrets."""
    text = "".join(c if c.isprintable() else " " for c in str(value)[: 1000 * length])
    # A key must not be cut in half before it is looked for.
    text = redact(" ".join(text.split())[: 10 * length])
    return text if len(text) <= length else text[: length - 3] + "..."


def _joined(content: object) -> str:
    """Return the text of a message's content: a string, or a list of parts."""
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _extra(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields that LiteLLM moves out of the message."""
    return message.get("provider_specific_fields") or {}


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not (isinstance(prompt, int) and isinstance(completion, int)):
        return None
    return Usage(prompt_tokens=max(0, prompt), completion_tokens=max(0, completion))


def _tokens(logprobs: object) -> tuple[Token, ...]:
    """Return the tokens that a response tells, none where one of them makes no sense."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    try:
        return tuple(
            Token(
                str(entry["token"]),
                tuple(
                    (str(other["token"]), float(other["logprob"]))
                    for other in (entry.get("top_logprobs") or [entry])
                ),
            )
            for entry in content or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _unusable(kind: type[ModelError], reason: str, usage: Usage | None) -> ModelError:
    error = kind(reason)
    if usage is not None:
        error.tokens = usage.prompt_tokens, usage.completion_tokens
    return error
