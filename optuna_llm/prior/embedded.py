"""What is known of usual hyperparameters, without any language model."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution

from optuna_llm.prior.belief import Marginal
from optuna_llm.prior.belief import Marginals
from optuna_llm.prior.fitting import choice_text
from optuna_llm.prior.lookup import Priors
from optuna_llm.prior.lookup import distributions_of
from optuna_llm.prior.lookup import of_parameter
from optuna_llm.prior.lookup import of_space
from optuna_llm.prior.names import Reading
from optuna_llm.prior.names import read
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.parameter import check_spread
from optuna_llm.prior.parameter import default_value
from optuna_llm.prior.parameter import sample_value
from optuna_llm.prior.portfolio import configurations
from optuna_llm.prior.portfolio import sources
from optuna_llm.prior.relations import Parent
from optuna_llm.prior.relations import given_parents
from optuna_llm.prior.relations import in_words
from optuna_llm.prior.relations import parents_first
from optuna_llm.prior.relations import related
from optuna_llm.prior.scale import Scale
from optuna_llm.space.choices import numeric_ranks
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import format_value
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from typing_extensions import Self


_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class EmbeddedPrior:
    """Usual hyperparameters of well-known models, found by name and checked against the range.

    Names are compared without case, punctuation, prefixes and indices. What a name means is
    decided by the family of models that the other names, the ranges and the context point to.

    Args:
        context: Description of the task in words, which may name the model.
        together: Whether usual values move with one another, as far as the table knows how: a
            learning rate with the batch size, say. Not the default, because it has not been
            found to help, see docs/prior.md.
        scale: Sizes of the problem, with which usual values move.
        portfolios: Whether a search begins with good configurations of the family of models,
            where the table has some, and not only with usual values.
    """

    context: str | None = None
    together: bool = False
    scale: Scale | None = None
    portfolios: bool = True

    def within(self, context: str | None, scale: Scale | None = None) -> Self:
        """Return it with a description of the task and sizes, unless it has them already."""
        context = context if self.context is None else self.context
        scale = scale if self.scale is None else self.scale
        is_same = (context, scale) == (self.context, self.scale)
        return self if is_same else replace(self, context=context, scale=scale)

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
        return of_parameter(name, distribution, others, self.context, self.scale)

    def default_value(
        self,
        name: str,
        distribution: BaseDistribution,
        others: Iterable[str] = (),
        given: Mapping[str, Any] = _NOTHING,
    ) -> Any:
        """Return the usual value of one parameter, see :meth:`default` and :meth:`quantile`."""
        return default_value(distribution, self._given(name, distribution, others, given))

    def sample_value(
        self,
        name: str,
        distribution: BaseDistribution,
        rng: np.random.Generator,
        others: Iterable[str] = (),
        given: Mapping[str, Any] = _NOTHING,
        *,
        spread: float = 1.0,
    ) -> Any:
        """Draw one value of one parameter, see :meth:`sample` and :meth:`quantile`."""
        check_spread(spread)
        prior = self._given(name, distribution, others, given)
        return sample_value(distribution, prior, float(rng.random()), spread)

    def quantile(
        self,
        name: str,
        distribution: BaseDistribution,
        level: float,
        others: Iterable[str] = (),
        given: Mapping[str, Any] = _NOTHING,
        *,
        even_share: float = 0.0,
    ) -> Any:
        """Return a quantile of one parameter, for designs that draw the levels themselves.

        Args:
            name: Name of the parameter.
            distribution: Its distribution.
            level: In [0, 1].
            others: See :meth:`lookup`.
            given: Values that other parameters have already, with which it may move.
            even_share: The share of the probability that is spread evenly over all choices: what
                is unusual may be what is best.
        """
        prior = self._given(name, distribution, others, given)
        if prior is not None and prior.weights:
            even = even_share * sum(prior.weights) / len(prior.weights)
            weights = tuple((1 - even_share) * w + even for w in prior.weights)
            prior = replace(prior, weights=weights)
        return sample_value(distribution, prior, level, 1.0)

    # ---- a whole configuration

    def default(self, space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Return the usual configuration of a search space.

        A numeric parameter that is not known is in the middle of its (log) scale; a categorical
        one takes its first choice, which by convention is the default.
        """
        priors = self._default_priors(space)
        return {name: default_value(space[name], priors[name]) for name in space}

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
        drawn by weight; unknown parameters are uniform. What moves with others is drawn after
        them, around what is usual beside their values.

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
        check_spread(spread)
        draws = dict(zip(space, rng.random(len(space)).tolist(), strict=True))
        priors = self._priors(space)
        optimizers = _optimizers(priors)
        values: dict[str, Any] = {}
        around = {} if centre is None else centre
        for name in optimizers:
            at = (around[name],) if name in around else None
            values[name] = sample_value(space[name], priors[name], draws[name], spread, at)
            priors = self._priors(space, optimizer=values[name])
        parents = self._related(priors)
        for name in parents_first((n for n in space if n not in values), parents):
            at = (around[name],) if name in around else None
            prior = priors[name]
            # A centre has values that go together as they are.
            if at is None and prior is not None and name in parents:
                prior = given_parents(self._read(name), space[name], prior, parents[name], values)
            values[name] = sample_value(space[name], prior, draws[name], spread, at)
        return {name: values[name] for name in space}

    def portfolio(self, space: Mapping[str, BaseDistribution]) -> list[dict[str, Any]]:
        """Return configurations of which one is good on most data, for the first trials.

        Each has a value for every parameter that is known. There are none for most families.
        """
        return configurations(space, self._default_priors(space)) if self.portfolios else []

    def explain(self, space: Mapping[str, BaseDistribution]) -> str:
        """Say in one line for each family which values of :meth:`default` are known, and why."""
        values: dict[str, list[str]] = {}
        said_by: dict[str, dict[str, None]] = {}
        unknown = []
        priors = self._default_priors(space)
        for name, prior in priors.items():
            if prior is None:
                unknown.append(name)
            else:
                values.setdefault(prior.family, []).append(f"{name} {format_value(prior.value)}")
                said_by.setdefault(prior.family, {}).update(
                    dict.fromkeys(prior.source.split("; "))
                )
        lines = [
            f"{family}: {', '.join(values[family])} ({'; '.join(said_by[family])})"
            for family in values
        ]
        first = sources(priors) if self.portfolios else ()
        sizes, relations = self.sizes(space), in_words(self._related(priors))
        return "\n".join(
            [
                *lines,
                *([f"good configurations: {'; '.join(first)}"] if first else []),
                *([f"sizes: {sizes}"] if sizes else []),
                *([f"relations: {relations}"] if relations else []),
                *(["not known: " + ", ".join(unknown)] if unknown else []),
            ]
        )

    def relations(self, space: Mapping[str, BaseDistribution]) -> str:
        """Say which usual values of a space move with which, and who says so; may be empty."""
        return in_words(self._related(self._default_priors(space)))

    def sizes(self, space: Mapping[str, BaseDistribution]) -> str:
        """Say which usual values sizes have moved, by how much and why; may be empty."""
        return "; ".join(
            f"{name} x {format_number(move.factor)}: {move.why}"
            for name, prior in self._default_priors(space).items()
            if prior is not None
            for move in prior.moves
        )

    def belief(self, space: SearchSpace) -> Marginals:
        """Return what is believed of a search space, for a surrogate to weigh against results."""
        priors = self._default_priors(space.distributions)
        usual = self.default(space.distributions)
        at = space.coordinates([usual])[0].tolist()
        marginals = [
            None if prior is None else _marginal(space, name, prior, centre)
            for (name, prior), centre in zip(priors.items(), at, strict=True)
        ]
        return Marginals(space, marginals, self.explain(space.distributions))

    def _default_priors(self, space: Mapping[str, BaseDistribution]) -> Priors:
        priors = self._priors(space)
        for name in _optimizers(priors):
            prior = priors[name]
            priors = self._priors(space, optimizer=None if prior is None else prior.value)
        parents, values = self._related(priors), dict[str, Any]()
        beside = dict(priors)
        for name in parents_first(space, parents):
            prior = priors[name]
            if prior is not None and name in parents:
                beside[name] = given_parents(
                    self._read(name), space[name], prior, parents[name], values
                )
            values[name] = default_value(space[name], beside[name])
        return beside

    def _given(
        self,
        name: str,
        distribution: BaseDistribution,
        others: Iterable[str],
        given: Mapping[str, Any],
    ) -> ParameterPrior | None:
        """Look up a parameter beside the values that others have."""
        prior = self.lookup(name, distribution, others)
        if prior is None or not given or not self._has_relations:
            return prior
        known = {n: d for n, d in distributions_of(others).items() if d is not None}
        parents = self._related({**self._priors(known), name: prior}).get(name, [])
        return given_parents(self._read(name), distribution, prior, parents, given)

    @property
    def _has_relations(self) -> bool:
        return self.together

    def _read(self, name: str) -> Reading | None:
        return read(name)

    def _related(self, priors: Priors) -> dict[str, list[Parent]]:
        return related(priors) if self.together else {}

    def _priors(self, space: Mapping[str, BaseDistribution], *, optimizer: Any = None) -> Priors:
        """Look up a space; an optimizer that is known counts like a word of the context."""
        context = self.context
        if optimizer is not None:
            context = f"{context or ''} optimizer {choice_text(optimizer)}"
        return of_space(space, context, self.scale)


def _marginal(space: SearchSpace, name: str, prior: ParameterPrior, centre: float) -> Marginal:
    """Return what is believed of one parameter whose usual value has a coordinate."""
    if not prior.weights:
        return Marginal(centre, prior.spread)
    distribution = space.distributions[name]
    assert isinstance(distribution, CategoricalDistribution)
    if numeric_ranks(distribution) is None:
        return Marginal(weights=prior.weights)
    places = space.coordinates([{name: choice} for choice in distribution.choices])
    return Marginal.of_choices(prior.weights, places[:, space.names.index(name)].tolist())


def _optimizers(priors: Priors) -> list[str]:
    """Return the parameters that choose an optimizer, on which learning rates depend."""
    return [name for name, p in priors.items() if p is not None and p.name == "optimizer"]
