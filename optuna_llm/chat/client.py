"""A language model behind an HTTP endpoint: retries, deadlines and the ladder of answer forms."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import json
import logging
import math
import random
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from optuna_llm.chat.attempt import Attempt
from optuna_llm.chat.attempt import GivenUp
from optuna_llm.chat.credentials import KeyOrigin
from optuna_llm.chat.dialect import Dialect
from optuna_llm.chat.failure import Failure
from optuna_llm.chat.failure import explain
from optuna_llm.chat.failure import timed_out
from optuna_llm.chat.model import Completion
from optuna_llm.chat.model import Message
from optuna_llm.chat.model import Mode
from optuna_llm.chat.model import Usage
from optuna_llm.chat.model import estimate_prompt_tokens
from optuna_llm.chat.model import estimate_tokens
from optuna_llm.chat.numbers import real
from optuna_llm.chat.numbers import whole
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import cost_of
from optuna_llm.chat.reply import Reply
from optuna_llm.chat.reply import clean
from optuna_llm.chat.reply import holds_an_object
from optuna_llm.chat.reply import read_reply
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelSetupError
from optuna_llm.errors import redact


if TYPE_CHECKING:
    from typing_extensions import Unpack

    from optuna_llm.chat.model import RequestOptions


_logger = logging.getLogger(__name__)

# The back-off of the openai SDK: half a second, doubled up to eight, less up to a quarter.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 8.0
# After a timeout the next try gets this many times as long, and at least that many.
_GROWTH = 2.0
_LEAST_GROWTH = 1.5
# With so many times the tokens of its text an answer has come after hidden reasoning.
_HIDDEN = 2
# Neither disturbs a seeded generator nor lets forked workers wait alike.
_jitter = random.SystemRandom()

# These would change what the reply is.
_RESERVED_OPTIONS = ("model", "messages", "stream", "n")


@dataclass(frozen=True)
class Settings:
    """How to ask a model.

    Attributes:
        temperature: Sampling temperature, or None for the server's own.
        timeout: Most seconds for one HTTP request or call; twice as many for the try after one
            that took too long.
        deadline: Most seconds for one answer, with its retries.
        max_retries: Times that a request which failed for a passing reason is sent again.
        extra_body: More parameters for the body of each request, such as ``reasoning_effort``.
        prices: Price of a million prompt tokens and of a million completion tokens, or None.
    """

    temperature: float | None = None
    timeout: float = 60.0
    deadline: float = 120.0
    max_retries: int = 2
    extra_body: Mapping[str, Any] | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        own: dict[str, float] = {"max_retries": whole(self.max_retries)}
        if self.temperature is not None:
            own["temperature"] = real(self.temperature)
            if not 0 <= own["temperature"] < math.inf:
                raise ConfigurationError(
                    f"temperature={self.temperature!r:.80} must be a number of at least 0, or None"
                )
        for name in ("timeout", "deadline"):
            seconds = getattr(self, name)
            own[name] = real(seconds)
            if not 0 < own[name] < math.inf:
                raise ConfigurationError(
                    f"{name}={seconds!r:.80} must be a number of seconds above 0"
                )
        if not own["max_retries"] >= 0:
            raise ConfigurationError(
                f"max_retries={self.max_retries!r:.80} must be an integer of at least 0"
            )
        for name, number in own.items():
            object.__setattr__(self, name, number)
        if self.extra_body is not None:
            _check_extra_body(self.extra_body)

    @property
    def options(self) -> dict[str, Any]:
        """The optional parameters that the user set."""
        temperature = {} if self.temperature is None else {"temperature": self.temperature}
        return {**temperature, **(self.extra_body or {})}


@dataclass(frozen=True)
class Request:
    """One request to an endpoint.

    Attributes:
        messages: The conversation.
        parameters: All other parameters of the request.
        timeout: Most seconds to wait on the connection.
        attempt: The attempt that this is; to be ended when it is given up.
    """

    messages: Sequence[Message]
    parameters: Mapping[str, Any]
    timeout: float
    attempt: Attempt[Any]


class Endpoint(Protocol):
    """Where chat completions are asked for.

    Attributes:
        model: The model's name there.
        address: The endpoint in words, such as its base URL.
        token_limit: Its name for the limit on output tokens.
        streams: Whether to ask it for streams, which can be ended early.
        hint: What the user may have meant, for the message when this is a wrong set-up; or "".
    """

    model: str
    address: str
    token_limit: str
    streams: bool
    hint: str

    @property
    def key(self) -> KeyOrigin:
        """Where its key comes from."""
        ...

    def load(self) -> None:
        """Import what is needed to send."""
        ...

    def send(self, request: Request) -> Mapping[str, Any]:
        """Send a request, once, and return the body of the response."""
        ...

    def prices(self) -> Prices | None:
        """Return the prices of the model if they are at hand."""
        ...


class RemoteChatModel:
    """A :class:`~optuna_llm.chat.ChatModel` behind an HTTP endpoint; made by ``connect``.

    Nothing is imported, read from the environment or sent before the first request. Each request
    has its own connection, so one object serves several threads and survives a fork.

    Args:
        endpoint: Where the model is.
        name: Name of the model in records.
        settings: How to ask it.
    """

    def __init__(self, endpoint: Endpoint, *, name: str, settings: Settings) -> None:
        self.name = name
        self._endpoint = endpoint
        self._settings = settings
        self._dialect = Dialect(token_limit=endpoint.token_limit, streams=endpoint.streams)

    @property
    def options(self) -> dict[str, Any]:
        """The optional parameters of each request."""
        return self._settings.options

    @property
    def prices(self) -> Prices | None:
        """The prices given to ``connect``, or else those that come with the endpoint."""
        return self._settings.prices or self._endpoint.prices()

    @property
    def timeout(self) -> float:
        """Most seconds for one request."""
        return self._settings.timeout

    @property
    def refused(self) -> tuple[str, ...]:
        """What the server has refused so far: parameters, and forms of asking for JSON."""
        return self._dialect.refused

    def complete(
        self, messages: Sequence[Message], **options: Unpack[RequestOptions]
    ) -> Completion:
        """Answer ``messages``; see :meth:`optuna_llm.chat.ChatModel.complete`."""
        schema, max_output_tokens = options.get("schema"), options.get("max_output_tokens")
        top_logprobs = options.get("top_logprobs")
        self._endpoint.load()
        settings = self._settings
        wanted = settings.options
        if top_logprobs is not None:
            wanted = {
                "logprobs": True,
                "top_logprobs": top_logprobs,
                **settings.options,
            }
        started = time.monotonic()
        attempts = retries = unanswered = 0
        limit = settings.timeout
        failed: frozenset[Mode] = frozenset()
        thoughts = Usage(0, 0)
        while True:
            parameters, mode = self._dialect.parameters(
                schema=schema,
                max_output_tokens=max_output_tokens,
                options=wanted,
                without=failed,
            )
            left = settings.deadline - (time.monotonic() - started)
            sent = self._dialect.messages(messages)
            outcome = self._try(sent, parameters, schema, seconds=min(limit, left))
            attempts += 1
            if isinstance(outcome, Failure) and holds_an_object(outcome.failed_generation):
                outcome = Reply(clean(outcome.failed_generation or ""), finish_reason="error")
            thinking = (
                max_output_tokens is None
                and _thinks(outcome)
                and self._dialect.learn_that_it_thinks(parameters, wanted)
            )
            if isinstance(outcome, Reply):
                break
            unanswered += outcome.unanswered
            seconds = time.monotonic() - started
            error = outcome.error(attempts=attempts, unanswered=unanswered, seconds=seconds)
            left = settings.deadline - seconds
            if outcome.timed_out:
                # The same request with the same limit would end in the same way.
                limit = min(_GROWTH * limit, left)
                if retries == settings.max_retries or limit < _LEAST_GROWTH * settings.timeout:
                    raise error
                delay = 0.0
                retries += 1
            elif thinking:
                thoughts = outcome.usage or thoughts
                delay = 0.0
            elif outcome.failed_generation is not None and mode != "text":
                # A fault of this answer. The form is kept, and given up only for this request.
                delay = 0.0
                if retries < settings.max_retries:
                    retries += 1
                else:
                    failed |= {mode}
            elif outcome.complaint and self._dialect.learn(
                messages, parameters, mode, outcome.complaint
            ):
                delay = 0.0
            elif outcome.retry and retries < settings.max_retries:
                delay = outcome.retry_after or _backoff(retries)
                retries += 1
            else:
                raise error
            if delay >= left:
                raise error
            if delay:
                _logger.info("Asking again in %.1f s: %s", delay, redact(outcome.reason))
                time.sleep(delay)
        usage = outcome.usage or Usage(
            prompt_tokens=estimate_prompt_tokens(messages),
            completion_tokens=estimate_tokens(outcome.text),
            estimated=True,
        )
        usage = replace(
            usage,
            prompt_tokens=usage.prompt_tokens + thoughts.prompt_tokens,
            completion_tokens=usage.completion_tokens + thoughts.completion_tokens,
        )
        return Completion(
            text=outcome.text,
            model=outcome.model or self._endpoint.model,
            usage=usage,
            cost=cost_of(usage, self.prices),
            seconds=time.monotonic() - started,
            attempts=attempts,
            mode=mode,
            finish_reason=outcome.finish_reason,
            tokens=outcome.tokens,
            unanswered=unanswered,
        )

    def _try(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        schema: Mapping[str, Any] | None,
        *,
        seconds: float,
    ) -> Reply | Failure:
        """Send one request. What the SDK raises ends here: it holds the key in its headers."""
        endpoint = self._endpoint
        attempt: Attempt[Reply | Failure] = Attempt()

        def call() -> Reply | Failure:
            try:
                response = endpoint.send(Request(messages, parameters, seconds, attempt))
                return read_reply(response, schema)
            except Exception as error:
                failure = explain(
                    error, model=endpoint.model, address=endpoint.address, key=endpoint.key
                )
            if failure.kind is ModelSetupError and endpoint.hint:
                failure = replace(failure, reason=f"{endpoint.hint}. ({failure.reason})")
            return failure

        try:
            return attempt.run(call, seconds)
        except GivenUp:
            return timed_out(endpoint.address)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r} at {self._endpoint.address})"


def _thinks(outcome: Reply | Failure) -> bool:
    """Whether reasoning that is not part of the answer has used up its tokens."""
    if isinstance(outcome, Failure):
        return outcome.cut_off
    written = 0 if outcome.usage is None else outcome.usage.completion_tokens
    cut_off = outcome.finish_reason == "length"
    return cut_off and written > _HIDDEN * estimate_tokens(outcome.text)


def _backoff(retries: int) -> float:
    return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0**retries) * _jitter.uniform(0.75, 1.0)


def _check_extra_body(extra_body: object) -> None:
    if not isinstance(extra_body, Mapping) or not all(isinstance(key, str) for key in extra_body):
        raise ConfigurationError(
            "extra_body must be a dictionary of request parameters such as "
            f'{{"reasoning_effort": "low"}}, got {type(extra_body).__name__}'
        )
    for name in _RESERVED_OPTIONS:
        if name in extra_body:
            raise ConfigurationError(f"extra_body must not hold {name!r}; leave it out")
    try:
        json.dumps(dict(extra_body))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"extra_body must hold only what JSON can say: {redact(str(error))}"
        ) from None
