"""Which parameters are conditional, as far as the trials of a study tell."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.space.choices import choice_index


# Finished trials in these states have asked for all that they need.
WHOLE_STATES = (TrialState.COMPLETE, TrialState.PRUNED)


def conditional(
    trials: Sequence[FrozenTrial], distributions: Mapping[str, BaseDistribution]
) -> frozenset[str]:
    """Return the names of parameters that are not active in every configuration.

    A whole trial that did without a parameter shows it, if another one had asked for it before.
    Where all trials without it are older than all with it, it may just as well have been added
    to the objective later. Then another parameter must explain it: one whose choices, or whole
    numbers, with it and without it do not overlap. Trials without any parameter tell nothing.

    Args:
        trials: By number.
        distributions: Of all parameters of the study.
    """
    whole = [t for t in trials if t.state in WHOLE_STATES and t.distributions]
    first: dict[str, int] = {}
    for t in trials:
        if len(first) == len(distributions):
            break
        for name in t.distributions.keys() - first.keys():
            first[name] = t.number
    last_without: dict[str, int] = {}
    for t in reversed(whole):
        if len(t.distributions) == len(distributions):
            continue
        for name in distributions.keys() - t.distributions.keys() - last_without.keys():
            last_without[name] = t.number
    return frozenset(
        name
        for name, number in last_without.items()
        if name in first and (number > first[name] or _is_explained(name, whole, distributions))
    )


def _is_explained(
    name: str, whole: Sequence[FrozenTrial], distributions: Mapping[str, BaseDistribution]
) -> bool:
    """Say whether the values of another parameter tell trials with one from those without."""
    having = [t.params for t in whole if name in t.params]
    lacking = [t.params for t in whole if name not in t.params]
    return bool(having) and any(
        all(other in params for params in (*having, *lacking))
        and _are_apart(distribution, [p[other] for p in having], [p[other] for p in lacking])
        for other, distribution in distributions.items()
        if other != name
    )


def _are_apart(distribution: BaseDistribution, some: Sequence[Any], others: Sequence[Any]) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        with_it, without = ({choice_index(distribution, v) for v in vs} for vs in (some, others))
        return not with_it & without
    if isinstance(distribution, IntDistribution):
        return bool(max(some) < min(others) or max(others) < min(some))
    return False
