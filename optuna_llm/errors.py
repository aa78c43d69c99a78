"""Everything that can go wrong, one class for each kind of answer to it.

No message holds a secret: whatever comes from outside goes through :func:`redact` first.
"""

from __future__ import annotations

from collections import deque
import os
import re


_MASK = "[redacted]"

# Environment variables whose values are masked wherever they turn up.
_SECRET_VARIABLE = re.compile(r"(API_?KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
# Shorter values are words ("none", "ollama"), and masking them would garble the message.
_SHORTEST_SECRET = 8

_KEY_LIKE = (
    # Authorization headers: Bearer abc, Basic abc.
    re.compile(r"\b(?P<keep>(?:Bearer|Basic)\s+)(?!\[redacted)[^\s\"',;]{6,}", re.IGNORECASE),
    # api-key: abc, "x-goog-api-key": "abc", ?key=abc, password='abc'.
    re.compile(
        r"(?P<keep>\b(?:[\w-]{0,40}(?:api[-_ ]?key|token|secret)|passw(?:or)?d|key|authorization)"
        r"[\"']?\s*[:=]\s*[\"']?)(?!\[redacted)[^\s\"'&,;)}\]]{6,}",
        re.IGNORECASE,
    ),
    # Keys known by their form: OpenAI and others, Groq, Google, xAI, Hugging Face, NVIDIA, ...
    re.compile(r"\b(?P<keep>)(?:sk|pk|rk|xai|pplx|nvapi|csk)-[\w*.-]{6,}"),
    re.compile(r"\b(?P<keep>)(?:gsk|hf|fw|ghp|r8|tgp)_[\w*]{6,}"),
    re.compile(r"\b(?P<keep>)AIza[\w*-]{6,}"),
    # https://user:password@host, also where the password holds a slash or an @.
    re.compile(r"(?P<keep>://)(?:[^/\s]+|[^/\s:@]*:(?!\d+(?:/|\s|$))\S+)(?=@)"),
    # ?password=abc, however short.
    re.compile(
        r"(?P<keep>[?&](?:\w*password|passwd|pwd|token|secret|key)=)(?!\[redacted)[^&\s\"']+",
        re.IGNORECASE,
    ),
)


class OptunaLLMError(Exception):
    """Base class of all errors of this package.

    Attributes:
        is_final: Whether a run is meant to end with it, where it could go on without a model.
    """

    is_final = False


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


# The keys that this process has used last; a key may have any form.
_used: deque[str] = deque(maxlen=32)


def remember(secret: str) -> None:
    """Have :func:`redact` mask ``secret`` from now on."""
    if secret not in _used:
        _used.append(secret)


def redact(text: str) -> str:
    """Mask keys in ``text``: those in use, those of the environment, and what looks like one."""
    known = [value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name)]
    for secret in sorted({*_used, *known}, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _MASK)
    for pattern in _KEY_LIKE:
        text = pattern.sub(rf"\g<keep>{_MASK}", text)
    return text


class SandboxError(OptunaLLMError):
    """Foreign code failed: it raised, took too long, died, or answered nothing that can pass.

    The message says which, in one sentence.
    """
