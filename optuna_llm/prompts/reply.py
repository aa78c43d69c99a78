"""A reply becomes proposals: raw values under parameters' names, whatever form it has.

Decoding the values is for :meth:`optuna_llm.space.SearchSpace.repair`.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
import itertools
import json
import re
from typing import Any

from optuna.distributions import CategoricalDistribution

from optuna_llm.prompts.tolerant import Repeated
from optuna_llm.prompts.tolerant import put
from optuna_llm.prompts.tolerant import read_object
from optuna_llm.provenance import shorten
from optuna_llm.space import SearchSpace


MAX_PROPOSALS = 50
# Far more than a model is allowed to write.
_MAX_REPLY = 200_000
_MAX_STARTS = 2000
_MAX_DEPTH = 12
_MAX_ITEMS = 20_000
_MAX_SEGMENTS = 20_000
_MAX_KEY = 200
_MAX_VALUE = 256
_MAX_LIST = 16
_MAX_WORDS = 6

_REASON_KEYS = ("reason", "rationale", "explanation", "why", "justification", "reasoning")
_NAME_KEYS = ("name", "param", "parameter", "hyperparameter")


@dataclass(frozen=True)
class RawProposal:
    """One proposed configuration as the model wrote it.

    Attributes:
        params: Raw values of known parameters, by their exact names.
        reason: The model's reason, in one line, or an empty string.
    """

    params: dict[str, Any]
    reason: str = ""


def parse_proposals(text: str, space: SearchSpace) -> list[RawProposal]:
    """Find the proposals in a reply.

    Objects are looked for first, whole or broken off, fenced or not, anywhere in the text, with
    the parameters flat or nested; where there are none, lines and sentences such as ``lr: 0.1``
    or ``lr is 0.1``. What stands within ``<think>`` marks does not count.

    Args:
        text: The reply; of a very long one the first 200,000 characters.
        space: The parameters; a key counts if :meth:`SearchSpace.match` finds it.

    Returns:
        At most 50 proposals in the order of the reply, none without a known parameter. Never
        raises.
    """
    found = _read(answer_of(text[:_MAX_REPLY]), space, 0)
    return list(itertools.islice(found, MAX_PROPOSALS))


_THINKING = re.compile(r"<(think|thinking|reasoning|thought)>.*?(?:</\1>|\Z)", re.DOTALL | re.I)
_THOUGHT = re.compile(r"</(?:think|thinking|reasoning|thought)>", re.IGNORECASE)


def answer_of(text: str) -> str:
    """Return what follows the thinking. Its opening mark may be missing, part of the prompt."""
    text = _THINKING.sub("\n", text)
    return _THOUGHT.split(text)[-1]


def objects_in(text: str) -> Iterator[Any]:
    """Yield every object and list in a text, whole or broken off."""
    return (value for value, _, _ in _objects(text))


def _read(text: str, space: SearchSpace, depth: int) -> Iterator[RawProposal]:
    """Yield the proposals of a text: its objects', or else its sentences'."""
    found, beside, end = False, [], 0
    for value, start, stop in _objects(text):
        beside.append(text[end:start])
        end = stop
        for proposal in _interpret(value, space, depth):
            found = True
            yield proposal
    if not found:
        yield from _sentences("\n".join([*beside, text[end:]]), space)


# --------------------------------------------------------------------------------------
# Objects


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        put(found, key, value)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)
_START = re.compile(r"[{\[]")


def _objects(text: str) -> Iterator[tuple[Any, int, int]]:
    """Yield every object and list in a text, one after the other: value, begin and end."""
    position = 0
    for _ in range(_MAX_STARTS):
        bracket = _START.search(text, position)
        if bracket is None:
            return
        start = bracket.start()
        try:
            value, position = _DECODER.raw_decode(text, start)
        # Not only malformed text: also integers of thousands of digits, and deep nesting.
        except (ValueError, RecursionError):
            value, position = read_object(text, start)
        yield value, start, position


def _interpret(value: Any, space: SearchSpace, depth: int) -> Iterator[RawProposal]:
    """Yield the proposals in one decoded value."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield from _read(value, space, depth + 1)
    elif isinstance(value, list):
        value = value[:_MAX_ITEMS]
        table = {} if isinstance(value, Repeated) else _name_value_table(value)
        yield from (
            _interpret(table, space, depth + 1)
            if table
            else itertools.chain.from_iterable(
                _interpret(item, space, depth + 1)
                for item in value
                if isinstance(item, dict | list | str)
            )
        )
    elif isinstance(value, dict):
        yield from _interpret_object(value, space, depth)


