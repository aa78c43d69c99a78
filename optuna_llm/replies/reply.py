"""A reply becomes proposals: raw values under parameters' names, whatever form it has.

What the values mean is for :mod:`optuna_llm.replies.repair`.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
import itertools
import re
from typing import Any

from optuna.distributions import CategoricalDistribution

from optuna_llm.history.attributes import shorten
from optuna_llm.replies.lenient_json import Repeated
from optuna_llm.replies.lenient_json import find_json
from optuna_llm.replies.numbers import read_number
from optuna_llm.replies.reasoning import after_heading
from optuna_llm.replies.reasoning import answered
from optuna_llm.replies.reasoning import without_reasoning
from optuna_llm.replies.repair import match_name
from optuna_llm.replies.repair import repair
from optuna_llm.space.search_space import SearchSpace


MAX_PROPOSALS = 50
# Far more than a model is allowed to write.
MAX_REPLY = 200_000
_MAX_DEPTH = 12
# Decoded values that are looked at, and parts of sentences.
_MAX_STEPS = 5_000
_MAX_SEGMENTS = 2_000
_MAX_KEY = 200
_MAX_ROLE = 40
_MAX_VALUE = 256
_MAX_LIST = 16
_MAX_WORDS = 6
_MAX_RELATIONS = 20

_CANDIDATES = "candidates"
_REASON_KEYS = ("reason", "rationale", "explanation", "why", "justification", "reasoning")
# What is written before the answer; configurations in it are drafts.
_THOUGHT_KEYS = (
    *_REASON_KEYS,
    "analysis",
    "thinking",
    "thought",
    "thoughts",
    "reflection",
    "notes",
)
_NAME_KEYS = ("name", "param", "parameter", "hyperparameter")


@dataclass(frozen=True)
class RawProposal:
    """One proposed configuration as the model wrote it.

    Attributes:
        params: Raw values of known parameters, by their exact names.
        reason: The model's reason, in one line, or an empty string.
        role: What it is to do, as the model said it, or an empty string.
        expected: The result that the model expects; None where it named no finite number.
    """

    params: dict[str, Any]
    reason: str = ""
    role: str = ""
    expected: float | None = None


def parse_proposals(text: str, space: SearchSpace) -> list[RawProposal]:
    """Find the proposals in a reply.

    Objects are looked for first, whole or broken off, fenced or not, anywhere in the text, with
    the parameters flat or nested; where there are none, lines and sentences such as ``lr: 0.1``
    or ``lr is 0.1``. Reasoning does not count, nor drafts before the answer.

    Args:
        text: The reply; of a very long one the first 200,000 characters.
        space: The parameters; a key counts if :func:`~optuna_llm.replies.repair.match_name` finds
            one.

    Returns:
        At most 50 proposals in the order of the reply, none without a known parameter. Never
        raises.
    """
    found = _Reading(space).text(without_reasoning(text[:MAX_REPLY]), 0)
    return list(itertools.islice(found, MAX_PROPOSALS))


def _is_asked_for(value: object) -> bool:
    """Whether a value has the form that prompts ask for."""
    return isinstance(value, dict) and isinstance(value.get(_CANDIDATES), dict | list | str)


class _Reading:
    """The reading of one reply, with what it may cost at most."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._names: dict[str, str | None] = {}
        self._steps = 0
        self._segments = 0

    def text(self, text: str, depth: int) -> Iterator[RawProposal]:
        """Yield the proposals of a text: its objects', or else its sentences'."""
        objects = list(find_json(text))
        chosen = answered(text, objects, _is_asked_for)
        is_found = False
        for these in (chosen, objects if len(chosen) < len(objects) else ()):
            for item in these:
                for proposal in self._value(item.value, depth):
                    is_found = True
                    yield proposal
            if is_found:
                return
        ends = [0, *(item.stop for item in objects)]
        starts = [*(item.start for item in objects), len(text)]
        beside = "\n".join(text[a:b] for a, b in zip(ends, starts, strict=True))
        for part in (after_heading(beside), beside):
            for proposal in self._sentences(part):
                is_found = True
                yield proposal
            if is_found:
                return

    def _name(self, key: str) -> str | None:
        key = key[:_MAX_KEY]
        if key not in self._names:
            self._names[key] = match_name(self._space, key)
        return self._names[key]

    # ---- objects

    def _value(self, value: Any, depth: int) -> Iterator[RawProposal]:
        """Yield the proposals in one decoded value."""
        self._steps += 1
        if depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
            return
        if isinstance(value, str):
            yield from self.text(value, depth + 1)
        elif isinstance(value, list):
            table = {} if isinstance(value, Repeated) else _name_value_table(value)
            for item in [table] if table else value:
                if isinstance(item, dict | list | str):
                    yield from self._value(item, depth + 1)
                if self._steps > _MAX_STEPS:
                    return
        elif isinstance(value, dict):
            yield from self._object(value, depth)

    def _object(self, given: Mapping[str, Any], depth: int) -> Iterator[RawProposal]:
        """Yield the proposal of an object, its groups of parameters included, then those within.

        ``{"model": {"depth": 3}, "optimizer": {"lr": 0.1}}`` is one proposal in groups; with
        ``{"1": {"depth": 3}, "2": {"depth": 4}}``, or with a list, there are several.
        """
        if _is_asked_for(given):
            is_found = False
            for proposal in self._value(given[_CANDIDATES], depth + 1):
                is_found = True
                yield proposal
            if is_found:
                return
        params = self._known(given)
        role, expected = self._beside(given, "role"), self._beside(given, "expected")
        reason = next((v for k, v in given.items() if _is_reason(k) and isinstance(v, str)), "")
        others: list[RawProposal] = []
        for key, inner in given.items():
            is_thought = _folded(key) in _THOUGHT_KEYS
            is_text = isinstance(inner, str) and "{" in inner and not is_thought
            if not (isinstance(inner, dict | list) or is_text) or len(others) >= MAX_PROPOSALS:
                continue
            if self._steps > _MAX_STEPS:
                break
            within = list(itertools.islice(self._value(inner, depth + 1), MAX_PROPOSALS))
            is_group = isinstance(inner, dict) and not re.search(r"\d\s{0,9}$", key)
            if len(within) == 1 and (is_group or is_text) and not within[0].params.keys() & params:
                params.update(within[0].params)
                reason = reason or within[0].reason
            else:
                others += within
        if params:
            yield RawProposal(
                params,
                shorten(reason),
                shorten(role, _MAX_ROLE) if isinstance(role, str) else "",
                read_number(expected) if isinstance(expected, int | float | str) else None,
            )
        yield from others

    def _beside(self, given: Mapping[str, Any], key: str) -> Any:
        """Return what stands beside the parameters under a name that none of them has."""
        return None if key in self._space.distributions else given.get(key)

    def _known(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of known parameters; the exact name counts more than a similar one."""
        found: dict[str, Any] = {}
        exact: set[str] = set()
        for key, raw in itertools.islice(given.items(), _MAX_STEPS):
            known = self._space.distributions
            name = key if key in known else self._name(key)
            if name is None or (name in exact and key != name):
                continue
            usable = _usable(raw, isinstance(known[name], CategoricalDistribution))
            if usable is None:
                continue
            found[name] = usable[0]
            if key == name:
                exact.add(name)
        return found

    # ---- sentences

    def _sentences(self, text: str) -> Iterator[RawProposal]:
        """Yield proposals from plain text; a parameter named again begins the next one."""
        for section in _SECTION.split(text):
            params: dict[str, Any] = {}
            for segment in _SEGMENT.split(section):
                self._segments += 1
                if self._segments > _MAX_SEGMENTS:
                    break
                for name, raw in self._assignments(segment):
                    if name in params:
                        yield RawProposal(params)
                        params = {}
                    params[name] = raw
            if params:
                yield RawProposal(params)
            if self._segments > _MAX_SEGMENTS:
                return

    def _assignments(self, segment: str) -> Iterator[tuple[str, str]]:
        """Yield the parameters and the values that a segment such as ``the lr is 0.1`` names."""
        named = []
        for relation in itertools.islice(_RELATION.finditer(segment), _MAX_RELATIONS):
            start = max(0, relation.start() - _MAX_KEY)
            name, length = self._last_name(segment[start : relation.start()])
            if name is not None:
                named.append((name, relation.start() - length, relation.end()))
        # A value ends where the next name begins: lr=0.1 depth=3.
        ends = [*(begin for _, begin, _ in named[1:]), len(segment)]
        for (name, _, begin), end in zip(named, ends, strict=bool(named)):
            # The point of .5 is no full stop.
            raw = segment[begin : min(end, begin + _MAX_VALUE)].rstrip(_WRAPPING)
            raw = raw.lstrip(_WRAPPING.replace(".", ""))
            if repair(self._space, {name: raw}).params:
                yield name, raw

    def _last_name(self, phrase: str) -> tuple[str | None, int]:
        """Return the parameter that a phrase ends with, by as many words as possible.

        Returns:
            The name or None, and how many characters from the end of the phrase it takes.
        """
        if _FUNCTION.search(phrase):
            return None, 0
        words = list(_NAME_WORD.finditer(phrase))[-_MAX_WORDS:]
        for word in words:
            name = self._name(" ".join(phrase[word.start() :].split()).strip(_WRAPPING))
            if name is not None:
                return name, len(phrase) - word.start()
        return None, 0


def _folded(key: str) -> str:
    return key[:_MAX_KEY].strip().casefold()


def _is_reason(key: str) -> bool:
    return _folded(key) in _REASON_KEYS


def _usable(raw: Any, is_choice: bool) -> tuple[Any] | None:
    """Return (value,) of bounded size, or None if it can be no value of a parameter."""
    if isinstance(raw, dict):
        return _usable(raw["value"], is_choice) if "value" in raw else None
    if isinstance(raw, Repeated):
        return _usable(raw[-1], is_choice)
    if isinstance(raw, list):
        short = len(raw) == 1 or (is_choice and len(raw) <= _MAX_LIST)
        if not short or any(isinstance(item, dict | list) for item in raw):
            return None
        return ([item[:_MAX_VALUE] if isinstance(item, str) else item for item in raw],)
    return (raw[:_MAX_VALUE],) if isinstance(raw, str) else (raw,)


def _name_value_table(items: list[Any]) -> dict[str, Any]:
    """Read ``[{"name": "lr", "value": 0.1}, ...]`` as the object that it means."""
    found: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, dict) or "value" not in item:
            return {}
        name = next((item[k] for k in _NAME_KEYS if isinstance(item.get(k), str)), None)
        if name is None:
            return {}
        found[name] = item["value"]
    return found


# LLAMBO puts a candidate between ## marks; a Markdown heading begins with them, too.
_SECTION = re.compile(r"#{2,}")
# A comma within a number is none.
_SEGMENT = re.compile(r"\n|;|,(?!\d)|\band\b|\|")
_RELATION = re.compile(r":=|=>|->|:|(?<![<>!~])={1,2}|\bis\b|≈|(?<=\s)~(?=\s)")
_NAME_WORD = re.compile(r"[^\s(\[{]+")
# log10(lr) = -3 says nothing of the kind for lr.
_FUNCTION = re.compile(r"\b(?:log(?:2|10|1p)?|ln|exp|sqrt|abs)\s{0,3}\(?[^()]{0,200}\)?\s{0,3}$")
_WRAPPING = " \t\"'`*_()[]{}."
