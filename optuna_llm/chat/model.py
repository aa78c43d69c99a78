"""What a language model is to this package: messages in, one completion out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import Protocol
from typing import TypedDict
from typing import runtime_checkable


Mode = Literal["json_schema", "json_object", "text"]

# English prose averages about four characters a token with the usual byte-pair vocabularies
# (https://help.openai.com/en/articles/4936856). Bytes stand in for characters, so that scripts
# with many-byte characters, which cost more tokens, are not underestimated.
_BYTES_PER_TOKEN = 4
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
        finish_reason: Why the model stopped, in the server's word; "length" means cut off.
        tokens: The tokens that the model wrote, reasoning included, where log-probabilities were
            asked for and the server tells them; else empty.
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
                property required, ``additionalProperties`` false). The messages must describe the
                form as well, since servers may ignore the schema.
            max_output_tokens: Most tokens that the model may write; None leaves it to the server.
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
    """Estimate the number of tokens of ``text``: one for every four bytes of its UTF-8 form.

    Tables of numbers hold up to twice as many tokens as this says.
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)


def estimate_prompt_tokens(messages: Sequence[Message]) -> int:
    """Estimate the number of tokens of ``messages``, four more than the text for each message."""
    return sum(_TOKENS_PER_MESSAGE + estimate_tokens(message["content"]) for message in messages)


def reported_usage(error: BaseException) -> Usage | None:
    """Tokens that a failed request used, if the server reported them: an empty reply costs too."""
    usage = getattr(error, "usage", None)
    return usage if isinstance(usage, Usage) else None
