"""What is known of usual hyperparameters, without any language model."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
import functools
import math
from statistics import NormalDist
from typing import Any
from typing import TypeAlias

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.fitting import Fit
from optuna_llm.prior.fitting import choice_text
from optuna_llm.prior.fitting import fit
from optuna_llm.prior.inference import candidates
from optuna_llm.prior.inference import family_scores
from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.names import read
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Row
from optuna_llm.space import choice_index
from optuna_llm.space import format_number
from optuna_llm.space import from_unit
from optuna_llm.space import snap
from optuna_llm.space import to_unit


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
    """

    name: str
    family: str
    value: Any
    spread: float
    weights: tuple[float, ...]
    source: str
    text: str


_Priors: TypeAlias = dict[str, ParameterPrior | None]


@dataclass(frozen=True)
class EmbeddedPrior:
    """Usual hyperparameters of well-known models, found by name and checked against the range.

    Names are compared without case, punctuation, prefixes and indices. What a name means is
    decided by the family of models that the other names, the ranges and the context point to.

    Args:
        context: Description of the task in words, which may name the model.
    """

    context: str | None = None

    # ---- one parameter

    def lookup(
        self, name: str, distribution: BaseDistribution, others: Iterable[str] = ()
    ) -> ParameterPrior | None:
        """Return what is known of a parameter, or None.

        Args:
            name: Name of the parameter.
            distribution: Its distribution. A usual value outside it is clipped; one that is
                further outside than its usual range is wide means that the parameter is
                something else, and is not used.
            others: Names of other parameters of the same space, as far as they are known; a
                mapping to their distributions tells more.
        """
        known = _known(others) | {name: distribution}
        return _lookup(name, distribution, family_scores(known, self.context))

    def default_value(
        self, name: str, distribution: BaseDistribution, others: Iterable[str] = ()
    ) -> Any:
        """Return the usual value of one parameter, see :meth:`default` and :meth:`lookup`."""
        return _default_value(distribution, self.lookup(name, distribution, others))

    def sample_value(
        self,
        name: str,
        distribution: BaseDistribution,
        rng: np.random.Generator,
        others: Iterable[str] = (),
        *,
        spread: float = 1.0,
    ) -> Any:
        """Draw one value of one parameter, see :meth:`sample` and :meth:`lookup`."""
        _check_spread(spread)
        prior = self.lookup(name, distribution, others)
        return _sample_value(distribution, prior, float(rng.random()), spread)

    # ---- a whole configuration

    def default(self, space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Return the usual configuration of a search space.

        A numeric parameter that is not known is in the middle of its (log) scale; a categorical
        one takes its first choice, which by convention is the default.
        """
        priors = self._default_priors(space)
        return {name: _default_value(space[name], priors[name]) for name in space}

    def sample(
        self,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
        *,
        spread: float = 1.0,
        centre: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Draw one configuration around the usual one.

        Numbers are normal on the scale of their distribution, truncated to it; categories are
        drawn by weight; unknown parameters are uniform.

        Args:
            space: The distributions by name.
            rng: Source of randomness.
            spread: Factor on the standard deviations, and temperature of the categories; 0
                repeats the usual configuration where it is known.
            centre: A configuration to take the place of the usual one. Numbers are drawn around
                it, the unknown ones too, and its categories keep half of the probability.

        Raises:
            ConfigurationError: ``spread`` is negative or infinite.
        """
        _check_spread(spread)
        draws = dict(zip(space, rng.random(len(space)).tolist(), strict=True))
        priors = self._priors(space)
        optimizers = _optimizers(priors)
        values: dict[str, Any] = {}
        for name in [*optimizers, *(name for name in space if name not in optimizers)]:
            at = (centre[name],) if centre is not None and name in centre else None
            values[name] = _sample_value(space[name], priors[name], draws[name], spread, at)
            if name in optimizers:
                priors = self._priors(space, optimizer=values[name])
        return {name: values[name] for name in space}

    def explain(self, space: Mapping[str, BaseDistribution]) -> str:
        """Say in one line for each family which values of :meth:`default` are known, and why."""
        values: dict[str, list[str]] = {}
        sources: dict[str, dict[str, None]] = {}
        unknown = []
        for name, prior in self._default_priors(space).items():
            if prior is None:
                unknown.append(name)
            else:
                values.setdefault(prior.family, []).append(f"{name} {_shown(prior.value)}")
                sources.setdefault(prior.family, {}).update(
                    dict.fromkeys(prior.source.split("; "))
                )
        lines = [
            f"{family}: {', '.join(values[family])} ({'; '.join(sources[family])})"
            for family in values
        ]
        return "\n".join([*lines, *(["not known: " + ", ".join(unknown)] if unknown else [])])

    def _default_priors(self, space: Mapping[str, BaseDistribution]) -> _Priors:
        priors = self._priors(space)
        for name in _optimizers(priors):
            prior = priors[name]
            priors = self._priors(space, optimizer=None if prior is None else prior.value)
        return priors

    def _priors(self, space: Mapping[str, BaseDistribution], *, optimizer: Any = None) -> _Priors:
        """Look up a space; an optimizer that is known counts like a word of the context."""
        context = self.context
        if optimizer is not None:
            context = f"{context or ''} {choice_text(optimizer)}"
        return _space_priors(context, _Space(tuple(space.items())))


def _optimizers(priors: _Priors) -> list[str]:
    """Return the parameters that choose an optimizer, on which learning rates depend."""
    return [name for name, p in priors.items() if p is not None and p.name == "optimizer"]


class _Space:
    """The items of a search space, equal only to the very same distributions.

    Optuna's own equality takes ``(True, False)`` for ``(1, 0)``, so it is no key to a cache of
    native values.
    """

    def __init__(self, items: tuple[tuple[str, BaseDistribution], ...]) -> None:
        self.items = items
        self._key = tuple((name, id(distribution)) for name, distribution in items)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Space) and self._key == other._key


