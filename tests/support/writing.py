"""A function whose code a stand-in for a model rewrites, and the objective that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna

from optuna_llm import code_parameter
from optuna_llm import suggest_code
from tests.support.neighbours import Neighbours
from tests.support.server import Script


@code_parameter(examples=[(1.0,), (2.0,)], trust="limits", seconds=60.0)
def gain(x):
    """Return a number near the square of x; nobody says so."""
    scale = 0.5
    return scale * x


def objective(trial: optuna.Trial) -> float:
    call = suggest_code(trial, gain)
    trial.suggest_float("offset", 0, 1)
    return sum(abs(call(x) - x * x) for x in (1.0, 2.0, 3.0))


def is_for_code(request: dict[str, Any]) -> bool:
    return "expert programmer" in request["messages"][0]["content"]


def writing(write: Callable[[int], str]) -> Script:
    """Return a script that writes the first version, the second, and so on."""
    others, count = Neighbours(), iter(range(10**6))
    return lambda request: write(next(count)) if is_for_code(request) else others(request)


def version(body: str, reason: str = "Because.") -> str:
    return f"<think>def gain(x): no</think>{reason}\n```python\ndef gain(x):\n    {body}\n```\n"
