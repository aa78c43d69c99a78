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
        moved = self._moved(copies, moves, fresh)
        low, high = self._ends
        end = np.where(rng.random((n, n_parameters)) < 0.5, low, high)
        to_end = rng.random((n, n_parameters)) < _END_SHARE
        moved = np.where(to_end & (end != copies) & (self.n_choices == 0), end, moved)
        return np.where(changed, moved, copies)

    @property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest legal coordinate of each number, each (parameters,)."""
        ends = [(0.0, 1.0) if grid is None else (grid[0], grid[-1]) for grid in self.grids]
        low, high = np.array(ends).reshape(-1, 2).T
        return low, high

    def mutants(
        self, parent: np.ndarray, n: int, rng: np.random.Generator, *, rate: float, step: float
    ) -> np.ndarray:
        """Return n mutants of a configuration, shape (n, parameters).

        Each parameter changes with a given probability, and at least one does. Numbers take a
        normal step, but at least to the next grid point; choices are drawn anew.

        Args:
            parent: Coordinates, shape (parameters,). What is NaN there is drawn uniformly.
            n: Number of mutants.
            rng: Source of randomness.
            rate: Probability that a parameter changes.
            step: Standard deviation of a step in the unit interval.
        """
        n_parameters = len(self.n_choices)
        fresh = self.uniform(n, rng)
        copies = np.where(np.isnan(parent), fresh, parent)
        changed = rng.random((n, n_parameters)) < rate
        changed[np.arange(n), rng.integers(n_parameters, size=n)] |= ~changed.any(axis=1)
        moves = step * rng.standard_normal((n, n_parameters))
        return np.where(changed, self._moved(copies, moves, fresh), copies)

    def with_neglected_choice(
        self, fixed: np.ndarray, known: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return what is fixed of a configuration, and the choice that was tried least besides.

        A choice that began badly, by chance or in bad company, would else be lost for good. Least
        is meant in relation to an even share of the configurations that have the parameter.

        Args:
            fixed: Coordinates (parameters,), NaN where nothing is fixed.
            known: Coordinates of known configurations, shape (n, parameters).
            rng: Source of randomness.
        """
        shares = {}
        for column in np.flatnonzero((self.n_choices > 1) & np.isnan(fixed)).tolist():
            tried = known[:, column]
            tried = tried[~np.isnan(tried)].astype(int)
            n_choices = int(self.n_choices[column])
            counts = np.bincount(tried, minlength=n_choices)
            for choice, count in enumerate(counts.tolist()):
                shares[column, choice] = n_choices * count / max(len(tried), 1)
        if not shares:
            return fixed
        least = min(shares.values())
        neglected = [place for place, share in shares.items() if share == least]
        column, choice = neglected[rng.integers(len(neglected))]
        extended = fixed.copy()
        extended[column] = choice
        return np.asarray(extended)

    def _moved(self, old: np.ndarray, moves: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        """Return configurations (n, parameters) with all numbers moved, all choices fresh."""
        new = np.where(self.n_choices > 0, fresh, np.clip(old + moves, 0.0, 1.0))
        for column, grid in enumerate(self.grids):
            if grid is not None:
                steps = moves[:, column]
                new[:, column] = _moved_on_grid(grid, old[:, column], new[:, column], steps)
        return np.asarray(new)


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
