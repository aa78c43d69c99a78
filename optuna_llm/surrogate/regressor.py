"""What every surrogate of an objective offers."""

from __future__ import annotations

import abc
from collections.abc import Sequence
import sys
from typing import TYPE_CHECKING

import numpy as np

from optuna_llm.surrogate.online import DEVIATIONS
from optuna_llm.surrogate.table import check_table
from optuna_llm.surrogate.threads import one_blas_thread


if TYPE_CHECKING:
    from typing_extensions import Self

    from optuna_llm.surrogate.targets import TargetTransform


class QuantileRegressor(abc.ABC):
    """A model of objective values that predicts calibrated quantiles of new ones.

    Args:
        seed: Seed of all random choices in fitting; None draws one.
        max_rows: Limit of training rows.
    """

    # Between objective values and the model's own scale; known once the model is fitted.
    _transform: TargetTransform

    def __init__(self, seed: int | None, max_rows: int) -> None:
        self._seed = seed
        self._max_rows = max_rows

    @one_blas_thread
    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        pending: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Self:
        """Fit and calibrate.

        Args:
            X: Features, shape (n, f), n >= 1: in [0, 1], one-hot for categories, NaN where a
                parameter is inactive.
            y: Objective values, shape (n,), lower is better; infinite ones are allowed.
            pending: Features (p, f) of evaluations under way.
            weights: How many evaluations each row stands for, shape (n,), where they have been
                chosen by value (see :func:`~optuna_llm.surrogate.table.sample_rows`).

        Returns:
            Itself.

        Raises:
            ConfigurationError: Shapes do not fit, y holds NaN or X infinite values.
        """
        X, y = check_table(X, y)
        self._fit(X, y, pending, weights)
        return self

    @abc.abstractmethod
    def _fit(
        self, X: np.ndarray, y: np.ndarray, pending: np.ndarray | None, weights: np.ndarray | None
    ) -> None:
        """Fit to a table that has been checked."""

    @abc.abstractmethod
    def predict_scaled(
        self, X: np.ndarray, levels: Sequence[float] | np.ndarray, *, noise: bool = True
    ) -> np.ndarray:
        """Return quantiles on the model's own scale, for acquisition: (m, levels), sorted.

        The order is that of :meth:`predict`, without ties where objective values agree.

        Args:
            X: Features (m, f).
            levels: Quantile levels in (0, 1).
            noise: With False the quantiles are those of the objective's expectation, which
                another evaluation at a known point does not improve on.
        """

    @abc.abstractmethod
    def mean(self, X: np.ndarray) -> np.ndarray:
        """Return the central prediction at features X (m, f): shape (m,), in units of y."""

    @property
    def noise_is_clear(self) -> bool:
        """Whether evaluations are clearly noisy, as far as the model tells that at all."""
        return False

    def predict(
        self, X: np.ndarray, levels: Sequence[float] | np.ndarray, *, noise: bool = True
    ) -> np.ndarray:
        """Return calibrated quantiles of a new evaluation at features X (m, f).

        Args:
            X: Features as in :meth:`fit`.
            levels: Quantile levels in (0, 1).
            noise: As in :meth:`predict_scaled`.

        Returns:
            Shape (m, levels), in units of y, increasing along each row.
        """
        return self._transform.inverse(self.predict_scaled(X, levels, noise=noise))

    def in_units(self, gains: np.ndarray, incumbent: float) -> np.ndarray:
        """Return improvements on an incumbent in units of y.

        Args:
            gains: On the model's own scale, as far as the incumbent is, shape (m,).
            incumbent: On the model's own scale.
        """
        levels = np.append(incumbent - np.asarray(gains), incumbent)
        found = self._transform.inverse(levels)
        return np.asarray(found[-1] - found[:-1])

    def predict_distribution(self, X: np.ndarray) -> np.ndarray:
        """Return the distribution of a new evaluation at features X (m, f), to be recorded.

        Returns:
            Quantiles at :data:`~optuna_llm.surrogate.online.DEVIATIONS`, shape (m, deviations), in
            units of y. Few scores say nothing of the outermost ones: they lie as far again beyond
            the next ones as those from the median.
        """
        from scipy.special import ndtr

        inner = self.predict_scaled(X, ndtr(DEVIATIONS[1:-1]))
        middle = inner[:, [inner.shape[1] // 2]]
        tails = [2 * end - middle for end in (inner[:, :1], inner[:, -1:])]
        found = self._transform.inverse(np.hstack([tails[0], inner, tails[1]]))
        return np.asarray(np.clip(found, -sys.float_info.max, sys.float_info.max))
