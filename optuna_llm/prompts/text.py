"""Small pieces of text: counting tokens, and showing foreign text as inert data.

What users, objectives and models write may hold anything: newlines, code fences, instructions to
the model. In a prompt all of it stands on one line, as a JSON string.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import json
import re
from typing import Any

from optuna.distributions import CategoricalDistribution

from optuna_llm.space import SearchSpace
from optuna_llm.space import format_number


# Four letters, one other character, or one line break or gap are a token.
_TOKEN = re.compile(r"[A-Za-z]{1,4}|[^\sA-Za-z]|\n|[^\S\n]{2,16}")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# Names that need no quotes: nothing in them could be taken for prose, CSV or markup.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,63}")
MAX_NAME = 200
# Longest reason that a model is asked for, in characters.
MAX_REASON = 200


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text costs, rather too many than too few.

    About four letters are a token; every digit and every mark counts as one, since many
    tokenisers split numbers into digits; characters beyond ASCII count as two. The estimate of
    several lines is the sum of the lines' estimates and one for each line break.
    """
    return len(_TOKEN.findall(text)) + len(_NOT_ASCII.findall(text))


def count_lines(lines: Iterable[str]) -> int:
    """Estimate the tokens of lines, each with its line break."""
    return sum(estimate_tokens(line) + 1 for line in lines)


def quote(text: str, limit: int = 120) -> str:
    """Show a text as a JSON string on one line, exactly, but cut visibly after ``limit``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    escaped = json.dumps(cut, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in escaped)


def quote_prose(text: str, limit: int = 120) -> str:
    """Show a free text as :func:`quote` does, white space and control characters folded."""
    head = text[: 8 * limit]
    folded = " ".join("".join(c if c.isprintable() else " " for c in head).split())
    return quote(folded if head == text else folded + "…", limit)


def show_name(name: str) -> str:
    """Show a parameter, metric or choice by its name, in quotes unless it is a plain word."""
    return name if _PLAIN.fullmatch(name) else quote(name, MAX_NAME)


def show_value(space: SearchSpace, name: str, value: Any) -> str:
    """Show one native value: four digits, or the label of the choice."""
    label = space.label(name, value)
    if isinstance(space.distributions[name], CategoricalDistribution):
        return show_name(label)
    return label


def show_row(space: SearchSpace, params: Mapping[str, Any], missing: str) -> list[str]:
    """Show a configuration as the cells of a table."""
    return [show_value(space, n, params[n]) if n in params else missing for n in space.names]


def show_configuration(
    space: SearchSpace, params: Mapping[str, Any], *, inactive: bool = False
) -> str:
    """Show a configuration as a JSON object, in the form that the schema asks of a reply.

    Args:
        space: The parameters, in the order to show.
        params: Native values.
        inactive: Whether an optional parameter without a value is shown as null.
    """
    shown: dict[str, Any] = {}
    for name in space.names:
        if name not in params:
            if inactive and name in space.optional:
                shown[name] = None
            continue
        value = params[name]
        if isinstance(space.distributions[name], CategoricalDistribution):
            shown[name] = space.label(name, value)
        else:
            shown[name] = value if isinstance(value, int) else float(format_number(value))
    items = (f"{quote(n, MAX_NAME)}: {_json(v)}" for n, v in shown.items())
    return "{" + ", ".join(items) + "}"


def _json(value: str | float | None) -> str:
    return quote(value) if isinstance(value, str) else json.dumps(value)


def show_result(value: float) -> str:
    """Show a result with four significant digits, in scientific notation (Zhang et al. 2023)."""
    return f"{value:.3e}"
