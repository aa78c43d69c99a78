"""Parameters in words: their names, their values and what may be chosen, each on one line.

What users, objectives and models write may hold anything: newlines, code fences, instructions to
a model. Here all of it becomes inert data: a plain word, or a JSON string on one line.
"""

from __future__ import annotations

import json
import re
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.space.choices import labels
from optuna_llm.space.numbers import format_number
from optuna_llm.space.search_space import SearchSpace


# Names that need no quotes: nothing in them could be taken for prose, CSV or markup.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,63}")
MAX_NAME = 200
# So many choices are listed.
MAX_CHOICES = 40


def quote(text: str, limit: int = 120) -> str:
    """Show a text as a JSON string on one line, exactly, but cut visibly after ``limit``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return visible(json.dumps(cut, ensure_ascii=False))


def visible(line: str) -> str:
    """Show the characters of a line that cannot be seen, or drive terminals, by their codes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


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


def describe(space: SearchSpace, name: str) -> str:
    """Say in one line what may be chosen for a parameter: type, range, scale, step."""
    distribution = space.distributions[name]
    if isinstance(distribution, CategoricalDistribution):
        shown = [show_name(text) for text in labels(distribution)]
        more = f", {len(shown) - MAX_CHOICES} more" if len(shown) > MAX_CHOICES else ""
        text = f"one of [{', '.join(shown[:MAX_CHOICES])}{more}]"
    else:
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        kind = "integer" if isinstance(distribution, IntDistribution) else "number"
        low, high = format_number(distribution.low), format_number(distribution.high)
        text = f"{kind} from {low} to {high}"
        if distribution.log:
            text += ", log scale"
        if distribution.step is not None and distribution.step != 1:
            text += f", in steps of {format_number(distribution.step)}"
    return text + (", only where it applies" if name in space.optional else "")


def counted(n: int, noun: str) -> str:
    """Say how many there are: "1 trial", "2 trials"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def letters(n: int) -> list[str]:
    """Return n names for questions or points: A, B, ..., Z, AA, AB, ..."""
    names: list[str] = []
    for i in range(n):
        name, rest = "", i + 1
        while rest:
            rest, letter = divmod(rest - 1, 26)
            name = chr(ord("A") + letter) + name
        names.append(name)
    return names
