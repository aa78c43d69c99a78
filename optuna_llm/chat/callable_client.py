"""A Python function as a language model."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import time
from typing import TYPE_CHECKING

from optuna_llm.chat.attempt import Attempt
from optuna_llm.chat.attempt import GivenUp
from optuna_llm.chat.client import Settings
from optuna_llm.chat.failure import is_timeout
from optuna_llm.chat.model import Completion
from optuna_llm.chat.model import Message
from optuna_llm.chat.model import Usage
from optuna_llm.chat.model import estimate_tokens
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import cost_of
from optuna_llm.chat.reply import clean
from optuna_llm.chat.reply import excerpt
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError
from optuna_llm.errors import OptunaLLMError


if TYPE_CHECKING:
    from typing_extensions import Unpack

    from optuna_llm.chat.model import RequestOptions


class CallableChatModel:
    """A :class:`~optuna_llm.chat.ChatModel` that is a function from a prompt to an answer.

    The function is called in a thread of its own, once for each request, without retries; usage is
    estimated. ``schema``,
    ``max_output_tokens`` and ``top_logprobs`` have no effect.

    Args:
        function: Takes the prompt as one text, returns the answer.
        name: Name of the model in records.
        settings: Timeouts and prices.
    """

    def __init__(self, function: Callable[[str], str], *, name: str, settings: Settings) -> None:
        self.name = name
        self._function = function
        self._settings = settings

    @property
    def prices(self) -> Prices | None:
        """The prices given to ``connect``."""
        return self._settings.prices

    def complete(
        self, messages: Sequence[Message], **options: Unpack[RequestOptions]
    ) -> Completion:
        """Answer ``messages``; see :meth:`optuna_llm.chat.ChatModel.complete`."""
        started = time.monotonic()
        prompt = render(messages)
        seconds = min(self._settings.timeout, self._settings.deadline)
        text = self._call(prompt, seconds)
        usage = Usage(
            prompt_tokens=estimate_tokens(prompt),
            completion_tokens=estimate_tokens(text),
            estimated=True,
        )
        answer = clean(text)
        if not answer:
            raise EmptyReplyError(f"{self.name} returned no text")
        return Completion(
            text=answer,
            model=self.name,
            usage=usage,
            cost=cost_of(usage, self.prices),
            seconds=time.monotonic() - started,
            attempts=1,
            mode="text",
            finish_reason=None,
        )

    def _call(self, prompt: str, seconds: float) -> str:
        def call() -> str | OptunaLLMError:
            try:
                text: object = self._function(prompt)
            except OptunaLLMError as error:
                return error.with_traceback(None)
            except Exception as error:
                raised = f"{self.name} raised {type(error).__name__}: {excerpt(error)}"
                return _failure(raised, unanswered=is_timeout(error))
            if not isinstance(text, str):
                return ModelError(
                    f"{self.name} returned {type(text).__name__}; it must return the answer as str"
                )
            return text

        try:
            outcome = Attempt[str | OptunaLLMError]().run(call, seconds)
        except GivenUp:
            outcome = _failure(
                f"no answer from {self.name} within {seconds:.3g} s", unanswered=True
            )
        if isinstance(outcome, OptunaLLMError):
            raise outcome
        return outcome

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def _failure(reason: str, *, unanswered: bool) -> ModelError:
    error = ModelError(reason)
    error.unanswered = int(unanswered)
    return error


def render(messages: Sequence[Message]) -> str:
    """Return ``messages`` as one text, with headings once the model itself has spoken."""
    if all(message["role"] != "assistant" for message in messages):
        return "\n\n".join(message["content"] for message in messages)
    return "\n\n".join(f"{m['role'].capitalize()}:\n{m['content']}" for m in messages)
