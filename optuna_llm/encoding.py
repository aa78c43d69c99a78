"""Configurations as the numbers that statistical samplers work on."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.space import SearchSpace
from optuna_llm.space import to_unit
from optuna_llm.surrogate.candidates import Domain


_MAX_GRID = 2000


class Encoding:
    """Configurations as coordinates for candidates and as features for surrogates.

    Choices that are all numbers have an order, whatever the objective calls them: they become
    one coordinate, evenly spaced by rank.

    Attributes:
        space: The search space, without parameters that have a single value.
        domain: What coordinates are legal.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._n_choices = space.n_choices.copy()
        self._order: dict[int, np.ndarray] = {}
        grids: list[np.ndarray | None] = []
        for column, distribution in enumerate(space.distributions.values()):
            order = _numeric_order(distribution)
            if order is not None:
                self._order[column] = order
                self._n_choices[column] = 0
                grids.append(np.linspace(0.0, 1.0, len(order)))
            else:
                grids.append(_grid(distribution))
        self.domain = Domain(self._n_choices, grids)

    def coordinates(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return (n, parameters); NaN where a parameter is missing."""
        coordinates = self.space.coordinates(configurations)
        for column, order in self._order.items():
            known = ~np.isnan(coordinates[:, column])
            place = np.argsort(order)[coordinates[known, column].astype(int)]
            coordinates[known, column] = place / (len(order) - 1)
        return coordinates

    def configuration(self, coordinates: np.ndarray) -> dict[str, Any]:
        """Return native values of one row."""
        row = coordinates.copy()
        for column, order in self._order.items():
            if not math.isnan(row[column]):
                row[column] = order[round(row[column] * (len(order) - 1))]
        return self.space.configuration(row)

    def features(self, coordinates: np.ndarray) -> np.ndarray:
        """Return (n, features): choices without an order are one-hot."""
        columns = []
        for column, n_choices in zip(coordinates.T, self._n_choices, strict=True):
            hot = column[:, None]
            if n_choices:
                hot = (hot == np.arange(n_choices)).astype(float)
                hot[np.isnan(column)] = np.nan
            columns.append(hot)
        return np.hstack(columns)


def _numeric_order(distribution: BaseDistribution) -> np.ndarray | None:
    """Return the choices' indices by increasing value, or None if they are not all numbers."""
    if not isinstance(distribution, CategoricalDistribution):
        return None
    choices = distribution.choices
    if any(isinstance(c, bool) or not isinstance(c, int | float) for c in choices):
        return None
    values = np.array(choices, dtype=float)
    if len(np.unique(values[np.isfinite(values)])) < len(values):
        return None
    return np.argsort(values)


def _grid(distribution: BaseDistribution) -> np.ndarray | None:
    """Return the unit coordinates of all legal numbers, or None if there are very many."""
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return None
    if distribution.step is None:
        return None
    n_cells = round((distribution.high - distribution.low) / distribution.step) + 1
    if n_cells > _MAX_GRID:
        return None
    values = distribution.low + distribution.step * np.arange(n_cells)
    return np.array([to_unit(distribution, float(v)) for v in values])
