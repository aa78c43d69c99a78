"""Everything that can go wrong, one class for each kind of answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from optuna_llm.chat import Usage


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
        usage: The tokens that the failed request used, where the server reported them.
    """

    usage: Usage | None = None


class EmptyReplyError(ModelError):
    """The model answered without any text, as reasoning models do when they run out of tokens."""


class BudgetExceededError(OptunaLLMError):
    """A budget limit (requests, tokens, cost or seconds) is reached; no request was sent."""


class CassetteMissError(OptunaLLMError):
    """A replayed cassette holds no reply to this request."""
