"""From the body of a chat completions response to the text of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from typing import Any

from optuna_llm.chat.model import Token
from optuna_llm.chat.model import Usage
from optuna_llm.chat.redact import redact
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError


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
    model: str | None
    usage: Usage | None
    finish_reason: str | None
    tokens: tuple[Token, ...] = ()


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


def read_reply(response: Mapping[str, Any]) -> Reply:
    """Return the answer in a chat completions response.

    Raises:
        EmptyReplyError: The model wrote nothing, or only reasoning.
        ModelError: It refused, called a tool, or the response has no answer at all.
    """
    usage = _usage(response.get("usage"))
    try:
        choice = response["choices"][0]
        message = choice["message"]
        finish_reason = choice.get("finish_reason")
        text = clean(_joined(message.get("content")))
    except (KeyError, IndexError, TypeError, AttributeError):
        # Routers answer 200 and put the failure of the server behind them in the body.
        error = response.get("error") or f"no choices in it: {dict(response)!r}"
        raise _unusable(ModelError, f"the reply holds an error: {excerpt(error)}", usage) from None
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
    if choice.get("error"):
        reason = f"the reply holds an error: {excerpt(choice['error'])}"
        raise _unusable(ModelError, reason, usage)
    reasoned = any(
        message.get(name) for name in ("reasoning", "reasoning_content", "reasoning_details")
    )
    if reasoned or _joined(message.get("content")).strip():
        reason = "the model wrote only reasoning and no answer"
    else:
        reason = "the model wrote nothing"
    raise _unusable(
        EmptyReplyError,
        f"{reason} (finish_reason {finish_reason!r}); allow more output tokens, or less reasoning "
        'such as extra_body={"reasoning_effort": "low"}',
        usage,
    )


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
    error.usage = usage
    return error
