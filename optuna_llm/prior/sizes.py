"""How usual values move with sizes of the problem, from what they are meant for or from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import functools
import math

from optuna_llm.prior.knowledge import FAMILY_OF
from optuna_llm.prior.knowledge import RULES
from optuna_llm.prior.knowledge import SIZES
from optuna_llm.prior.knowledge import row_of
from optuna_llm.prior.rules import Rule
from optuna_llm.prior.rules import that_hold
from optuna_llm.prior.scale import Scale
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.space.numbers import format_number


_PRE_TRAINING = FAMILY_OF["language-model pre-training"]
# Quantities move in the order in which the rules stand, for some move with others.
_QUANTITIES = tuple(dict.fromkeys(name for rule in RULES for name in rule.moves))


@dataclass(frozen=True)
class Move:
    """What sizes do to the usual value of a hyperparameter.

    Attributes:
        quantity: Its canonical name.
        factor: What it is multiplied by.
        why: The rule, and its source.
        doubt: Standard error of the logarithm of the factor.
        spread: Standard deviation of good values in decades, where the rule says it.
    """

    quantity: str
    factor: float
    why: str
    doubt: float = 0.0
    spread: float | None = None

    def __str__(self) -> str:
        return f"{self.quantity} x {format_number(self.factor)}: {self.why}"


@functools.lru_cache(maxsize=1024)
def moves(family: Family, scale: Scale, base: Scale | None = None) -> tuple[Move, ...]:
    """Return how the usual values of a family move with sizes.

    Args:
        family: The family. Sizes that only pre-training has make it that, unless it is a special
            case of training that is none.
        scale: The sizes.
        base: The same sizes of the problem from which values move; None: of what the table's
            usual values are meant for, and laws say values of their own.
    """
    return _Moving(family, scale.sizes, None if base is None else base.sizes).all()


def family_of(name: str, scale: Scale) -> Family:
    """Return a family by its name; of networks with sizes of pre-training, that."""
    family = FAMILY_OF[name]
    return _PRE_TRAINING if scale.is_pre_training and family is _PRE_TRAINING.parent else family


class _Moving:
    """Goes through the quantities of a family in their order.

    Args:
        family: The family.
        sizes: The sizes.
        base: Those from which values move, or None.
    """

    def __init__(
        self, family: Family, sizes: Mapping[str, float], base: Mapping[str, float] | None
    ) -> None:
        self._family = family
        self._base = None if base is None else _with_steps(base, 1.0)
        self._sizes = _with_steps(sizes, None if base is None else 1.0)
        self._lineage = [f.name for f in family.lineage]
        self._names = [[row.name for row in f.rows] for f in family.lineage]
        self._found: list[Move] = []

    def all(self) -> tuple[Move, ...]:
        for size, names in SIZES.items():
            # Values that move from others have no unit; usual ones are meant for one row's.
            rows = names if self._base is not None else [self._row_of(size)]
            for name in rows if size in self._sizes else ():
                row = None if name is None else self._family.number(name)
                if row is not None:
                    before = self._base[size] if self._base is not None else row.usual
                    self._found.append(Move(row.name, self._sizes[size] / before, "as you say"))
        given = {move.quantity for move in self._found}
        for quantity in _QUANTITIES:
            row = self._family.number(quantity)
            if row is None or quantity in given:
                continue
            for rule in that_hold(RULES, quantity, self._lineage, self._sizes):
                # What only follows other parameters is usual beside what is usual for them.
                if any(size in self._sizes for size in rule.by):
                    self._found.append(self._move(row, rule))
        return tuple(m for m in self._found if m.factor != 1 or m.spread is not None)

    def _move(self, row: Number, rule: Rule) -> Move:
        logarithm, doubts = 0.0, []
        is_law = rule.coefficient is not None and self._base is None
        for name, term in rule.by.items():
            size = self._sizes.get(name)
            if size is not None:
                usual = self._usual(name, term.at)
                doubts.append(term.doubt(size, usual))
                logarithm += term.power * math.log(size if is_law else size / usual)
                continue
            of = self._row_of(name)
            parent = None if of is None else self._family.number(of)
            if parent is None:
                continue
            factor, doubt = self._so_far(parent.name)
            doubts.append(term.power * doubt)
            logarithm += term.power * math.log(factor * (parent.usual if is_law else 1.0))
        if is_law:
            logarithm += math.log((rule.coefficient or 1.0) / row.usual)
        spread = rule.spread if is_law else None
        why = f"{row.name} {rule}"
        return Move(row.name, math.exp(logarithm), why, math.hypot(*doubts), spread)

    def _usual(self, size: str, at: float | None) -> float:
        """Return the size from which values move."""
        if self._base is not None:
            return self._base[size]
        row = self._family.number(self._row_of(size) or "")
        if at is not None or row is None:
            assert at is not None, f"no usual {size} of {self._family.name}"
            return at
        return row.usual

    def _row_of(self, quantity: str) -> str | None:
        return row_of(quantity, self._names)

    def _so_far(self, quantity: str) -> tuple[float, float]:
        """Return by how much a quantity has moved, and the doubt of its logarithm."""
        own = [m for m in self._found if m.quantity == quantity]
        return math.prod(m.factor for m in own), math.hypot(*(m.doubt for m in own))


def _with_steps(sizes: Mapping[str, float], batch: float | None) -> dict[str, float]:
    """Return sizes with the number of steps, where tokens and the batch say it.

    Args:
        sizes: The sizes.
        batch: What stands for the batch where it is not given; None: nothing does.
    """
    batch = sizes.get("batch", batch)
    if "steps" in sizes or "tokens" not in sizes or batch is None:
        return dict(sizes)
    return {**sizes, "steps": sizes["tokens"] / batch}


def sized(row: Number, family: Family, scale: Scale) -> tuple[Number, tuple[Move, ...]]:
    """Return a row of a family as it is with some sizes, and what has moved it."""
    own = tuple(m for m in moves(family, scale) if m.quantity == row.name)
    if not own:
        return row, ()
    factor, doubt = math.prod(m.factor for m in own), math.hypot(*(m.doubt for m in own))
    return row.moved(factor, doubt, next((m.spread for m in own if m.spread), None)), own
