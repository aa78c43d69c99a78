"""The JSON schema of an answer: its bounds, which not all servers take, and its length."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
import re
from typing import Any

from optuna_llm.chat.model import estimate_tokens


# What keeps a weak model from writing without end, or beyond a range.
BOUNDS = ("maxLength", "minItems", "maxItems", "minimum", "maximum")
_NAMED = re.compile(rf"(?<!\w)({'|'.join(BOUNDS)})(?!\w)")

# Servers split numbers into digits: a sign, a point, twelve digits and an exponent.
_NUMBER_TOKENS = 16
# Text of a length that the schema does not say, and one item of a list that has no limit.
_TEXT_TOKENS, _LIST_ITEMS = 200, 10
_CHARACTERS_PER_TOKEN = 3
# Line breaks and indentation, which weak models like.
_LAYOUT = 2.0
_FEWEST_TOKENS = 64


def bounds_of(schema: Mapping[str, Any]) -> set[str]:
    """Return the keywords of :data:`BOUNDS` that a schema holds at any depth."""
    found = {keyword for keyword in BOUNDS if keyword in schema}
    for part in _parts(schema):
        found |= bounds_of(part)
    return found


def without_bounds(schema: Mapping[str, Any], keywords: Collection[str]) -> dict[str, Any]:
    """Return a schema without some of its bounds, at any depth."""
    kept = {k: v for k, v in schema.items() if k not in BOUNDS or k not in keywords}
    if "items" in kept:
        kept["items"] = without_bounds(kept["items"], keywords)
    if "properties" in kept:
        parts = kept["properties"].items()
        kept["properties"] = {name: without_bounds(part, keywords) for name, part in parts}
    return kept


def named_bounds(text: str) -> set[str]:
    """Return the keywords of :data:`BOUNDS` that a server's complaint names."""
    return set(_NAMED.findall(text))


def tokens_for(schema: Mapping[str, Any]) -> int:
    """Return how many tokens an answer of this form may need, rather too many than too few."""
    return max(_FEWEST_TOKENS, int(_LAYOUT * _tokens(schema)))


def _tokens(schema: Mapping[str, Any]) -> int:
    if "enum" in schema:
        return 2 + max(estimate_tokens(str(choice)) for choice in schema["enum"])
    types = schema.get("type", [])
    kinds = [types] if isinstance(types, str) else types
    if "object" in kinds:
        parts = schema.get("properties", {}).items()
        return 2 + sum(4 + estimate_tokens(name) + _tokens(part) for name, part in parts)
    if "array" in kinds:
        items: int = schema.get("maxItems", _LIST_ITEMS)
        return 2 + items * (1 + _tokens(schema.get("items", {})))
    if "string" in kinds:
        length = schema.get("maxLength")
        return _TEXT_TOKENS if length is None else 2 + length // _CHARACTERS_PER_TOKEN
    return _NUMBER_TOKENS


def _parts(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas within a schema; names of properties are no keywords."""
    inner = [schema["items"]] if "items" in schema else []
    return [*inner, *schema.get("properties", {}).values()]
