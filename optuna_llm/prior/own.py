"""Usual values that users state themselves, in front of those of the table."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import math
from typing import Any
from typing import TypeAlias

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.embedded import EmbeddedPrior
from optuna_llm.prior.fitting import choice_number
from optuna_llm.prior.fitting import choice_text
from optuna_llm.prior.fitting import fit
from optuna_llm.prior.lookup import Priors
from optuna_llm.prior.names import KNOWN_KEYS
from optuna_llm.prior.names import Reading
from optuna_llm.prior.names import read
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.relations import Parent
from optuna_llm.prior.scale import Scale
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Relation
from optuna_llm.prior.table import key
from optuna_llm.space.numbers import is_number


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_FAMILY = "own knowledge"
# Where neither a spread nor a range is given: a standard deviation in decades, and of a linear
# scale as a share of the distribution's width.
_SPREAD_IN_DECADES = 0.5
_SPREAD_IN_WIDTHS = 0.2
# Half of a usual range, which holds nine of ten good values, in standard deviations.
_HALF_RANGE = 1.645
_SCALES = tuple(scale.value for scale in Axis)
_SHARES = (Axis.FRACTION.value, Axis.COMPLEMENT.value)


@dataclass(frozen=True)
class Usual:
    """The usual value of a numeric hyperparameter.

    Args:
        value: The value that you would try first.
        spread: Standard deviation of good values around it: in decades where the scale is
            logarithmic (0.3 is a factor of 2), else in the units of the parameter.
        range: Lowest and highest usual value, in place of ``spread``: nine of ten good values
            lie between them.
        scale: ``linear``, ``fraction`` (of 1), ``log``, ``count``, or ``complement`` (decades to
            1: momentum, discount factors). None: that of the search space.
        special: Choices that are no numbers, such as ``None`` or ``"auto"``, each with its weight
            relative to all numeric choices together, which weigh 1.
        relation: How it moves with other parameters: names mapped to powers, such as
            ``{"batch_size": 0.5}`` for the square root. It is the value where these have their
            own usual values, and its spread is that beside theirs.
        source: Where it comes from; the prior's own where empty.

    Raises:
        ConfigurationError: An argument is wrong; the message says which and how to mend it.
    """

    value: float
    spread: float | None = None
    range: tuple[float, float] | None = None
    scale: str | None = None
    special: Mapping[Any, float] = field(default_factory=dict)
    relation: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        if not _is_finite(self.value):
            raise ConfigurationError(
                f"Usual.value={self.value!r:.80} must be a finite number; give choices as a"
                ' mapping from each to its weight, such as {"relu": 3, "tanh": 1}.'
            )
        if self.scale is not None and self.scale not in _SCALES:
            raise ConfigurationError(
                f"Usual.scale={self.scale!r:.80} must be one of {', '.join(_SCALES)}, or None for"
                " that of the search space."
            )
        if self.spread is not None and not (_is_finite(self.spread) and self.spread > 0):
            raise ConfigurationError(
                f"Usual.spread={self.spread!r:.80} must be a positive number: a standard"
                " deviation, in decades on a logarithmic scale."
            )
        self._check_range()
        ends = self.range or ()
        for name, end in (("value", self.value), *(("range", end) for end in ends)):
            if self.scale is not None and not _is_on(Axis(self.scale), end):
                raise ConfigurationError(
                    f"Usual.{name}: {end:g} does not exist on the scale {self.scale!r}; leave the"
                    ' scale out, or choose another, such as "linear".'
                )
        object.__setattr__(self, "special", _checked_weights("Usual.special", self.special))
        self._check_relation()

    def _check_range(self) -> None:
        if self.range is None:
            return
        if self.spread is not None:
            raise ConfigurationError("Usual: give either spread or range, not both.")
        is_pair = isinstance(self.range, tuple | list) and len(self.range) == 2
        if not is_pair or not all(_is_finite(end) for end in self.range):
            raise ConfigurationError(
                f"Usual.range={self.range!r:.80} must be two numbers, the lowest and the highest."
            )
        object.__setattr__(self, "range", tuple(self.range))
        low, high = self.range
        if not (low <= self.value <= high and low < high):
            raise ConfigurationError(
                f"Usual.range={self.range!r:.80} must reach from a lower to a higher number with"
                f" the usual value {self.value:g} in it."
            )

    def _check_relation(self) -> None:
        given = self.relation
        if not isinstance(given, Mapping) or not all(
            isinstance(name, str) and key(name) and _is_finite(power) and power != 0
            for name, power in given.items()
        ):
            raise ConfigurationError(
                f"Usual.relation={given!r:.80} must map names of parameters to powers other than"
                ' 0, such as {"batch_size": 0.5}.'
            )
        if given and (self.value <= 0 or self.scale in _SHARES):
            raise ConfigurationError(
                f"Usual.relation={dict(given)!r:.80}: only a positive value that is no share can"
                " go with a power of another; leave the relation out."
            )

    def row(self, name: str, distribution: BaseDistribution, reading: Reading) -> Number:
        """Return it as a row of the table, on the scale of a distribution unless it has one."""
        scale = _scale_of(self.value, distribution, reading)
        if self.scale is not None:
            scale = Axis(self.scale)
        return Number(
            name,
            self.value,
            self.range or self._range_on(scale, distribution),
            scale,
            special=self.special,
            source=self.source,
            relations=tuple(
                Relation(to, power, (0.0, math.inf), self.source or "as stated")
                for to, power in self.relation.items()
            ),
        )

    def _range_on(self, scale: Axis, distribution: BaseDistribution) -> tuple[float, float]:
        spread = self.spread
        if spread is None:
            spread = _SPREAD_IN_DECADES
            if scale in (Axis.LINEAR, Axis.FRACTION):
                spread = _SPREAD_IN_WIDTHS * (_width(distribution) or abs(self.value) or 1.0)
        middle = scale.forward(self.value)
        low, high = (middle + side * _HALF_RANGE * spread for side in (-1, 1))
        return scale.inverse(low), scale.inverse(high)


Stated: TypeAlias = Usual | Choice | Mapping[Any, float]
"""What may be stated of a parameter: a usual value, or a weight for each choice."""


@dataclass(frozen=True, init=False)
class OwnPrior(EmbeddedPrior):
    """What users state of their parameters; the table for all other ones.

    See :class:`optuna_llm.Prior`, which users meet.
    """

    usual: Mapping[str, Usual | Choice] = field(default_factory=dict, hash=False)
    source: str = ""
    _by_key: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _known_keys: frozenset[str] = field(default=KNOWN_KEYS, init=False, repr=False, compare=False)
    _warned: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __init__(
        self,
        usual: Mapping[str, Stated],
        *,
        context: str | None = None,
        source: str = "stated by the user",
        together: bool = False,
        scale: Scale | None = None,
    ) -> None:
        super().__init__(context, together, scale=scale)
        object.__setattr__(self, "usual", _checked(usual))
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "_by_key", {key(name): name for name in self.usual})
        object.__setattr__(self, "_known_keys", KNOWN_KEYS.union(self._by_key, self._parents()))
        object.__setattr__(self, "_warned", set())

    def lookup(
        self, name: str, distribution: BaseDistribution, others: Iterable[str] = ()
    ) -> ParameterPrior | None:
        """Return what is stated of a parameter, else what the table knows, or None."""
        return self._stated(name, distribution, super().lookup(name, distribution, others))

    def _priors(self, space: Mapping[str, BaseDistribution], *, optimizer: Any = None) -> Priors:
        table = super()._priors(space, optimizer=optimizer)
        return {name: self._stated(name, space[name], table[name]) for name in space}

    def _stated(
        self, name: str, distribution: BaseDistribution, table: ParameterPrior | None
    ) -> ParameterPrior | None:
        """Return what is stated of a parameter where it applies, else what the table says."""
        reading = self._read(name)
        # What is stated of a name is not meant for another model's parameter of that name.
        if reading is None or reading.prefix or reading.key not in self._by_key:
            return table
        own = self._by_key[reading.key]
        stated = self.usual[own]
        row = stated.row(own, distribution, reading) if isinstance(stated, Usual) else stated
        found = fit(row, distribution, reading.transform)
        if found is None:
            if name not in self._warned:
                self._warned.add(name)
                _logger.warning(
                    f"Prior: what is stated of {own!r} does not suit the parameter {name!r} with"
                    f" {distribution}, and is not used; state a value or choices in there."
                )
            return table
        of_row = ParameterPrior.of(row, found, _FAMILY, row.source or self.source)
        # The table's own name, by which others know what it is: an optimizer, say.
        return of_row if table is None else replace(of_row, name=table.name)

    # ---- how they move together

    @property
    def _has_relations(self) -> bool:
        return self.together or bool(self._parents())

    def _read(self, name: str) -> Reading | None:
        return read(name, self._known_keys)

    def _parents(self) -> set[str]:
        """Return the keys of the parameters with which stated values move."""
        stated = [s for s in self.usual.values() if isinstance(s, Usual)]
        return {key(parent) for each in stated for parent in each.relation}

    def _related(self, priors: Priors) -> dict[str, list[Parent]]:
        """Return the parents of each parameter: those that are stated, else the table's."""
        found = super()._related(priors)
        for name, prior in priors.items():
            if prior is None or prior.family != _FAMILY or not isinstance(prior.row, Number):
                continue
            for relation in prior.row.relations:
                meant = [n for n in priors if n != name and self._is_named(n, relation.to)]
                known = [(n, p) for n in meant if (p := priors[n]) is not None]
                if len(known) == 1 and isinstance(known[0][1].row, Number):
                    found.setdefault(name, []).append(Parent(*known[0], relation))
                elif meant and not known:
                    self._warn_of_parent(name, meant[0])
        return found

    def _is_named(self, name: str, stated: str) -> bool:
        reading = self._read(name)
        return reading is not None and not reading.prefix and reading.key == key(stated)

    def _warn_of_parent(self, name: str, parent: str) -> None:
        if f"{name} {parent}" not in self._warned:
            self._warned.add(f"{name} {parent}")
            _logger.warning(
                f"Prior: {name!r} is said to move with {parent!r}, whose usual value is not known,"
                " and does not; state that too."
            )


