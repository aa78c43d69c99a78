"""What a version may hold, which versions are one, and which numbers they declare."""

from __future__ import annotations

import ast
from typing import Any

from optuna.distributions import FloatDistribution
import pytest

from optuna_llm.code.source import Source
from optuna_llm.code.source import checked_source
from optuna_llm.errors import ConfigurationError


LIKE = ast.parse("def update(w, g): pass").body[0]
assert isinstance(LIKE, ast.FunctionDef)
PLAIN = "def update(w, g):\n    rate = 0.1\n    return w - rate * g\n"


def checked(text: object) -> Source:
    assert isinstance(LIKE, ast.FunctionDef)
    return checked_source(text, LIKE, ("math", "numpy as np"))


@pytest.mark.parametrize(
    "same",
    [
        "def update(w, g):\n    # Other names.\n    step = 0.1\n    return w - step * g\n",
        'def update(w, g):\n    """Told otherwise."""\n    rate = 0.2\n    return w - rate * g\n',
        "def update(w: float, g: float) -> float:\n    rate: float = 0.1\n    return w - rate * g",
        "def update(w, g):\n    rate = number(0.3, 0.1, 0.5)\n    return (w - (rate * g))",
    ],
)
def test_names_comments_and_numbers_make_no_other_version(same: str) -> None:
    assert checked(same).canonical == checked(PLAIN).canonical


@pytest.mark.parametrize(
    "other",
    [
        "def update(w, g):\n    rate = 0.1\n    return w + rate * g\n",
        "def update(w, g):\n    rate = 0.1\n    return g - rate * w\n",
        "def update(w, g):\n    rate = 1\n    return w - rate * g\n",
        "def update(w, g):\n    rate = 1.0\n    return w - rate * g\n",
    ],
)
def test_what_is_computed_makes_another_version(other: str) -> None:
    assert checked(other).canonical != checked(PLAIN).canonical


def test_keywords_in_another_order_make_no_other_version() -> None:
    first = "def update(w, g):\n    return dict(a=w, b=g)\n"
    second = "def update(w, g):\n    return dict(b=g, a=w)\n"
    assert checked(first).canonical == checked(second).canonical


def test_numbers_and_their_names() -> None:
    source = checked(
        "def update(w, g):\n"
        "    decay = number(0.9, 0.5, 0.999)\n"
        "    decay = decay * 0.25\n"
        "    return min(w - 2 * 0.1 * g, -3e-8, 0.0, 1.0, key=abs, default=0.5)\n"
    )
    shown = {n.name: (n.value, n.distribution) for n in source.numbers}
    assert shown == {
        "decay": (0.9, FloatDistribution(0.5, 0.999)),
        "1": (0.25, FloatDistribution(0.025, 2.5, log=True)),
        "2": (0.1, FloatDistribution(0.01, 1.0, log=True)),
        "3": (3e-8, FloatDistribution(3e-9, 3e-7, log=True)),
        "default": (0.5, FloatDistribution(0.05, 5.0, log=True)),
    }
    tuned = source.with_numbers({"decay": 0.75, "3": 5e-8})
    assert "decay = 0.75" in tuned
    assert "-5e-08" in tuned
    assert "0.25" in tuned
    assert "number" not in tuned
    assert checked(tuned).canonical == source.canonical


def test_ranges_are_kept_where_they_are_to_be_seen() -> None:
    source = checked(
        "def update(w, g):\n"
        "    rate = number(0.5, -3, 3)\n"
        "    return w * number(low=1, value=2.0, high=9, log=True) - rate * 0.5 * g\n"
    )
    values = {"rate": -0.25, "1": 4.0, "2": 0.75}
    shown = source.with_numbers(values, keeps_ranges=True)
    assert "rate = number(-0.25, -3, 3)" in shown
    assert "number(low=1, value=4.0, high=9, log=True) - rate * 0.75 * g" in shown
    again = {n.name: n.distribution for n in checked(shown).numbers}
    declared = {n.name: n.distribution for n in source.numbers}
    assert {n: again[n] for n in ("rate", "1")} == {n: declared[n] for n in ("rate", "1")}
    assert "number" not in source.with_numbers(values)


def test_a_negative_number_is_raised_to_a_power_as_a_whole() -> None:
    source = checked("def update(w, g):\n    return number(-2.0, -3, 3) ** 2\n")
    scope: dict[str, Any] = {}
    exec(source.with_numbers({}), scope)
    assert scope["update"](0, 0) == 4.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "must be its source, not None"),
        ("def update(w, g):\n    return (", "does not parse"),
        ("x" * 1_000_000, "has 1,000,000 characters; at most 20,000"),
        ("def update(w, g):\n    return [" + "w," * 9_000 + "]", "is too long"),
        ("def other(w, g): return w", "must be that one function"),
        ("def update(w, g): return w\nprint(1)", "must be that one function"),
        ("def update(w): return w", r"must take \(w, g\), not \(w\)"),
        ("def update(w, g, *more): return w", "must take"),
        ("import os\ndef update(w, g): return w", "imports 'os'; it may import math, numpy"),
        ("def update(w, g):\n    from os import path\n    return w", "imports 'os'"),
        ("def update(w, g): return w.__class__", "uses __class__, which none may"),
        ("def update(w, g): return eval('1')", "uses eval"),
        ("def update(w, g): return open('x')", "uses open"),
        ("def update(w, g): return number(1)", "must be number"),
        ("def update(w, g): return number(2.0, 0.0, 1.0)", "2.0 is not within"),
        ("def update(w, g): return number(w, 0.0, 1.0)", "must be number"),
        ("(" * 5000, "does not parse"),
        ("def update(w, g): return " + " + ".join("w" * 300), "more than 100 levels deep"),
        ("def update(w, g): return " + "-" * 900 + "w", "more than 100 levels deep"),
        ("def update(w, g): return w  # \u202e", r"holds U\+202E, which cannot be seen"),
        ("def update(w, g): return '\x1b[2J'", r"holds U\+001B"),
        ("def update(w, g): return '\ud800'", r"holds U\+D800"),
        ("def update(w, g): return [" + "0.5, " * 31 + "]", "has 31 numbers .* at most 30"),
        ("def update(w, g): return number(1, 0, 1e400)", "0 to inf is no range"),
        ("def update(w, g): return number(1, 0, 1" + "0" * 400 + ")", "must be number"),
    ],
)
def test_what_no_version_may_be(text: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _ = checked(text).numbers


def test_literals_without_a_range_and_names_too_long_for_a_database() -> None:
    source = checked(
        f"def update(w, g):\n    {'a' * 600} = 0.5\n    return [1e308, 5e-324, 1e400]"
    )
    assert [n.name for n in source.numbers] == ["0"]


def test_lines_may_end_as_on_windows() -> None:
    assert checked(PLAIN.replace("\n", "\r\n")).canonical == checked(PLAIN).canonical


def test_margins_are_taken_away() -> None:
    indented = "\n".join("    " + line for line in PLAIN.splitlines())
    assert checked(f"\n{indented}\n\n").text == PLAIN
