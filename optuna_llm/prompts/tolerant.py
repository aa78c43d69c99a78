"""A reader of JSON as language models write it: nearly.

It takes what JSON takes, and also: Python's single quotes, ``True`` and ``None``; keys without
quotes and ``=`` for ``:``; comments; missing and trailing commas; line breaks and unescaped quotes
in strings; ``524,288``. Where the text breaks off or stops making sense, everything that was whole
up to there is returned. One pass over the text, of bounded depth.
"""

from __future__ import annotations

import json
import re
from typing import Any


_MAX_DEPTH = 24
_MAX_STRING = 4000
_MAX_WORD = 200
_MAX_COMMENT = 4000

_GAP = re.compile(
    # Bounded: without an end to it, every bracket of a long text would look for one.
    rf"(?:[\s,;]+|//[^\n]*|\#[^\n]*|/\*.{{0,{_MAX_COMMENT}}}?\*/)*",
    re.DOTALL,
)
_SPACE = re.compile(r"\s*")
_ASSIGN = re.compile(r"\s*(?:=>|:=|:|=)")
# A quote closes a string only before what can follow a string.
_AFTER_STRING = r"\s{0,20}(?:[,;:=}\])]|\n|\Z)|\s{1,20}[\"']"
_STRINGS = {
    q: re.compile(
        rf"{q}((?:[^{q}\\]|\\.|{q}(?!{_AFTER_STRING})){{0,{_MAX_STRING}}}){q}",
        re.DOTALL,
    )
    for q in "\"'"
}
_WORD = re.compile(rf"[^\s,:=;{{}}\[\]()\"'][^,:={{}}\[\]()\"'\n]{{0,{_MAX_WORD}}}")
_BARE = re.compile(rf"[^\s,;{{}}\[\]()\"'#][^,;{{}}\[\]()\"'\n#]{{0,{_MAX_WORD}}}")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?=\s*[,}\n])")
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}


def read_object(text: str, start: int) -> tuple[Any, int]:
    """Read the object or list that begins at ``text[start]``.

    Returns:
        What could be read, a dict or a list, and where reading ended; beyond ``start`` in any
        case.
    """
    reader = _Reader(text, start)
    value = reader.value(0)
    return value, max(reader.position, start + 1)


class _Broken(Exception):
    """There is no whole value here."""


class _Reader:
    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self.position = position
        self._ended = False

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Skip a pattern that may be empty; return the next character, "" at the end."""
        match = pattern.match(self._text, self.position)
        if match:
            self.position = match.end()
        return self._text[self.position : self.position + 1]

    def value(self, depth: int) -> Any:
        """Read one value.

        Raises:
            _Broken: There is none, or the text breaks off within it.
        """
        first = self._skip(_SPACE)
        if first in ("{", "[", "("):
            if depth >= _MAX_DEPTH:
                raise _Broken
            return self._object(depth) if first == "{" else self._list(depth)
        if first in _STRINGS:
            return self._string(first)
        return self._bare()

    def _object(self, depth: int) -> dict[str, Any]:
        self.position += 1
        found: dict[str, Any] = {}
        while not self._ended:
            first = self._skip(_GAP)
            if first == "}":
                self.position += 1
                return found
            try:
                key = self._string(first) if first in _STRINGS else self._match(_WORD).strip()
                assign = _ASSIGN.match(self._text, self.position)
                if assign:
                    self.position = assign.end()
                    put(found, key, self.value(depth + 1))
            except _Broken:
                self._ended = True
        return found

    def _list(self, depth: int) -> list[Any]:
        self.position += 1
        found: list[Any] = []
        first = self._skip(_GAP)
        while not self._ended and first not in ("]", ")"):
            try:
                found.append(self.value(depth + 1))
            except _Broken:
                self._ended = True
            before = self.position
            first = self._skip(_GAP)
            # Without a comma this was no list but a bracket in a sentence.
            if first not in ("]", ")") and "," not in self._text[before : self.position]:
                self._ended = True
        if not self._ended:
            self.position += 1
        return found

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self.position)
        if match is None:
            raise _Broken
        self.position = match.end()
        return match[0]

    def _string(self, quote: str) -> str:
        body = self._match(_STRINGS[quote])[1:-1]
        try:
            text = json.loads(f'"{body}"', strict=False)
        except ValueError:
            text = body.replace("\\" + quote, quote)
        return str(text)

    def _bare(self) -> Any:
        thousands = _THOUSANDS.match(self._text, self.position)
        if thousands:
            self.position = thousands.end()
            return int(thousands[0].replace(",", ""))
        word = self._match(_BARE)
        # At the end of the text nobody knows whether it is whole.
        if self.position == len(self._text) and not word[-1].isspace():
            raise _Broken
        word = word.split("//")[0].strip()
        if word.casefold() in _CONSTANTS:
            return _CONSTANTS[word.casefold()]
        for number in (int, float):
            try:
                return number(word)
            except ValueError:
                continue
        return word


class Repeated(list[Any]):
    """The values of a key that an object holds more than once."""


def put(found: dict[str, Any], key: str, value: Any) -> None:
    """Set a key of an object; of several plain values the last counts, but no object is lost."""
    old = found.get(key)
    if isinstance(old, dict | list) and isinstance(value, dict | list):
        if isinstance(old, Repeated):
            old.append(value)
            return
        value = Repeated([old, value])
    found[key] = value