def _scale_of(value: float, distribution: BaseDistribution, reading: Reading) -> Axis:
    """Return the scale of a quantity as the space has it."""
    if isinstance(distribution, CategoricalDistribution):
        choices = [choice_number(choice) for choice in distribution.choices]
        is_log = all(number is None or number > 0 for number in choices)
    else:
        is_log = getattr(distribution, "log", False) or reading.transform.startswith(("log", "ln"))
    return Axis.LOG if is_log and value > 0 else Axis.LINEAR


def _width(distribution: BaseDistribution) -> float:
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return float(distribution.high - distribution.low)
    assert isinstance(distribution, CategoricalDistribution)
    numbers = [n for choice in distribution.choices if (n := choice_number(choice)) is not None]
    return max(numbers, default=0.0) - min(numbers, default=0.0)


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _is_on(scale: Axis, value: float) -> bool:
    is_share = scale in (Axis.FRACTION, Axis.COMPLEMENT)
    return math.isfinite(scale.forward(value)) and (not is_share or 0 <= value <= 1)


def _checked(usual: Any) -> dict[str, Usual | Choice]:
    """Return what is stated by name, choices as rows of the table."""
    if not isinstance(usual, Mapping) or not all(isinstance(name, str) for name in usual):
        raise ConfigurationError(
            f"usual={usual!r:.100} must map names of parameters to usual values, such as"
            ' {"lr": Usual(1e-3), "activation": {"relu": 3, "tanh": 1}}.'
        )
    names: dict[str, str] = {}
    checked: dict[str, Usual | Choice] = {}
    for name, stated in usual.items():
        other = names.setdefault(key(name), name)
        if other != name or not key(name):
            raise ConfigurationError(
                f"usual[{name!r}]: "
                + (f"it is the same name as {other!r}" if key(name) else "a name needs a letter")
                + ", for case and punctuation do not count; give each parameter once."
            )
        if isinstance(stated, Usual | Choice):
            checked[name] = stated
        else:
            checked[name] = as_choice(name, stated)
    _check_circles(checked)
    return checked


