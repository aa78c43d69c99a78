"""The form of the table: one row for each well-known hyperparameter, grouped in families."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import enum
import functools
import math
import re


# Half of a usual range, which holds the central 90 % of a normal distribution, in deviations.
HALF_RANGE = 1.645


class Axis(enum.Enum):
    """The scale on which equal distances of a hyperparameter matter equally, and its domain."""

    LINEAR = "linear"  # any number
    FRACTION = "fraction"  # linear, within [0, 1]
    LOG = "log"  # decades, positive
    COUNT = "count"  # decades, whole numbers from 1
    COMPLEMENT = "complement"  # decades to 1, within [0, 1): momentum, discount factors

    def forward(self, value: float) -> float:
        """Map a value to this scale; the ends of the domain may map to infinity."""
        if self in (Axis.LOG, Axis.COUNT):
            return math.log10(value) if value > 0 else -math.inf
        if self is Axis.COMPLEMENT:
            return -math.log10(1 - value) if value < 1 else math.inf
        return value

    def inverse(self, scaled: float) -> float:
        """Map a number of this scale back to a value."""
        if self in (Axis.LOG, Axis.COUNT):
            return float(10**scaled)
        if self is Axis.COMPLEMENT:
            return float(1 - 10**-scaled)
        return scaled

    def holds(self, low: float, high: float) -> bool:
        """Say whether a range can be one of this kind of quantity.

        A fraction reaches no further than 1; what stays within 1 is no count. Counts may start
        at 0 or -1, which libraries use for "none" and "no limit".
        """
        if self is Axis.FRACTION:
            return low >= 0 and high <= 1
        if self is Axis.COMPLEMENT:
            return 0 <= low < 1 and high <= 1
        if self is Axis.COUNT:
            return low >= -1 and high > 1
        if self is Axis.LOG:
            return low >= 0 and high > 0
        return True


@dataclass(frozen=True)
class Relation:
    """How the usual value of a hyperparameter moves with another one, its parent.

    Args:
        to: Canonical name of the parent, in the same family.
        power: It moves with this power of the parent.
        valid: The lowest and the highest value of the parent for which the source vouches;
            beyond, nothing moves any further.
        source: Where the rule comes from.
        error: Standard error of the power.
    """

    to: str
    power: float
    valid: tuple[float, float]
    source: str
    error: float = 0.0

    def factor(self, value: float, usual: float) -> float:
        """Return by how much the usual value moves where the parent has not its usual value."""
        return float(self._ratio(value, usual) ** self.power)

    def doubt(self, value: float, usual: float) -> float:
        """Return the standard error of the logarithm of :meth:`factor`."""
        return abs(self.error * math.log(self._ratio(value, usual)))

    def _ratio(self, value: float, usual: float) -> float:
        """Return how far the parent is from its usual value, where the source vouches for it."""
        low, high = self.valid
        here, there = (min(max(at, low), high) for at in (value, usual))
        return here / there


@dataclass(frozen=True)
class Number:
    """A numeric hyperparameter.

    Args:
        name: Canonical name.
        usual: The value an expert would try first when tuning seriously.
        range: Where nine of ten good values lie; the spread follows from it.
        scale: Axis of the quantity.
        aliases: Other names, separated by spaces.
        special: Choices that are no numbers (``none``, ``auto``, ``sqrt``...), each with its
            weight relative to all numeric choices together, which weigh 1.
        source: Where the value comes from; the family's source where empty.
        relations: How the value moves with others.
    """

    name: str
    usual: float
    range: tuple[float, float]
    scale: Axis
    aliases: str = ""
    special: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    relations: tuple[Relation, ...] = ()

    @property
    def spread(self) -> float:
        """Standard deviation on the scale: decades, or the parameter's own units."""
        return self.width / (2 * HALF_RANGE)

    @functools.cached_property
    def width(self) -> float:
        """Width of the usual range on the scale."""
        return self.scale.forward(self.range[1]) - self.scale.forward(self.range[0])

    def moved(self, factor: float, doubt: float = 0.0, spread: float | None = None) -> Number:
        """Return the row with a usual value that is a multiple of this one's.

        Args:
            factor: The multiple.
            doubt: Standard error of its logarithm; the usual range is as much wider.
            spread: Standard deviation in decades that takes the place of the row's own.

        Returns:
            The row, its usual range around the new value as it was around the old one. Of a
            fraction the usual value does not exceed 1.
        """
        usual, (low, high) = self.usual * factor, self.range
        if self.scale in (Axis.LOG, Axis.COUNT):
            if spread is not None:
                low, high = (self.usual * 10 ** (side * HALF_RANGE * spread) for side in (-1, 1))
            width = math.log(high / low)
            wider = math.exp((math.hypot(width, 2 * HALF_RANGE * doubt) - width) / 2)
            return replace(self, usual=usual, range=(low * factor / wider, high * factor * wider))
        width = (high - low) * factor
        wider = (math.hypot(width, 2 * HALF_RANGE * usual * doubt) - width) / 2
        ends = low * factor - wider, high * factor + wider
        if self.scale is Axis.FRACTION:
            usual, ends = min(usual, 1.0), (max(ends[0], 0.0), min(ends[1], 1.0))
        return replace(self, usual=usual, range=ends)


