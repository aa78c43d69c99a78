"""The joint proposal of a trial, for all workers to see before its objective asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution

from optuna_llm.history.attributes import Part
from optuna_llm.space.choices import choice_index
from optuna_llm.space.versions import VersionDistribution


if TYPE_CHECKING:
    from typing import TypeGuard


@dataclass(frozen=True)
class Announcement(Part):
    """What is going to be run, as far as the sampler has decided it.

    Attributes:
        params: By name, numbers as they are, a categorical value as the index of its choice,
            a version as its number.
    """

    params: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def native(
        cls, distributions: Mapping[str, BaseDistribution], params: Mapping[str, Any]
    ) -> Announcement:
        """Return the announcement of native parameters."""
        return cls(encode_params(distributions, params))

    def decoded(self, distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Return native parameters; those that the distributions do not know are left out."""
        return decode_params(distributions, self.params)


def encode_params(
    distributions: Mapping[str, BaseDistribution], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return parameters as JSON: numbers as they are, choices as their index."""
    encoded = {}
    for name, value in params.items():
        distribution = distributions[name]
        # The versions of today are not those of tomorrow: their places change.
        if _is_fixed(distribution):
            value = choice_index(distribution, value)
        encoded[name] = value.item() if isinstance(value, np.generic) else value
    return encoded


def decode_params(
    distributions: Mapping[str, BaseDistribution], encoded: Mapping[str, Any]
) -> dict[str, Any]:
    """Return native parameters; those that the distributions do not know are left out."""
    params = {}
    for name, value in encoded.items():
        distribution = distributions.get(name)
        if _is_fixed(distribution):
            if not isinstance(value, int) or not 0 <= value < len(distribution.choices):
                continue
            value = distribution.choices[value]
        if distribution is not None:
            params[name] = value
    return params


def _is_fixed(distribution: BaseDistribution | None) -> TypeGuard[CategoricalDistribution]:
    """Whether there are choices, and they always have the same places."""
    is_open = isinstance(distribution, VersionDistribution)
    return isinstance(distribution, CategoricalDistribution) and not is_open
