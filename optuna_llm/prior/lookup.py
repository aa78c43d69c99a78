"""Finding rows: which family a parameter belongs to, and what it says of it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import functools
from typing import TypeAlias

from optuna.distributions import BaseDistribution

from optuna_llm.prior.fitting import fit
from optuna_llm.prior.inference import candidates
from optuna_llm.prior.inference import family_scores
from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.names import read
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.scale import Scale
from optuna_llm.prior.sizes import sized
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.space.versions import VersionDistribution


Priors: TypeAlias = dict[str, ParameterPrior | None]


def of_parameter(
    name: str,
    distribution: BaseDistribution,
    others: Iterable[str],
    context: str | None,
    scale: Scale | None,
) -> ParameterPrior | None:
    """Return what is known of a parameter.

    Args:
        name: Its name.
        distribution: Its distribution.
        others: Names of others, or a mapping to their distributions.
        context: Description of the task.
        scale: Sizes of the problem.
    """
    known = distributions_of(others) | {name: distribution}
    return _lookup(name, distribution, family_scores(known, _about(context, scale)), scale)


def of_space(
    space: Mapping[str, BaseDistribution], context: str | None, scale: Scale | None
) -> Priors:
    """Return what is known of every parameter of a space, see :func:`of_parameter`."""
    return dict(_of_space(context, scale, _Space(tuple(space.items()))))


def distributions_of(others: Iterable[str]) -> dict[str, BaseDistribution | None]:
    """Return names with their distributions, as far as they are told."""
    if isinstance(others, Mapping):
        return dict(others)
    return dict.fromkeys(others)


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
def _of_space(context: str | None, scale: Scale | None, space: _Space) -> Priors:
    """Look up every parameter of a space; many samples of one space share one look-up."""
    known = dict(space.items)
    scores = family_scores(known, _about(context, scale))
    return {name: _lookup(name, known[name], scores, scale) for name in known}


def _about(context: str | None, scale: Scale | None) -> str | None:
    """Return a description of the task with what sizes say of it."""
    said = "" if scale is None else scale.words
    return f"{context or ''} {said}" if said else context


def _lookup(
    name: str, distribution: BaseDistribution, scores: tuple[float, ...], scale: Scale | None
) -> ParameterPrior | None:
    """Return what the most probable family that has such a name says of it.

    Where the range suits none of its own rows, its parent's may apply.
    """
    reading = read(name)
    # Numbers of versions are no values of anything.
    if reading is None or isinstance(distribution, VersionDistribution):
        return None
    special = FAMILIES[max(candidates(reading), key=lambda index: scores[index])]
    for family in special.lineage:
        for row in family.by_key.get(reading.key, ()):
            found = fit(row, distribution, reading.transform)
            if found is not None:
                known = ParameterPrior.of(row, found, family.name, family.source_of(row))
                return (
                    known
                    if scale is None
                    else _sized(known, special, scale, distribution, reading.transform)
                )
    return None


def _sized(
    prior: ParameterPrior,
    family: Family,
    scale: Scale,
    distribution: BaseDistribution,
    transform: str,
) -> ParameterPrior:
    """Return what is usual with some sizes; where that is far outside of a range, without them."""
    if not isinstance(prior.row, Number):
        return prior
    row, own = sized(prior.row, family, scale)
    found = fit(row, distribution, transform) if own else None
    if found is None:
        return prior
    return ParameterPrior.of(row, found, prior.family, prior.source, own)
