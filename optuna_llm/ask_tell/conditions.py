"""Conditional parameters: those that apply only where other parameters have certain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.errors import ConfigurationError
from optuna_llm.space.choices import choice_index
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import is_number
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import show_name
from optuna_llm.space.words import show_value


# What another parameter must be: one of these values, or a number between ends, either of which
# may be missing.
Allowed = list[Any] | dict[str, float]
_EXAMPLE = '{"optimizer": ["sgd"]} or {"layers": {"low": 2}}'


@dataclass(frozen=True)
class Conditions:
    """When the conditional parameters of a space apply.

    Attributes:
        distributions: All parameters.
        when: For each conditional one the parameters that decide, all of which must apply
            themselves, and what each of them must be.
    """

    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)
    when: Mapping[str, Mapping[str, Allowed]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, distributions: Mapping[str, BaseDistribution], when: Mapping[str, object]
    ) -> Conditions:
        """Return conditions that plain data describes.

        Args:
            distributions: All parameters.
            when: For each conditional parameter an object that maps the names of others to a
                value, a list of values, or an object with ``low``, ``high`` or both.

        Raises:
            ConfigurationError: It is something else, or goes round in a circle.
        """
        found = {name: _parents(name, given, distributions) for name, given in when.items()}
        conditions = cls(distributions, found)
        if len(conditions.order) < len(distributions):
            circle = sorted(distributions.keys() - set(conditions.order))
            raise ConfigurationError(
                f"space[{circle[0]!r}]: 'when' goes round in a circle through"
                f" {', '.join(map(repr, circle))}; let one of them apply always"
            )
        return conditions

    @property
    def order(self) -> list[str]:
        """All parameters, each after those that decide whether it applies."""
        placed: dict[str, None] = {}
        for _ in self.distributions:
            ready = (n for n in self.distributions if n not in placed)
            name = next((n for n in ready if self.when.get(n, {}).keys() <= placed.keys()), None)
            if name is None:
                break
            placed[name] = None
        return list(placed)

    def apply(self, name: str, params: Mapping[str, Any]) -> bool:
        """Say whether a parameter applies beside others: those that apply, by native value."""
        return all(
            parent in params and _holds(self.distributions[parent], allowed, params[parent])
            for parent, allowed in self.when.get(name, {}).items()
        )

    def check(self, where: str, configuration: Mapping[str, Any]) -> None:
        """Hold a configuration, or a part of one, against the conditions.

        Raises:
            ConfigurationError: It names a parameter that does not apply beside its other values.
        """
        for name in configuration:
            for parent, allowed in self.when.get(name, {}).items():
                needed = f"{name!r} applies only {self.in_words(name)}"
                if parent not in configuration:
                    raise ConfigurationError(
                        f"{where} names {name!r} without {parent!r}: {needed}; name {parent!r},"
                        f" too, or leave {name!r} out"
                    )
                value = configuration[parent]
                if not _holds(self.distributions[parent], allowed, value):
                    raise ConfigurationError(
                        f"{where} names {name!r} where {parent!r} is {value!r:.80}: {needed};"
                        f" leave {name!r} out"
                    )

    def in_words(self, name: str) -> str:
        """Say when a parameter applies; nothing where it always does."""
        space = SearchSpace(self.distributions)
        return " and ".join(
            f"where {show_name(parent)} is {_in_words(space, parent, allowed)}"
            for parent, allowed in self.when.get(name, {}).items()
        )


def _parents(
    name: str, given: object, distributions: Mapping[str, BaseDistribution]
) -> dict[str, Allowed]:
    where = f"space[{name!r}]: 'when'"
    if not isinstance(given, Mapping) or not given:
        raise ConfigurationError(
            f"{where} must map other parameters to their values; write {_EXAMPLE}"
        )
    found: dict[str, Allowed] = {}
    for parent, allowed in given.items():
        if parent not in distributions or parent == name:
            others = ", ".join(n for n in distributions if n != name)
            raise ConfigurationError(
                f"{where} names {parent!r:.80}, which is no other parameter; choose from {others}"
            )
        if isinstance(allowed, Mapping):
            found[parent] = _ends(where, parent, allowed, distributions[parent])
        else:
            values = allowed if isinstance(allowed, list) else [allowed]
            found[parent] = _values(where, parent, values, distributions[parent])
    return found


def _values(where: str, parent: str, values: list[Any], of: BaseDistribution) -> Allowed:
    if isinstance(of, FloatDistribution):
        raise ConfigurationError(
            f"{where}: {parent!r} is a float, which is hardly ever equal to anything; write its"
            ' ends, such as {"low": 0.5}'
        )
    legal = SearchSpace({parent: of})
    wrong = [v for v in values if not _is_legal(legal, parent, v)]
    if wrong or not values:
        what = f"{wrong[0]!r:.80} is no value of {parent!r}" if wrong else "the list is empty"
        raise ConfigurationError(f"{where}: {what}; name values that {parent!r} can have")
    return values


def _is_legal(space: SearchSpace, name: str, value: Any) -> bool:
    nearest = space.legal({name: value})
    return name in nearest and nearest[name] == value


def _ends(
    where: str, parent: str, ends: Mapping[Any, Any], of: BaseDistribution
) -> dict[str, float]:
    is_known = bool(ends) and ends.keys() <= {"low", "high"}
    if not is_known or not all(is_number(v) for v in ends.values()):
        raise ConfigurationError(
            f"{where}: {dict(ends)!r:.80} is no range of {parent!r}; write 'low', 'high' or both"
        )
    if isinstance(of, CategoricalDistribution):
        raise ConfigurationError(
            f"{where}: {parent!r} has choices and no ends; list those with which it applies"
        )
    assert isinstance(of, FloatDistribution | IntDistribution)
    low, high = ends.get("low", of.low), ends.get("high", of.high)
    if low > high or low > of.high or high < of.low:
        raise ConfigurationError(
            f"{where}: no value of {parent!r} is from {format_number(low)} to"
            f" {format_number(high)}; mend the ends"
        )
    return dict(ends)


def _holds(of: BaseDistribution, allowed: Allowed, value: Any) -> bool:
    if isinstance(allowed, dict):
        is_in = is_number(value) and value >= allowed.get("low", value)
        return bool(is_in and value <= allowed.get("high", value))
    if isinstance(of, CategoricalDistribution):
        return choice_index(of, value) in {choice_index(of, v) for v in allowed}
    return bool(value in allowed)


def _in_words(space: SearchSpace, name: str, allowed: Allowed) -> str:
    if isinstance(allowed, list):
        return " or ".join(show_value(space, name, v) for v in allowed)
    words = {"low": "at least", "high": "at most"}
    return " and ".join(
        f"{words[end]} {format_number(allowed[end])}" for end in words if end in allowed
    )
