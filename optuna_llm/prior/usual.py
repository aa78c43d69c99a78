"""What users state of a parameter: a usual value, or weights of choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import math
from typing import Any
from typing import TypeAlias

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.fitting import choice_number
from optuna_llm.prior.fitting import choice_text
from optuna_llm.prior.names import Reading
from optuna_llm.prior.table import HALF_RANGE
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Relation
from optuna_llm.prior.table import key
from optuna_llm.space.numbers import is_number


# Where neither a spread nor a range is given: a standard deviation in decades, and of a linear
# scale as a share of the distribution's width.
_SPREAD_IN_DECADES = 0.5
_SPREAD_IN_WIDTHS = 0.2
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

    def row(
        self, name: str, distribution: BaseDistribution, reading: Reading, source: str
    ) -> Number:
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
            source=self.source or source,
            relations=tuple(
                Relation(to, power, (0.0, math.inf), self.source or source)
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
        low, high = (middle + side * HALF_RANGE * spread for side in (-1, 1))
        return scale.inverse(low), scale.inverse(high)


Stated: TypeAlias = Usual | Choice | Mapping[Any, float]
"""What may be stated of a parameter: a usual value, or a weight for each choice."""


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
