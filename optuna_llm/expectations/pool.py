"""Candidates that compete for one trial, and what the surrogate of the study thinks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.surrogate.acquisition import even_levels
from optuna_llm.surrogate.acquisition import lower_confidence_bound
from optuna_llm.surrogate.acquisition import thompson_sampling


Acquisition = Literal["ei", "ts", "lcb", "random"]

THOMPSON_LEVELS = even_levels(5)
_LCB_LEVELS = np.array([0.2, 0.8])
_N_REFINED = 8
_REFINING_STEPS = ((0.01, 0.15), (0.003, 0.075))


@dataclass(frozen=True)
class Pool:
    """Candidates that compete for a trial, m of them, and what is thought of them.

    Attributes:
        coordinates: Shape (m, parameters).
        features: Shape (m, f).
        utility: What each promises, shape (m,), higher is better.
        acceptable: Whether its risk to fail is acceptable, shape (m,).
    """

    coordinates: np.ndarray
    features: np.ndarray
    utility: np.ndarray
    acceptable: np.ndarray

    def __len__(self) -> int:
        return len(self.coordinates)

    def joined(self, other: Pool) -> Pool:
        """Return both together."""
        own, others = vars(self).values(), vars(other).values()
        return Pool(*(np.concatenate(both) for both in zip(own, others, strict=True)))

    @property
    def order(self) -> np.ndarray:
        """The best first; those with an unacceptable risk last, if not all have it."""
        return np.lexsort((-self.utility, ~self.acceptable))


@dataclass(frozen=True)
class Judge:
    """What the candidates for one trial are worth.

    Attributes:
        surrogate: The surrogate of the study.
        acquisition: ``ei``, ``ts``, ``lcb``, or ``random`` for any candidate at all.
        fixed: Coordinates (parameters,) that the trial has been given, NaN where none.
        n_design: Number of trials that no surrogate has proposed.
        rng: Random numbers of Thompson sampling.
    """

    surrogate: StudySurrogate
    acquisition: Acquisition
    fixed: np.ndarray
    n_design: int
    rng: np.random.Generator

    def __call__(self, drawn: np.ndarray, known: np.ndarray) -> Pool:
        """Return those of the candidates (n, parameters) that repeat no known row."""
        whole = np.where(np.isnan(self.fixed), drawn, self.fixed)
        active = self.surrogate.active(whole)
        new = ~_repeated(active, known)
        features = self.surrogate.encoding.features(active[new])
        if len(features) == 0:
            return Pool(whole[new], features, np.empty(0), np.empty(0, dtype=bool))
        acceptable = self.surrogate.acceptable(features, self.n_design)
        return Pool(whole[new], features, self._utility(features), acceptable)

    def _utility(self, features: np.ndarray) -> np.ndarray:
        """Return what each of the candidates (m, features) promises, shape (m,)."""
        surrogate = self.surrogate
        if self.acquisition == "ei":
            return surrogate.utility(features)
        if self.acquisition == "random":
            return self.rng.random(len(features))
        if self.acquisition == "ts":
            draws = surrogate.regressor.predict_scaled(features, THOMPSON_LEVELS)
            promise = thompson_sampling(draws, self.rng)
        else:
            promise = lower_confidence_bound(
                surrogate.regressor.predict_scaled(features, _LCB_LEVELS)
            )
        # These have no place for a probability; so constraints are met or not by chance, too.
        met = np.log(self.rng.random(len(features))) < surrogate.log_feasible(features)
        return np.where(met, promise, promise.min() - np.ptp(promise) - 1.0)


def refined(pool: Pool, judge: Judge, known: np.ndarray, n: int, rng: np.random.Generator) -> Pool:
    """Return a pool with half of n candidates more, drawn around the most promising in two rounds.

    Args:
        pool: Candidates; none of an empty pool are added.
        judge: What judges the new ones.
        known: Rows (k, parameters) that are not repeated.
        n: Number of candidates of a global search.
        rng: Source of randomness.
    """
    for steps in _REFINING_STEPS if len(pool) else ():
        best = pool.coordinates[pool.order[:_N_REFINED]]
        around = judge.surrogate.encoding.domain.around(best, n // 4, rng, steps=steps)
        pool = pool.joined(judge(around, known))
    return pool


def _repeated(candidates: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Say which candidates (m, parameters) equal a known row, or one another."""
    rows = np.nan_to_num(np.round(np.vstack([known, candidates]), 4), nan=-1.0) + 0.0
    _, first = np.unique(rows, axis=0, return_index=True)
    repeated = np.ones(len(rows), dtype=bool)
    repeated[first] = False
    return repeated[len(known) :]
