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
from optuna_llm.prior.embedded import Priors
from optuna_llm.prior.fitting import choice_number
from optuna_llm.prior.fitting import choice_text
from optuna_llm.prior.fitting import fit
from optuna_llm.prior.names import KNOWN_KEYS
from optuna_llm.prior.names import Reading
from optuna_llm.prior.names import read
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Scale
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
_SCALES = tuple(scale.value for scale in Scale)


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
        source: Where it comes from; the prior's own where empty.

    Raises:
        ConfigurationError: An argument is wrong; the message says which and how to mend it.
    """

    value: float
    spread: float | None = None
    range: tuple[float, float] | None = None
    scale: str | None = None
    special: Mapping[Any, float] = field(default_factory=dict)
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
            if self.scale is not None and not _is_on(Scale(self.scale), end):
                raise ConfigurationError(
                    f"Usual.{name}: {end:g} does not exist on the scale {self.scale!r}; leave the"
                    ' scale out, or choose another, such as "linear".'
                )
        object.__setattr__(self, "special", _checked_weights("Usual.special", self.special))

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

    def row(self, name: str, distribution: BaseDistribution, reading: Reading) -> Number:
        """Return it as a row of the table, on the scale of a distribution unless it has one."""
        scale = _scale_of(self.value, distribution, reading)
        if self.scale is not None:
            scale = Scale(self.scale)
        return Number(
            name,
            self.value,
            self.range or self._range_on(scale, distribution),
            scale,
            special=self.special,
            source=self.source,
        )

    def _range_on(self, scale: Scale, distribution: BaseDistribution) -> tuple[float, float]:
        spread = self.spread
        if spread is None:
            spread = _SPREAD_IN_DECADES
            if scale in (Scale.LINEAR, Scale.FRACTION):
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
    ) -> None:
        super().__init__(context, together)
        object.__setattr__(self, "usual", _checked(usual))
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "_by_key", {key(name): name for name in self.usual})
        object.__setattr__(self, "_known_keys", KNOWN_KEYS.union(self._by_key))
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
        reading = read(name, self._known_keys)
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


def _scale_of(value: float, distribution: BaseDistribution, reading: Reading) -> Scale:
    """Return the scale of a quantity as the space has it."""
    if isinstance(distribution, CategoricalDistribution):
        choices = [choice_number(choice) for choice in distribution.choices]
        is_log = all(number is None or number > 0 for number in choices)
    else:
        is_log = getattr(distribution, "log", False) or reading.transform.startswith(("log", "ln"))
    return Scale.LOG if is_log and value > 0 else Scale.LINEAR


def _width(distribution: BaseDistribution) -> float:
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return float(distribution.high - distribution.low)
    assert isinstance(distribution, CategoricalDistribution)
    numbers = [n for choice in distribution.choices if (n := choice_number(choice)) is not None]
    return max(numbers, default=0.0) - min(numbers, default=0.0)


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _is_on(scale: Scale, value: float) -> bool:
    is_share = scale in (Scale.FRACTION, Scale.COMPLEMENT)
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
    return checked


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
