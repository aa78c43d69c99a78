"""Everything that can go wrong, one class for each kind of answer to it."""

from __future__ import annotations


class OptunaLLMError(Exception):
    """Base class of all errors of this package."""


class ConfigurationError(OptunaLLMError, ValueError):
    """An argument is wrong; the message names the argument, its value and the fix."""


class MissingExtraError(OptunaLLMError, ImportError):
    """An optional package is needed; the message names the extra to install."""


class ModelSetupError(OptunaLLMError):
    """The model can never answer as set up: no or refused key, unknown model, unknown address.

    Trying again does not help; the message names what to change.
    """


class ModelError(OptunaLLMError):
    """The model did not answer this time: timeout, overload, broken connection, unusable reply.

    The next request may succeed.

    Attributes:
        tokens: The prompt and completion tokens of the failed request, where the server reported
            them: an empty reply costs too.
        unanswered: Tries that ended without an answer, such as by a timeout. A provider bills
            what the model wrote until then, and nobody knows how much that was.
        cut_off: Whether the limit on output tokens ended the reply before there was an answer.
    """

    tokens: tuple[int, int] | None = None
    unanswered: int = 0
    cut_off: bool = False


class EmptyReplyError(ModelError):
    """The model answered without any text, as reasoning models do when they run out of tokens."""


class BudgetExceededError(OptunaLLMError):
    """A budget limit (requests, tokens, cost or seconds) is reached; no request was sent."""


class CassetteMissError(OptunaLLMError):
    """A replayed cassette holds no reply to this request."""


class ConflictError(OptunaLLMError):
    """What is told contradicts what is stored already; the message names both."""


class StorageError(OptunaLLMError):
    """The storage did not answer this time; the same command may be given again."""
