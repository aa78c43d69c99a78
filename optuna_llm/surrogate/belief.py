"""What is believed before any result, as a member of an ensemble: a regression with one slope.

Knowledge of where good values lie enters the surrogate here and nowhere else. It predicts like the
other members, and like theirs its weight follows from its errors on rows that it has not seen: a
belief that is wrong is left aside after a few trials.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from optuna_llm.surrogate.trees import fold_numbers


# The slope before any result, in deviations of the target for one deviation of the belief, and how
# many results it counts as.
_PRIOR_SLOPE = 0.5
_PRIOR_ROWS = 4.0
_N_FOLDS = 10


class Belief(Protocol):
    """Where good configurations are believed to lie.

    Attributes:
        uniform_moments: Mean and standard deviation of :meth:`log_density` over the space.
    """

    uniform_moments: tuple[float, float]

    def log_density(self, X: np.ndarray) -> np.ndarray:
        """Return the log-density of good configurations, up to a constant.

        Args:
            X: Features, shape (m, f), as surrogates are fitted to; NaN where inactive.

        Returns:
            Shape (m,), in nats.
        """

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n configurations as coordinates, shape (n, parameters)."""

    @property
    def explanation(self) -> str:
        """In words, what is believed and who says so."""


class BeliefMember:
    """A regression of standardised targets on the log-density of a belief.

    Ridge regression with a slope that is shrunk towards a fair trust in the belief, and never has
    the wrong sign: what is believed good may turn out to be no better, not to be worse.

    Args:
        belief: The belief.
    """

    def __init__(self, belief: Belief) -> None:
        self._belief = belief

    def fit(self, X: np.ndarray, z: np.ndarray, rng: np.random.Generator) -> BeliefMember:
        """Fit to features (n, f) and targets (n,), lower is better."""
        b = self._badness(X)
        folds = fold_numbers(len(z), min(_N_FOLDS, len(z)), rng)
        self.out_of_fold = np.empty(len(z))
        for fold in range(folds.max() + 1):
            out = folds == fold
            offset, slope = _line(b[~out], z[~out])
            self.out_of_fold[out] = offset + slope * b[out]
        self._offset, self._slope = _line(b, z)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the prediction at features (m, f): shape (m,)."""
        return self._offset + self._slope * self._badness(X)

    def _badness(self, X: np.ndarray) -> np.ndarray:
        mean, deviation = self._belief.uniform_moments
        return (mean - self._belief.log_density(X)) / (deviation + 1e-9)


def _line(b: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """Return offset and slope of targets (n,) on badness (n,)."""
    centred = b - b.mean()
    slope = (centred @ (z - z.mean()) + _PRIOR_ROWS * _PRIOR_SLOPE) / (
        centred @ centred + _PRIOR_ROWS
    )
    slope = max(float(slope), 0.0)
    return float(z.mean() - slope * b.mean()), slope