@dataclass(frozen=True)
class Choice:
    """A categorical hyperparameter.

    Args:
        name: Canonical name.
        weights: Preference for each choice, in lower case and without punctuation; only the
            ratios count. Booleans are ``true`` and ``false``, ``None`` is ``none``.
        aliases: Other names, separated by spaces.
        source: Where the preference comes from; the family's source where empty.
    """

    name: str
    weights: Mapping[str, float]
    aliases: str = ""
    source: str = ""

    @property
    def is_boolean(self) -> bool:
        """Whether the choices are just true and false."""
        return set(self.weights) == {"true", "false"}


Row = Number | Choice


@dataclass(frozen=True, eq=False)
class Family:
    """A kind of model or training with its hyperparameters.

    Args:
        name: Short name.
        source: Source of the rows that name none of their own.
        rows: The hyperparameters; names of a parent that are missing here are inherited.
        words: Words of a task description, or prefixes of a name, that mean this family.
        prefixes: Further prefixes, too short to be looked for in a text.
        parent: A more general family.
        odds: Logarithmic odds that a space is of this family, before anything is known of it.
        covers: Names of other families whose words mean nothing beside this one's.
        task: ``classification`` or ``regression`` where it is its parent for such data only: then
            it takes its parent's place if the task description says so, and never otherwise.
    """

    name: str
    source: str
    rows: tuple[Row, ...]
    words: Sequence[str] = ()
    prefixes: Sequence[str] = ()
    parent: Family | None = None
    odds: float = -1.0
    covers: Sequence[str] = ()
    task: str = ""

    @functools.cached_property
    def by_key(self) -> dict[str, tuple[Row, ...]]:
        """Rows by the key of their name and aliases, inherited ones included.

        A key may have several rows where their kinds or domains differ, such as a count and a
        fraction of features.
        """
        own: dict[str, tuple[Row, ...]] = {}
        for row in self.rows:
            for name in (row.name, *row.aliases.split()):
                rows = own.get(key(name), ())
                if not any(row is other for other in rows):
                    own[key(name)] = (*rows, row)
        return {**(self.parent.by_key if self.parent else {}), **own}

    @functools.cached_property
    def ancestors(self) -> tuple[Family, ...]:
        """The more general families, the parent first; of a family for one kind of data none.

        Its words are its parent's, so that a mention of one is a mention of the other.
        """
        if self.parent is None or self.task:
            return ()
        return (self.parent, *self.parent.ancestors)

    @functools.cached_property
    def lineage(self) -> tuple[Family, ...]:
        """The family itself, then all whose rows it inherits, the nearest first."""
        return (self, *(self.parent.lineage if self.parent else ()))

    def number(self, name: str) -> Number | None:
        """Return the numeric row of a canonical name, its own or an inherited one."""
        for row in self.by_key.get(key(name), ()):
            if isinstance(row, Number) and row.name == name:
                return row
        return None

    @functools.cached_property
    def prefix_keys(self) -> frozenset[str]:
        """Keys of the prefixes of a parameter's name that mean this family."""
        return frozenset(key(word) for word in (*self.words, *self.prefixes))

    def source_of(self, row: Row) -> str:
        """Return the source of one of this family's rows, inherited or not."""
        if row.source:
            return row.source
        if any(row is own for own in self.rows) or self.parent is None:
            return self.source
        return self.parent.source_of(row)


def key(name: str) -> str:
    """Return the letters and digits of a name in lower case, by which rows are found."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
