"""What a language model is to this package: messages in, one completion out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import re
from typing import Any
from typing import Literal
from typing import Protocol
from typing import TypedDict
from typing import runtime_checkable

from optuna_llm.errors import ModelError


Mode = Literal["json_schema", "json_object", "text"]

# Four letters, one other character, or one line break or gap are a token.
_TOKEN = re.compile(r"[A-Za-z]{1,4}|[^\sA-Za-z]|\n|[^\S\n]{2,16}")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# Role markers and separators that a chat template puts around each message.
_TOKENS_PER_MESSAGE = 4


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Usage:
    """Tokens that one request used.

    Attributes:
        prompt_tokens: Tokens read by the model.
        completion_tokens: Tokens written by the model, hidden reasoning included.
        estimated: Whether the numbers are :func:`estimate_tokens`' and not the server's.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


@dataclass(frozen=True)
class Token:
    """One token of an answer.

    Attributes:
        text: The token as text.
        alternatives: What could have stood in its place, itself included as a rule: pairs of text
            and log-probability, as many as the server tells.
    """

    text: str
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Completion:
    """A model's answer to one request.

    Attributes:
        text: The answer, without reasoning, at most 200,000 characters.
        model: Name of the model that answered, as the server reports it.
        usage: Tokens used.
        cost: Price of the tokens in the currency of the prices, or None if no price is known.
        seconds: Wall time of the request with its retries.
        attempts: HTTP requests (or calls) that the answer took.
        mode: How the form of the answer was asked for: by a JSON schema, as any JSON object, or in
            the words of the prompt only. None of them is a promise; parse with care.
        finish_reason: Why the model stopped, in the server's word; "length" means cut off,
            "repetition" that it was stopped here because it repeated itself.
        tokens: The tokens that the model wrote, reasoning included, where log-probabilities were
            asked for and the server tells them; else empty.
        unanswered: Tries before this answer that ended without one, such as by a timeout.
    """

    text: str
    model: str
    usage: Usage
    cost: float | None
    seconds: float
    attempts: int
    mode: Mode
    finish_reason: str | None
    tokens: tuple[Token, ...] = ()
    unanswered: int = 0


class RequestOptions(TypedDict, total=False):
    """What a request may hold beside its messages, see :meth:`ChatModel.complete`."""

    schema: dict[str, Any] | None
    max_output_tokens: int | None
    top_logprobs: int | None


@runtime_checkable
class ChatModel(Protocol):
    """Anything that answers chat messages; implement it to bring your own model.

    Attributes:
        name: Name of the model, for records and for looking up prices.
    """

    name: str

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: dict[str, Any] | None = None,
        max_output_tokens: int | None = None,
        top_logprobs: int | None = None,
    ) -> Completion:
        """Answer ``messages``.

        Args:
            messages: The conversation, oldest message first.
            schema: JSON schema of the wanted answer, in the subset that strict servers take (every
                property required, ``additionalProperties`` false), and with bounds, which not all
                of them take. The messages must describe the form as well, since servers may ignore
                the schema.
            max_output_tokens: Most tokens that the model may write; None leaves it to the server,
                or, with a schema, to what an answer of this form may need.
            top_logprobs: Number of log-probabilities wanted for each token. A model may leave the
                argument out, or take no notice of it.

        Returns:
            The completion.

        Raises:
            ModelError: The model did not answer this time.
            EmptyReplyError: It answered without text.
            ModelSetupError: It can never answer as set up.
        """
        ...


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text costs, rather too many than too few.

    About four letters are a token; every digit and every mark counts as one, since many
    tokenisers split numbers into digits; characters beyond ASCII count as two. The estimate of
    several lines is the sum of the lines' estimates and one for each line break.
    """
    return len(_TOKEN.findall(text)) + len(_NOT_ASCII.findall(text))


def estimate_prompt_tokens(messages: Sequence[Message]) -> int:
    """Estimate the number of tokens of ``messages``, four more than the text for each message."""
    return sum(_TOKENS_PER_MESSAGE + estimate_tokens(message["content"]) for message in messages)


def reported_usage(error: BaseException) -> Usage | None:
    """Return the tokens that a failed request used, if the server reported them."""
    tokens = error.tokens if isinstance(error, ModelError) else None
    return None if tokens is None else Usage(*tokens)
