"""The form of the rules by which usual values move, and which of them hold for a family."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math


@dataclass(frozen=True)
class Term:
    """The power of one size, or of one other hyperparameter, in a rule.

    Args:
        power: The exponent.
        error: Its standard error.
        valid: The lowest and the highest value for which the source has measured it.
        at: The size for which usual values are meant, where no row of the family says it.
    """

    power: float
    error: float
    valid: tuple[float, float]
    at: float | None = None

    def doubt(self, value: float, usual: float) -> float:
        """Return the standard error of the logarithm of ``(value / usual) ** power``.

        Beyond the values that were measured the power is as uncertain as it is large.
        """
        low, high = self.valid
        here, there = (min(max(at, low), high) for at in (value, usual))
        beyond = abs(math.log(value / here)) + abs(math.log(usual / there))
        return math.hypot(self.error * math.log(here / there), self.power * beyond)


@dataclass(frozen=True)
class Rule:
    """How some hyperparameters of some families move.

    Args:
        moves: Canonical names of the hyperparameters.
        families: Names of the families for which it holds, and for whose special cases.
        by: The terms by what they are powers of: a size, or the canonical name of another row.
        source: Where it comes from.
        exempt: Names of special cases for which it does not hold, nor for theirs.
        needs: Sizes without which it says nothing.
        alone: Whether it stands in for all other rules of its hyperparameters.
        coefficient: What the powers are multiplied by to give the value itself; None: they say
            only by how much a usual value moves.
        spread: With a coefficient: standard deviation of good values, in decades.
    """

    moves: tuple[str, ...]
    families: tuple[str, ...]
    by: Mapping[str, Term]
    source: str
    exempt: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    alone: bool = False
    coefficient: float | None = None
    spread: float | None = None

    def distance(self, lineage: Sequence[str]) -> int | None:
        """Return how far up a lineage of families, the nearest first, is one it is meant for."""
        for distance, name in enumerate(lineage):
            if name in self.exempt:
                return None
            if name in self.families:
                return distance
        return None

    def __str__(self) -> str:
        powers = " ".join(
            name if term.power == 1 else f"{name}^{term.power:g}" for name, term in self.by.items()
        )
        return f"~ {powers} ({self.source})"


def that_hold(
    rules: Iterable[Rule], quantity: str, lineage: Sequence[str], known: Collection[str]
) -> list[Rule]:
    """Return the rules of a hyperparameter that hold where some sizes are known.

    Args:
        rules: All of them.
        quantity: Canonical name of the hyperparameter.
        lineage: Names of the family and of those whose rows it inherits, the nearest first.
        known: Names of the sizes.
    """
    found = [
        (distance, rule)
        for rule in rules
        if quantity in rule.moves
        and all(size in known for size in rule.needs)
        and (distance := rule.distance(lineage)) is not None
    ]
    for _, rule in found:
        if rule.alone:
            return [rule]
    return [
        rule
        for distance, rule in found
        if not any(near < distance and other.by.keys() & rule.by.keys() for near, other in found)
    ]
