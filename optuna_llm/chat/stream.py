"""A reply that comes in pieces: put together, and not waited for where it repeats itself."""

from __future__ import annotations

from collections.abc import Mapping
import json
from typing import Any


# Why an answer ended that was stopped here; in the place of the server's own word.
REPETITION = "repetition"

# The end of a text repeats itself if it consists of so many copies of its shortest period.
_COPIES = 4
# The lengths of the end that are looked at, in characters: for short periods and for long ones.
_WINDOWS = (240, 1600)
# Characters between two looks.
_STEP = 80


class Stream:
    """The pieces of one chat completions response.

    Takes server-sent events, one chunk a line, and chunks as dictionaries.
    """

    def __init__(self) -> None:
        self._response: dict[str, Any] = {}
        self._message: dict[str, Any] = {}
        self._choice: dict[str, Any] = {"message": self._message}
        self._begun = b""
        self._looked = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body, wherever they were cut."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._take(line)

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one chunk; what is none is left out."""
        try:
            chunk = (event.get("choices") or [{}])[0]
            part = chunk.get("message") or chunk.get("delta") or {"content": chunk.get("text")}
            _add_part(self._message, part, whole="message" in chunk)
            told = (chunk.get("logprobs") or {}).get("content")
        except (TypeError, AttributeError, KeyError, IndexError):
            return
        self._response |= {k: v for k, v in event.items() if v is not None and k != "choices"}
        if chunk.get("finish_reason") is not None:
            self._choice["finish_reason"] = chunk["finish_reason"]
        if isinstance(told, list):
            self._choice.setdefault("logprobs", {"content": []})["content"] += told
        if event.get("choices"):
            self._response["choices"] = [self._choice]

    def repeats(self) -> bool:
        """Whether the text that has come repeats itself, so that no more is worth waiting for."""
        texts = [v for v in self._message.values() if isinstance(v, str)]
        written = sum(map(len, texts))
        if written < self._looked + _STEP:
            return False
        self._looked = written
        if any(map(is_repetitive, texts)):
            self._choice["finish_reason"] = REPETITION
            return True
        return False

    def response(self) -> dict[str, Any] | None:
        """Return the response that the pieces add up to, None if there is none."""
        if self._begun:
            self._take(self._begun)
            self._begun = b""
        known = "choices" in self._response or "error" in self._response
        return self._response if known else None

    def _take(self, line: bytes) -> None:
        data = line.decode("utf-8", "replace").strip().removeprefix("data:").strip()
        try:
            event = json.loads(data) if data.startswith("{") else None
        except (ValueError, RecursionError):
            return  # A comment, the name of an event, or a piece of neither.
        if isinstance(event, dict):
            self.add(event)


def is_repetitive(text: str) -> bool:
    """Whether the end of a text is one piece over and over, such as a line or a line break."""
    return any(
        len(text) >= length and _COPIES * _period(text[-length:]) <= length for length in _WINDOWS
    )


def _period(text: str) -> int:
    """Return the length of the shortest piece of which copies, the last one cut, make a text.

    From the longest border by the failure function of Knuth, Morris and Pratt (1977).
    """
    borders = [0] * len(text)
    border = 0
    for i in range(1, len(text)):
        while border and text[i] != text[border]:
            border = borders[border - 1]
        border += text[i] == text[border]
        borders[i] = border
    return len(text) - border


def _add_part(message: dict[str, Any], part: Mapping[str, Any], *, whole: bool) -> None:
    """Add a piece of a streamed message to what there is."""
    for name, value in part.items():
        if isinstance(value, str) and name != "role":
            message[name] = value if whole else message.get(name, "") + value
        elif name == "tool_calls" and value:
            function = message.setdefault(name, [{"function": {"arguments": ""}}])[0]["function"]
            function["arguments"] += value[0]["function"].get("arguments") or ""
