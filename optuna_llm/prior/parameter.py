"""One parameter of a search space: what is usual for it, and values drawn around that."""

from __future__ import annotations

from dataclasses import dataclass
import math
from statistics import NormalDist
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.fitting import IDENTITY
from optuna_llm.prior.fitting import Fit
from optuna_llm.prior.fitting import Transform
from optuna_llm.prior.sizes import Move
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Row
from optuna_llm.space.choices import choice_index
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import format_value
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.numbers import snap
from optuna_llm.space.numbers import to_unit


# Around a centre, a parameter without a prior varies by this much of its range.
_UNKNOWN_SPREAD = 0.3
# Around a centre, its category is kept this often.
_KEPT_CATEGORY = 0.5
_STANDARD_NORMAL = NormalDist()


@dataclass(frozen=True)
class ParameterPrior:
    """What the table says about one parameter of a search space.

    Attributes:
        name: Canonical name of the hyperparameter.
        family: Family of models it was taken for.
        value: The usual value: native, inside the distribution and on its grid.
        spread: Standard deviation in the unit interval of a numeric distribution; for a
            categorical one the probability of any other choice.
        weights: Probability of each choice, in the order of the choices; empty for numbers.
        source: Where the value comes from.
        text: All of it in one short line, such as
            ``learning_rate 0.1 (XGBoost documentation; usual 0.02-0.3)``.
        transform: How the parameter states the hyperparameter, such as by its exponent.
        row: The row that says so, as sizes of the problem have moved it.
        moves: What they have done to it.
    """

    name: str
    family: str
    value: Any
    spread: float
    weights: tuple[float, ...]
    source: str
    text: str
    transform: Transform
    row: Row
    moves: tuple[Move, ...] = ()

    @classmethod
    def of(
        cls, row: Row, found: Fit, family: str, source: str, moves: tuple[Move, ...] = ()
    ) -> ParameterPrior:
        """Return what a row says of a parameter that it fits."""
        shown = format_value(found.value)
        by = "; moved with sizes" if moves else ""
        said = f"{found.transform.form.format(row.name)} {shown} ({source}{by}"
        if isinstance(row, Number):
            of_row = "" if found.transform is IDENTITY else f"{row.name} "
            low, high = (format_number(end) for end in row.range)
            said += f"; {of_row}usual {low}-{high}"
        return cls(
            row.name,
            family,
            found.value,
            found.spread,
            found.weights,
            source,
            f"{said})",
            found.transform,
            row,
            moves,
        )


def check_spread(spread: float) -> None:
    """Raise ConfigurationError unless a spread is a finite number of at least 0."""
    if not 0 <= spread < math.inf:
        raise ConfigurationError(f"spread={spread!r} must be 0 or more, and finite; 1 is usual.")


def default_value(distribution: BaseDistribution, prior: ParameterPrior | None) -> Any:
    """Return the usual value: the middle, or the first choice, where none is known."""
    if prior is not None:
        return prior.value
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return from_unit(distribution, 0.5)


def sample_value(
    distribution: BaseDistribution,
    prior: ParameterPrior | None,
    draw: float,
    spread: float,
    centre: tuple[Any] | None = None,
) -> Any:
    """Return the quantile ``draw`` of the prior, or of the prior moved to a centre.

    A centre is a tuple of one value, which may be None itself.
    """
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[_sample_choice(distribution, prior, draw, spread, centre)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if centre is not None:
        value = snap(distribution, centre[0])
    elif prior is not None:
        value = prior.value
    else:
        return from_unit(distribution, draw)
    mean = to_unit(distribution, value)
    deviation = spread * (_UNKNOWN_SPREAD if prior is None else prior.spread)
    if deviation == 0:
        return value
    return from_unit(distribution, _truncated_normal(mean, deviation, draw))


def _sample_choice(
    distribution: CategoricalDistribution,
    prior: ParameterPrior | None,
    draw: float,
    spread: float,
    centre: tuple[Any] | None,
) -> int:
    """Return the index of a choice: by weight, flatter with a larger spread."""
    kept = None if centre is None else choice_index(distribution, centre[0])
    if kept is not None and spread == 0:
        return kept
    if prior is None:
        weights = np.ones(len(distribution.choices))
    elif spread == 0:
        return int(np.argmax(prior.weights))
    else:
        weights = (np.array(prior.weights) / max(prior.weights)) ** (1 / spread)
    weights = weights / weights.sum()
    if kept is not None:
        weights *= 1 - _KEPT_CATEGORY
        weights[kept] += _KEPT_CATEGORY
    chosen = int(np.searchsorted(np.cumsum(weights), draw, side="right"))
    return min(chosen, len(weights) - 1)


def _truncated_normal(mean: float, deviation: float, draw: float) -> float:
    """Return the quantile ``draw`` of a normal distribution truncated to the unit interval."""
    below = _STANDARD_NORMAL.cdf(-mean / deviation)
    above = _STANDARD_NORMAL.cdf((1 - mean) / deviation)
    quantile = min(max(below + draw * (above - below), 1e-15), 1 - 1e-15)
    return mean + deviation * _STANDARD_NORMAL.inv_cdf(quantile)
