"""Candidate configurations as coordinates: everywhere, and around the best ones known.

Coordinates are one column for each parameter: a number in [0, 1], or the index of a choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


_STEPS = (0.01, 0.3)
_DIMENSIONS_CHANGED = (1, 2, 4)
# Share of the changed numbers that move to an end of their range.
_END_SHARE = 0.2


@dataclass(frozen=True)
class Domain:
    """What coordinates are legal.

    Attributes:
        n_choices: Number of choices of each parameter, 0 for a numeric one; shape (parameters,).
        grids: For each parameter its legal coordinates, increasing, or None where every number
            of [0, 1] is legal (and for choices).
    """

    n_choices: np.ndarray
    grids: Sequence[np.ndarray | None]

    def uniform(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n independent uniform configurations, shape (n, parameters)."""
        return self.at(rng.random((n, len(self.n_choices))))

    def at(self, unit: np.ndarray) -> np.ndarray:
        """Return the legal configurations at points of the unit cube, shape (n, parameters).

        Equal volumes go to all choices of a parameter, and to all points of an even grid.
        """
        unit = unit.copy()
        categorical = self.n_choices > 0
        unit[:, categorical] = np.floor(unit[:, categorical] * self.n_choices[categorical])
        for column, grid in enumerate(self.grids):
            if grid is not None:
                unit[:, column] = grid[_nearest(grid, unit[:, column])]
        return unit

    def around(
        self,
        parents: np.ndarray,
        n: int,
        rng: np.random.Generator,
        *,
        steps: tuple[float, float] = _STEPS,
    ) -> np.ndarray:
        """Return n perturbed copies of known configurations, shape (n, parameters).

        A copy differs from its parent in 1, 2, 4 or all parameters. Numbers take a normal step
        of log-uniform deviation, but at least to the next grid point; one in five moves to an end
        of its range instead, since many optima lie on faces of the cube, where no uniform
        configuration does. Choices are drawn anew. Better parents have more copies: the weight
        is 1 / (rank + 1).

        Args:
            parents: Coordinates of known configurations, best first, shape (k, parameters),
                k >= 1. What is NaN in a parent is drawn uniformly in its copies.
            n: Number of copies.
            rng: Source of randomness.
            steps: The smallest and the largest deviation of a step.
        """
        n_parameters = len(self.n_choices)
        weights = 1.0 / np.arange(1, len(parents) + 1)
        chosen = parents[rng.choice(len(parents), size=n, p=weights / weights.sum())]
        fresh = self.uniform(n, rng)
        copies = np.where(np.isnan(chosen), fresh, chosen)
        n_changed = rng.choice(np.array([*_DIMENSIONS_CHANGED, n_parameters]), size=n)
        changed = rng.random((n, n_parameters)).argsort(axis=1) < n_changed[:, None]
        smallest, largest = np.log(steps)
        deviations = np.exp(rng.uniform(smallest, largest, size=n))
        moves = deviations[:, None] * rng.standard_normal((n, n_parameters))
        upwards = rng.random((n, n_parameters)) >= 0.5
        to_end = rng.random((n, n_parameters)) < _END_SHARE
        for column, (n_choices, grid) in enumerate(zip(self.n_choices, self.grids, strict=True)):
            old = copies[:, column]
            if n_choices:
                new = fresh[:, column]
            else:
                new = np.clip(old + moves[:, column], 0.0, 1.0)
                low, high = 0.0, 1.0
                if grid is not None:
                    new = _moved_on_grid(grid, old, new, moves[:, column])
                    low, high = grid[0], grid[-1]
                end = np.where(upwards[:, column], high, low)
                new = np.where(to_end[:, column] & (end != old), end, new)
            copies[:, column] = np.where(changed[:, column], new, old)
        return copies


def _nearest(grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the index of the grid point nearest to each value."""
    return np.searchsorted((grid[1:] + grid[:-1]) / 2, values)


def _moved_on_grid(
    grid: np.ndarray, old: np.ndarray, new: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Return the grid points of new values, at least one point away from the old ones."""
    before, after = _nearest(grid, old), _nearest(grid, new)
    after = np.where(before == after, before + np.where(step > 0, 1, -1), after)
    # At an end of the grid the only neighbour is on the other side.
    after = np.where(after < 0, 1, np.where(after >= len(grid), len(grid) - 2, after))
    return np.asarray(grid[np.clip(after, 0, len(grid) - 1)])
