"""The search space: named distributions, and their configurations as coordinates.

Two views of a configuration meet here. Optuna's: native values (``int``, ``float`` or the very
choice object). The surrogate's: coordinates in the unit cube.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import functools
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.space.choices import choice_index
from optuna_llm.space.choices import labels
from optuna_llm.space.choices import numeric_ranks
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.numbers import is_number
from optuna_llm.space.numbers import snap
from optuna_llm.space.numbers import to_unit


@dataclass(frozen=True)
class SearchSpace:
    """Named distributions, in a fixed order, and their configurations.

    Args:
        distributions: The parameters. Single-valued ones belong here only if their value is to
            be shown; Optuna never asks a sampler for them.
        optional: Names of parameters that are not active in every configuration.
    """

    distributions: Mapping[str, BaseDistribution]
    optional: frozenset[str] = frozenset()

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order; the columns of :meth:`coordinates`."""
        return tuple(self.distributions)

    def __len__(self) -> int:
        return len(self.distributions)

    # ---- unit cube

    def coordinates(self, configurations: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """Return an array (n, number of parameters): unit interval, or index of the choice.

        Choices that are all numbers have an order, whatever the objective calls them: they are
        spaced evenly in [0, 1] by rank. A parameter that a configuration lacks, or whose value
        lies outside the distribution (the range has changed since), is NaN.
        """
        rows = [[self._coordinate(n, c) for n in self.names] for c in configurations]
        return np.array(rows, dtype=float).reshape(len(rows), len(self.names))

    def _coordinate(self, name: str, configuration: Mapping[str, Any]) -> float:
        if name not in configuration:
            return math.nan
        value, distribution = configuration[name], self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            index = choice_index(distribution, value)
            if index is None:
                return math.nan
            ranks = self._ranks[name]
            return float(index) if ranks is None else ranks[index] / (len(ranks) - 1)
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        if not is_number(value) or not distribution.low <= value <= distribution.high:
            return math.nan
        return to_unit(distribution, value)

    def distances(self, rows: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return the distance of each of some coordinates (n, parameters) to one row: (n,).

        It is the mean over parameters of the difference of coordinates; two choices without an
        order, or an active and an inactive parameter, are 1 apart. Without parameters all is 0.
        """
        if not len(self):
            return np.zeros(len(rows))
        difference = np.abs(rows - row)
        difference = np.where(self.n_choices > 0, difference > 0, difference)
        difference[np.isnan(rows) != np.isnan(row)] = 1.0
        difference[np.isnan(rows) & np.isnan(row)] = 0.0
        return np.asarray(difference.mean(axis=1), dtype=float)

    def value(self, name: str, coordinate: float) -> Any:
        """Return the native value of a parameter nearest to one of its coordinates."""
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            index, ranks = int(coordinate), self._ranks[name]
            if ranks is not None:
                index = ranks.index(round(coordinate * (len(ranks) - 1)))
            return distribution.choices[index]
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        return from_unit(distribution, float(coordinate))

    def configuration(self, coordinates: Sequence[float] | np.ndarray) -> dict[str, Any]:
        """Return the native configuration of one row of coordinates; NaN leaves one out."""
        places = zip(self.names, coordinates, strict=True)
        return {name: self.value(name, place) for name, place in places if not math.isnan(place)}

    def legal(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Return the legal values nearest to what a configuration says, by exact name.

        Numbers are snapped to the grid and clipped to the range; what is no number, or none of
        the choices, is left out.
        """
        params: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            value = configuration.get(name)
            if isinstance(distribution, CategoricalDistribution):
                index = choice_index(distribution, value) if name in configuration else None
                if index is not None:
                    params[name] = distribution.choices[index]
            elif is_number(value) and not math.isnan(value):
                assert isinstance(distribution, FloatDistribution | IntDistribution)
                params[name] = snap(distribution, value)
        return params

    @functools.cached_property
    def n_choices(self) -> np.ndarray:
        """Number of choices of each parameter, 0 where they have an order and for a number.

        Shape (parameters,).
        """
        return np.array(
            [
                len(d.choices)
                if isinstance(d, CategoricalDistribution) and self._ranks[n] is None
                else 0
                for n, d in self.distributions.items()
            ],
            dtype=int,
        )

    @functools.cached_property
    def _ranks(self) -> dict[str, tuple[int, ...] | None]:
        return {
            n: numeric_ranks(d)
            for n, d in self.distributions.items()
            if isinstance(d, CategoricalDistribution)
        }

    # ---- text

    def label(self, name: str, value: Any) -> str:
        """Show one value as a prompt does: four digits, or the label of the choice."""
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            index = choice_index(distribution, value)
            return "?" if index is None else labels(distribution)[index]
        return format_number(value)
