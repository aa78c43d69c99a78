"""Coordinates as statistical samplers need them: which are legal, and as features."""

from __future__ import annotations

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.space.candidates import Domain
from optuna_llm.space.choices import numeric_ranks
from optuna_llm.space.numbers import to_unit
from optuna_llm.space.search_space import SearchSpace


_MAX_GRID = 2000


class Encoding:
    """Coordinates of a search space as candidates and as features for surrogates.

    Attributes:
        space: The search space, without parameters that have a single value.
        domain: What coordinates are legal.
        first_feature: Column of the first feature of each parameter, shape (parameters,).
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        grids = [_grid(d) for d in space.distributions.values()]
        self.domain = Domain(space.n_choices, grids)
        width = np.maximum(space.n_choices, 1)
        self.first_feature = np.cumsum(width) - width

    def features(self, coordinates: np.ndarray) -> np.ndarray:
        """Encode coordinates (n, parameters) for a regressor: (n, features).

        A number is one feature in [0, 1], and so are choices that are numbers; any others have a
        feature for each choice. All features of an inactive parameter are NaN.
        """
        columns = [np.empty((len(coordinates), 0))]
        for column, n_choices in zip(coordinates.T, self.space.n_choices, strict=True):
            hot = column[:, None]
            if n_choices:
                hot = (hot == np.arange(n_choices)).astype(float)
                hot[np.isnan(column)] = np.nan
            columns.append(hot)
        return np.hstack(columns)


def _grid(distribution: BaseDistribution) -> np.ndarray | None:
    """Return the coordinates of all legal numbers, or None if there are very many."""
    if isinstance(distribution, CategoricalDistribution):
        ordered = numeric_ranks(distribution) is not None
        return np.linspace(0.0, 1.0, len(distribution.choices)) if ordered else None
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.step is None:
        return None
    n_cells = round((distribution.high - distribution.low) / distribution.step) + 1
    if n_cells > _MAX_GRID:
        return None
    values = distribution.low + distribution.step * np.arange(n_cells)
    return np.array([to_unit(distribution, float(v)) for v in values])
