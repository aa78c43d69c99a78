"""How usual values move with one another: parents first, children given parents."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
import math
from typing import Any

from optuna.distributions import BaseDistribution

from optuna_llm.prior.fitting import choice_number
from optuna_llm.prior.fitting import fit
from optuna_llm.prior.names import Reading
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Relation
from optuna_llm.space.numbers import format_number


@dataclass(frozen=True)
class Parent:
    """A parameter of a space that moves the usual value of another.

    Attributes:
        name: Its name in the space.
        prior: What the table says of it.
        relation: How the other moves with it.
    """

    name: str
    prior: ParameterPrior
    relation: Relation

    def factor(self, value: Any) -> tuple[float, float]:
        """Return by how much the other's usual value moves at a value of this.

        Returns:
            The factor and the standard error of its logarithm; 1 and 0 if the value is no number.
        """
        assert isinstance(self.prior.row, Number)
        number, usual = choice_number(value), self.prior.row.usual
        if number is None:
            return 1.0, 0.0
        try:
            quantity = self.prior.transform.quantity(number)
        except OverflowError:
            return 1.0, 0.0
        if quantity <= 0:
            return 1.0, 0.0
        return self.relation.factor(quantity, usual), self.relation.doubt(quantity, usual)


def related(priors: Mapping[str, ParameterPrior | None]) -> dict[str, list[Parent]]:
    """Return the parents of each parameter that has some in the same space and family.

    Args:
        priors: What is known of each parameter. Of two parameters with the same meaning neither
            is a parent: which of them is meant, nobody knows.
    """
    meant: dict[tuple[str, str], list[tuple[str, ParameterPrior]]] = {}
    for name, prior in priors.items():
        if prior is not None and isinstance(prior.row, Number):
            meant.setdefault((prior.family, prior.row.name), []).append((name, prior))
    found: dict[str, list[Parent]] = {}
    for name, prior in priors.items():
        if prior is None or not isinstance(prior.row, Number):
            continue
        for relation in prior.row.relations:
            others = meant.get((prior.family, relation.to), [])
            if len(others) == 1:
                found.setdefault(name, []).append(Parent(*others[0], relation))
    return found


def parents_first(names: Iterable[str], parents: Mapping[str, list[Parent]]) -> list[str]:
    """Return names with parents before their children, else in their order."""
    left, ordered = list(names), list[str]()
    while left:
        waiting = set(left)
        free = [n for n in left if not any(p.name in waiting for p in parents.get(n, ()))]
        if not free:  # The table has no circles; if it had one, any order would do.
            return ordered + left
        ordered += free
        left = [n for n in left if n not in free]
    return ordered


def given_parents(
    reading: Reading | None,
    distribution: BaseDistribution,
    prior: ParameterPrior,
    parents: Iterable[Parent],
    values: Mapping[str, Any],
) -> ParameterPrior:
    """Return what is usual for a parameter whose parents have their values.

    Where it would be far outside of the distribution, it stays as it is.

    Args:
        reading: What its name says.
        distribution: Its distribution.
        prior: What is usual where nothing is known of others.
        parents: Its parents.
        values: Native values by name; those of parents may be missing.
    """
    found = [p.factor(values[p.name]) for p in parents if p.name in values]
    factor, doubt = math.prod(f for f, _ in found), math.hypot(*(d for _, d in found))
    row = prior.row
    if factor == 1 or not isinstance(row, Number) or reading is None:
        return prior
    moved = row.moved(factor, doubt)
    fitted = fit(moved, distribution, reading.transform)
    if fitted is None:
        return prior
    beside = ParameterPrior.of(moved, fitted, prior.family, prior.source, prior.moves)
    return replace(beside, name=prior.name)


def in_words(parents: Mapping[str, list[Parent]]) -> str:
    """Say which parameters move with which, and who says so."""
    return "; ".join(
        f"{name} moves with {parent.name} to the power of {parent.relation.power:g}"
        f" ({parent.relation.source}{_ends(parent.relation)})"
        for name, each in parents.items()
        for parent in each
    )


def _ends(relation: Relation) -> str:
    low, high = relation.valid
    return "" if math.isinf(high) else f"; from {format_number(low)} to {format_number(high)}"