@functools.lru_cache(maxsize=64)
def _space_priors(context: str | None, space: _Space) -> _Priors:
    """Look up every parameter of a space; many samples of one space share one look-up."""
    known = dict(space.items)
    scores = family_scores(known, context)
    return {name: _lookup(name, known[name], scores) for name in known}


def _lookup(
    name: str, distribution: BaseDistribution, scores: tuple[float, ...]
) -> ParameterPrior | None:
    """Return what the most probable family that has such a name says of it."""
    reading = read(name)
    if reading is None:
        return None
    family = FAMILIES[max(candidates(reading), key=lambda index: scores[index])]
    for row in family.by_key[reading.key]:
        found = fit(row, distribution, reading.transform)
        if found is not None:
            source = family.source_of(row)
            return ParameterPrior(
                row.name,
                family.name,
                found.value,
                found.spread,
                found.weights,
                source,
                _text(row, found, source),
            )
    return None


def _text(row: Row, found: Fit, source: str) -> str:
    stated = found.form.format(row.name)
    shown = _shown(found.value)
    if isinstance(row, Choice):
        return f"{stated} {shown} ({source})"
    low, high = (format_number(end) for end in row.range)
    usual = f"usual {low}-{high}" if stated == row.name else f"{row.name} usual {low}-{high}"
    return f"{stated} {shown} ({source}; {usual})"


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return format_number(value)


def _known(others: Iterable[str]) -> dict[str, BaseDistribution | None]:
    if isinstance(others, Mapping):
        return dict(others)
    return dict.fromkeys(others)


def _check_spread(spread: float) -> None:
    if not 0 <= spread < math.inf:
        raise ConfigurationError(f"spread={spread!r} must be 0 or more, and finite; 1 is usual.")


def _default_value(distribution: BaseDistribution, prior: ParameterPrior | None) -> Any:
    if prior is not None:
        return prior.value
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return from_unit(distribution, 0.5)


def _sample_value(
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