def _interpret_object(
    given: Mapping[str, Any], space: SearchSpace, depth: int
) -> Iterator[RawProposal]:
    """Yield the proposal of an object, its groups of parameters included, then those within it.

    ``{"model": {"depth": 3}, "optimizer": {"lr": 0.1}}`` is one proposal in groups; with
    ``{"1": {"depth": 3}, "2": {"depth": 4}}``, or with a list, there are several.
    """
    params = _known(given, space)
    reason = next((v for k, v in given.items() if _is_reason(k) and isinstance(v, str)), "")
    others: list[RawProposal] = []
    for key, inner in itertools.islice(given.items(), _MAX_ITEMS):
        is_text = isinstance(inner, str) and "{" in inner and not _is_reason(key)
        if not (isinstance(inner, dict | list) or is_text) or len(others) >= MAX_PROPOSALS:
            continue
        within = list(itertools.islice(_interpret(inner, space, depth + 1), MAX_PROPOSALS))
        is_group = isinstance(inner, dict) and not re.search(r"\d\s*$", key)
        if len(within) == 1 and (is_group or is_text) and not within[0].params.keys() & params:
            params.update(within[0].params)
            reason = reason or within[0].reason
        else:
            others += within
    if params:
        yield RawProposal(params, shorten(reason))
    yield from others


def _is_reason(key: str) -> bool:
    return key.strip().casefold() in _REASON_KEYS


def _known(given: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Return the values of known parameters; the exact name counts more than a similar one."""
    found: dict[str, Any] = {}
    exact: set[str] = set()
    for key, raw in given.items():
        name = space.match(key[:_MAX_KEY]) or (key if key in space.distributions else None)
        if name is None or (name in exact and key != name):
            continue
        usable = _usable(raw, isinstance(space.distributions[name], CategoricalDistribution))
        if usable is None:
            continue
        found[name] = usable[0]
        if key == name:
            exact.add(name)
    return found


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


# --------------------------------------------------------------------------------------
# Sentences


# LLAMBO puts a candidate between ## marks; a Markdown heading begins with them, too.
_SECTION = re.compile(r"#{2,}")
# A comma within a number is none.
_SEGMENT = re.compile(r"\n|;|,(?!\d)|\band\b|\|")
_RELATION = re.compile(r":=|[:=]|->|\bis\b")
_NUMBER_FIRST = re.compile(r"[~≈\s]*[-+]?\.?\d")
_WRAPPING = " \t\"'`*_()[]{}<>."


def _sentences(text: str, space: SearchSpace) -> Iterator[RawProposal]:
    """Yield proposals from plain text; a parameter named again begins the next one."""
    segments = 0
    for section in _SECTION.split(text):
        params: dict[str, Any] = {}
        for segment in _SEGMENT.split(section):
            segments += 1
            if segments > _MAX_SEGMENTS:
                break
            pair = _assignment(segment, space)
            if pair is None:
                continue
            name, raw = pair
            if name in params:
                yield RawProposal(params)
                params = {}
            params[name] = raw
        if params:
            yield RawProposal(params)


def _assignment(segment: str, space: SearchSpace) -> tuple[str, str] | None:
    """Return the parameter and the value that a segment such as ``the lr is 0.1`` names."""
    relations = itertools.islice(_RELATION.finditer(segment), _MAX_WORDS)
    for relation in relations:
        name = _last_name(segment[: relation.start()], space)
        raw = segment[relation.end() :][:_MAX_VALUE].strip(_WRAPPING)
        if name is not None and _is_value(space, name, raw):
            return name, raw
    return None


def _last_name(phrase: str, space: SearchSpace) -> str | None:
    """Return the parameter that a phrase ends with, by as many of its words as possible."""
    words = re.split(r"[\s(\[{]+", phrase[-_MAX_KEY:].strip(_WRAPPING))[-_MAX_WORDS:]
    for start in range(len(words)):
        name = space.match(" ".join(words[start:]).strip(_WRAPPING))
        if name is not None:
            return name
    return None


def _is_value(space: SearchSpace, name: str, raw: str) -> bool:
    """Say whether a value is one: a number comes first, a label is known."""
    if not isinstance(space.distributions[name], CategoricalDistribution):
        return _NUMBER_FIRST.match(raw) is not None
    return name not in space.repair({name: raw}).dropped
