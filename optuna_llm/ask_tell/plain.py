"""Answers as JSON and as text, and errors as objects with a fix."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import json
import math
import re
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat import estimate_tokens
from optuna_llm.errors import redact


if TYPE_CHECKING:
    from optuna_llm.errors import OptunaLLMError


# What an answer can do without, the least needed first.
_DISPENSABLE = (
    "suggestions",
    "space",
    "conditions",
    "choices",
    "failures",
    "nearest",
    "best",
    "why",
    "expected",
)


def as_json(answer: Mapping[str, Any]) -> str:
    """Return an answer as one line of JSON; infinite and missing numbers as texts."""
    return json.dumps(_finite(answer), ensure_ascii=False, allow_nan=False, default=str)


def as_error(error: OptunaLLMError) -> dict[str, Any]:
    """Return what is wrong, of which kind it is, and what to do about it.

    Messages of this package end in the fix, after a semicolon; of the others the fix is what they
    say that an argument must be.
    """
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__.strip("_")).lower()
    message = " ".join(redact(str(error)).split())
    what, _, fix = message.rpartition("; ")
    fix = fix.rstrip(".") if what else "mend what the message names"
    told = {"kind": kind.removesuffix("_error"), "message": what or message, "fix": fix}
    return {"error": told}


def within(answer: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
    """Return an answer without what is least needed, until it fits a budget.

    Args:
        answer: The answer.
        max_tokens: The most tokens of its JSON.

    Returns:
        The answer; ``left_out`` names what it lacks.
    """
    short, left_out = dict(answer), list[str]()
    for key in _DISPENSABLE:
        if estimate_tokens(as_json(short)) <= max_tokens:
            break
        fewer = _without(short, key)
        if fewer != short:
            left_out.append(key)
            short = {**fewer, "left_out": left_out}
    return short


def _without(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v, key) for k, v in value.items() if k != key}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without(v, key) for v in value]
    return value


def as_text(answer: Mapping[str, Any]) -> str:
    """Return an answer for people: a line for each value, indented as it is nested."""
    return "\n".join(_lines(answer))


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        found = []
        for key, inner in value.items():
            name = str(key).replace("_", " ")
            if isinstance(inner, str) and "\n" in inner:
                found += [f"{name}:", *inner.splitlines()]
            elif _is_nested(inner):
                found += [f"{name}:", *(f"  {line}" for line in _lines(inner))]
            else:
                found.append(f"{name}: {_word(inner)}")
        return found
    if isinstance(value, Sequence) and not isinstance(value, str):
        found = []
        for inner in value:
            first, *rest = _lines(inner) or [""]
            found += [f"- {first}", *(f"  {line}" for line in rest)]
        return found
    return [_word(value)]


def _is_nested(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and any(isinstance(v, Mapping) for v in value)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None:
        return "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_word(v) for v in value) or "none"
    return "none" if value == {} else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
