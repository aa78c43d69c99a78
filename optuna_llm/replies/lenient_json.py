"""Objects and lists in a text, in JSON or what language models write for it.

Sound JSON is read by the standard library. What is not is read token by token: Python's single
quotes, ``True`` and ``None``; keys without quotes and ``=`` for ``:``; comments; missing and
trailing commas; line breaks and unescaped quotes in strings; a text that breaks off, of which
everything counts that was whole up to there. A bare value that is no plain number stays a text,
``1/3`` and ``0,001`` too: what number it means, if any, is for :mod:`optuna_llm.replies.numbers`.

The package json-repair does not stand here because of the last point (it reads ``10^-3`` as 10,
``−3.5`` as 3.5, ``1e-3 to 1e-2`` as 0.001) and because its time grows with the square of the text
(1,500 characters of ``{1]{[`` take it 0.2 s). Here it grows with the length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import json
import re
from typing import Any


# Brackets within brackets; an answer has four.
_MAX_DEPTH = 24
# Characters of unsound JSON that are looked at, and brackets, each of which may cost a try.
_MAX_UNSOUND = 12_000
_MAX_STARTS = 1000
_MAX_STRING = 4000
_MAX_WORD = 200
_MAX_COMMENT = 200


@dataclass(frozen=True)
class Found:
    """An object or a list in a text.

    Attributes:
        value: A dict or a list.
        start: Where it begins.
        stop: Where it ends.
        whole: Whether it ends where it was meant to, not where the text breaks off.
    """

    value: Any
    start: int
    stop: int
    whole: bool = True


class Repeated(list[Any]):
    """The values of a key that an object holds more than once."""


def find_json(text: str) -> Iterator[Found]:
    """Yield every outermost object and list in a text, whole or broken off."""
    position, unsound = 0, _MAX_UNSOUND
    # What the standard library may read in vain before it is given up.
    sound = 2 * len(text)
    for _ in range(_MAX_STARTS):
        bracket = _START.search(text, position)
        if bracket is None:
            return
        start = bracket.start()
        if sound > 0:
            try:
                value, position = _DECODER.raw_decode(text, start)
            except json.JSONDecodeError as error:
                sound -= error.pos - start
            except (ValueError, RecursionError):  # Integers of thousands of digits; deep nesting.
                sound = 0
            else:
                yield Found(value, start, position)
                continue
        if unsound <= 0:
            return
        reader = _Reader(text, start, start + unsound)
        position = reader.position
        unsound -= reader.cost
        yield Found(reader.value, start, position, reader.whole)


def _put(found: dict[str, Any], key: str, value: Any) -> None:
    """Set a key of an object; of several plain values the last counts, but no object is lost."""
    old = found.get(key)
    if isinstance(old, dict | list) and isinstance(value, dict | list):
        if isinstance(old, Repeated):
            old.append(value)
            return
        value = Repeated([old, value])
    found[key] = value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        _put(found, key, value)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_START = re.compile(r"[{\[]")


# --------------------------------------------------------------------------------------
# Token by token

_GAP = re.compile(
    # Bounded: without an end to it, every bracket of a long text would look for one.
    rf"(?:\s+|//[^\n]*|\#[^\n]*|/\*.{{0,{_MAX_COMMENT}}}?\*/)*",
    re.DOTALL,
)
_ASSIGN = re.compile(r"=>|:=|:|=")
# A quote closes a string only before what can follow a string.
_AFTER_STRING = r"\s{0,20}(?:[,;:=}\])]|\n|\Z)|\s{1,20}[\"']"
_STRINGS = {
    q: re.compile(
        rf"{q}((?:[^{q}\\]|\\.|{q}(?!{_AFTER_STRING})){{0,{_MAX_STRING}}}){q}",
        re.DOTALL,
    )
    for q in "\"'"
}
_KEY = re.compile(rf"[^\s,:=;{{}}\[\]()\"'][^,:={{}}\[\]()\"'\n]{{0,{_MAX_WORD}}}")
_ITEM = re.compile(rf"[^\s,;{{}}\[\]()\"'#][^,;{{}}\[\]()\"'\n#]{{0,{_MAX_WORD}}}")
# The value of a key may hold a comma within a number, and a remark: 524,288 or 0.1 (default).
_VALUE = re.compile(
    r"[^\s,;{}\[\]()\"'#]"
    rf"(?:[^,;{{}}\[\]()\"'\n#]|(?<=\d),(?=\d)|\([^()\n\"]{{0,60}}\)){{0,{_MAX_WORD}}}"
)
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}


class _Reader:
    """Reads the object or list that begins at a place, until it ends or makes no sense.

    Attributes:
        value: What was whole.
        position: Where reading ended, beyond its beginning.
        whole: Whether it ended with the closing bracket.
        cost: Characters looked at.
    """

    def __init__(self, text: str, start: int, limit: int) -> None:
        self._text = text
        self._limit = limit
        self.value: Any = [] if text[start] == "[" else {}
        self.position = start + 1
        self.whole = False
        self.cost = 0
        # The open brackets; of each object the key that waits for its value.
        self._open = [self.value]
        self._keys: list[str | None] = [None]
        self._assigned = False
        self._separated = True
        while self._open and self._token():
            pass
        self.whole = not self._open
        self.cost += self.position - start

    def _token(self) -> bool:
        """Read a token; say whether reading can go on."""
        if self.position >= self._limit:
            return False
        gap = _GAP.match(self._text, self.position)
        assert gap is not None
        self.position = gap.end()
        first = self._text[self.position : self.position + 1]
        if first in ("}", "]", ")"):
            self._open.pop()
            self._keys.pop()
            self._assigned, self._separated = False, False
        elif first in (",", ";"):
            self._keys[-1] = None
            self._assigned, self._separated = False, True
        elif first in ("{", "[", "("):
            inner: Any = {} if first == "{" else []
            if len(self._open) == _MAX_DEPTH or not self._add(inner):
                return False
            self._open.append(inner)
            self._keys.append(None)
            self._assigned, self._separated = False, True
        elif assign := _ASSIGN.match(self._text, self.position):
            self.position = assign.end()
            self._assigned = True
            return True
        else:
            return self._word(first)
        self.position += 1
        return True

    def _add(self, value: Any) -> bool:
        """Add a value to the innermost open bracket; say whether it makes sense there."""
        container = self._open[-1]
        if isinstance(container, list):
            # Without a comma this was no list but a bracket in a sentence.
            if not self._separated:
                return False
            container.append(value)
        elif self._assigned and self._keys[-1] is not None:
            _put(container, self._keys[-1], value)
            self._keys[-1] = None
        elif isinstance(value, dict | list):
            # Braces twice, as in templates: {{"lr": 0.1}}.
            _put(container, "", value)
        self._assigned, self._separated = False, False
        return True

    def _word(self, first: str) -> bool:
        is_key = isinstance(self._open[-1], dict) and not self._assigned
        if first in _STRINGS:
            pattern = _STRINGS[first]
        elif isinstance(self._open[-1], dict):
            pattern = _KEY if is_key else _VALUE
        else:
            pattern = _ITEM
        match = pattern.match(self._text, self.position)
        if match is None:
            self.cost += _MAX_STRING
            return False
        self.position = match.end()
        word: Any
        if first in _STRINGS:
            word = _unescaped(match[1], first)
        # At the end of the text nobody knows whether a word is whole.
        elif self.position == len(self._text) and not match[0][-1].isspace():
            return False
        else:
            word = match[0].strip() if is_key else _bare(match[0])
        if is_key:
            self._keys[-1] = word
            return True
        return self._add(word)


def _unescaped(body: str, quote: str) -> str:
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except ValueError:
        return body.replace("\\" + quote, quote)


def _bare(text: str) -> Any:
    word = text.split("//")[0].strip()
    if word.casefold() in _CONSTANTS:
        return _CONSTANTS[word.casefold()]
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return word
