"""Small pieces of a prompt: rows, configurations and results."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import json
import math
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.study import StudyDirection

from optuna_llm.chat import estimate_tokens
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import whole_number
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import MAX_NAME
from optuna_llm.space.words import quote
from optuna_llm.space.words import show_name
from optuna_llm.space.words import show_value


# Longest reason that a model is asked for, in characters.
MAX_REASON = 200


def count_lines(lines: Iterable[str]) -> int:
    """Estimate the tokens of lines, each with its line break."""
    return sum(estimate_tokens(line) + 1 for line in lines)


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
            whole = whole_number(value)
            shown[name] = float(format_number(value)) if whole is None else whole
    items = (f"{quote(n, MAX_NAME)}: {_json(v)}" for n, v in shown.items())
    return "{" + ", ".join(items) + "}"


def _json(value: str | float | None) -> str:
    return quote(value) if isinstance(value, str) else json.dumps(value)


# --------------------------------------------------------------------------------------
# Results

# Digits of the results that do not change from trial to trial,
_PLAIN_DIGITS = 6
# and the fewest and the most of those that tell results apart.
_DIGITS = range(4, 11)
# Of the distinct results the better half is to be told apart, but at least so many of them.
_MIN_APART = 6


class Results:
    """How results are shown: with the user's own sign, and as many digits as tell them apart.

    Args:
        history: The trials whose results are to be shown.
        plain: Show six digits, whatever the results are.
    """

    def __init__(self, history: History, *, plain: bool = False) -> None:
        self._signs = tuple(-1 if d == StudyDirection.MAXIMIZE else 1 for d in history.directions)
        self.names = tuple(show_name(n) for n in history.metric_names)
        self._digits = [
            _PLAIN_DIGITS
            if plain
            else _digits_apart([o.values[i] for o in history.complete if o.values is not None])
            for i in range(len(self._signs))
        ]

    def direction(self, objective: int) -> str:
        """Say what is wanted of an objective."""
        verb = "maximize" if self._signs[objective] < 0 else "minimize"
        return f"{verb} {self.names[objective]}"

    def show(self, objective: int, value: float) -> str:
        """Show one signed value alone, with enough digits to tell it from its neighbours."""
        return f"{self._signs[objective] * value:.{self._digits[objective]}g}"

    def cells(self, o: Observation) -> list[str]:
        """Show the results of one trial for the table."""
        if o.values is None:
            last = list(o.intermediate_values.values())[-1:]
            shown = [self.show(0, v) for v in last]
            return (shown or ["-"]) + ["-"] * (len(self.names) - 1)
        return [self.show(i, v) for i, v in enumerate(o.values)]

    def named(self, o: Observation) -> str:
        """Show the results of a complete trial in a sentence."""
        assert o.values is not None
        return ", ".join(f"{n} {self.show(i, o.values[i])}" for i, n in enumerate(self.names))


def _digits_apart(values: Sequence[float]) -> int:
    """Return the fewest significant digits that tell the better ones of signed values apart."""
    distinct = sorted({v for v in values if math.isfinite(v)})
    better = distinct[: max(len(distinct) // 2, _MIN_APART)]
    apart = (d for d in _DIGITS if len({f"{v:.{d}g}" for v in better}) == len(better))
    return next(apart, _DIGITS[-1])
