"""Which configurations repeat one that was tried before: the one rule of equality."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optuna_llm.space.search_space import SearchSpace


# Two configurations closer than this in every coordinate are the same experiment.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Tried:
    """Configurations that were tried, to be compared with new ones.

    A new configuration repeats a tried one if both have the same active parameters, and agree in
    each of them. What the tried one lacks was inactive only where that is known; else it may be
    anything, and the two are not the same. What both lack must be inactive, or optional.

    Attributes:
        space: The search space.
        coordinates: Shape (n, parameters); NaN where a trial lacks a parameter.
        inactive: Whether a parameter that a trial lacks was inactive, of the same shape.
    """

    space: SearchSpace
    coordinates: np.ndarray
    inactive: np.ndarray

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        trials: Iterable[tuple[Mapping[str, Any], Collection[str]]],
    ) -> Tried:
        """Return the configurations of trials.

        Args:
            space: The search space.
            trials: For each one its native parameters, and the names of those that, if it lacks
                them, were inactive.
        """
        names, trials = space.names, list(trials)
        coordinates = space.coordinates(params for params, _ in trials)
        asked, inactive = (
            np.array([[n in held for n in names] for held in column], dtype=bool)
            for column in ([params for params, _ in trials], [idle for _, idle in trials])
        )
        # A value outside of today's range is none that a new configuration can have.
        possible = ~(np.isnan(coordinates) & asked.reshape(coordinates.shape)).any(axis=1)
        return cls(space, coordinates[possible], inactive.reshape(coordinates.shape)[possible])

    def repeats(self, configuration: Mapping[str, Any]) -> bool:
        """Say whether a new configuration is one of these."""
        lacked = np.isnan(self.space.coordinates([configuration])[0])
        optional = np.array([n in self.space.optional for n in self.space.names], dtype=bool)
        both_lack = np.isnan(self.coordinates) & (self.inactive | optional)
        return bool((self._agree(configuration) & (~lacked | both_lack).all(axis=1)).any())

    def are_near(self, configuration: Mapping[str, Any], distance: float) -> bool:
        """Say whether a new configuration is as near to one of these as a distance, or nearer.

        The distance is the mean over the parameters that both have of the difference of their
        coordinates; choices without an order are 1 apart.
        """
        difference = np.abs(self.coordinates - self.space.coordinates([configuration])[0])
        both = ~np.isnan(difference)
        difference = np.where(self.space.n_choices > 0, difference > 0, difference)
        total = np.where(both, difference, 0.0).sum(axis=1)
        return bool((both.any(axis=1) & (total <= distance * both.sum(axis=1))).any())

    def hold(self, part: Mapping[str, Any]) -> bool:
        """Say whether one of these is what a part of a configuration has become."""
        return bool(self._agree(part).any())

    def _agree(self, configuration: Mapping[str, Any]) -> np.ndarray:
        """Say which of these have, or rightly lack, all that a configuration says; shape (n,)."""
        new = self.space.coordinates([configuration])[0]
        known = ~np.isnan(self.coordinates)
        close = np.abs(self.coordinates - new) < TOLERANCE
        same = np.isnan(new) | np.where(known, close, self.inactive)
        return np.asarray(same.all(axis=1) & close.any(axis=1))

    def and_also(self, configuration: Mapping[str, Any]) -> Tried:
        """Return these and one more, which is about to be tried."""
        more = Tried.of(self.space, [(configuration, self.space.optional)])
        return Tried(
            self.space,
            np.vstack([self.coordinates, more.coordinates]),
            np.vstack([self.inactive, more.inactive]),
        )