def _check_circles(usual: Mapping[str, Usual | Choice]) -> None:
    """Raise ConfigurationError where a parameter moves with itself, by way of others."""
    parents = {
        key(name): {key(to) for to in stated.relation}
        for name, stated in usual.items()
        if isinstance(stated, Usual)
    }
    for name in usual:
        above, new = set[str](), {key(name)}
        while new:
            new = set().union(*(parents.get(each, ()) for each in new)) - above
            above |= new
        if key(name) in above:
            raise ConfigurationError(
                f"usual[{name!r}].relation: it moves with itself, by way of others; leave one of"
                " the relations out."
            )


def as_choice(name: str, weights: Any) -> Choice:
    """Return the weights of a parameter's choices as a row of the table.

    Raises:
        ConfigurationError: They are no weights of choices.
    """
    if not isinstance(weights, Mapping) or not weights:
        raise ConfigurationError(
            f"usual[{name!r}]={weights!r:.80} must be a Usual, such as Usual(0.1), or a mapping"
            ' from choices to weights, such as {"relu": 3, "tanh": 1}.'
        )
    return Choice(name, _checked_weights(f"usual[{name!r}]", weights))


def _checked_weights(argument: str, weights: Any) -> dict[str, float]:
    """Return weights by the text by which a choice is found."""
    if not isinstance(weights, Mapping):
        raise ConfigurationError(f"{argument}={weights!r:.80} must map choices to weights.")
    checked: dict[str, float] = {}
    for choice, weight in weights.items():
        if not (_is_finite(weight) and weight > 0):
            raise ConfigurationError(
                f"{argument}[{choice!r:.80}]={weight!r:.80} must be a positive number; give a"
                " choice that is seldom good a small weight."
            )
        if choice_text(choice) in checked:
            raise ConfigurationError(
                f"{argument}[{choice!r:.80}]: another choice reads the same,"
                f" {choice_text(choice)!r}; give one of them."
            )
        checked[choice_text(choice)] = float(weight)
    return checked
