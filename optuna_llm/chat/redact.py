"""No secret leaves this room in an exception or a log line."""

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
    # https://user:password@host
    re.compile(r"(?P<keep>://)[^/\s@]+(?=@)"),
)


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
