"""The published method, ``CQRSampler(surrogate="gbt")``, as it stands in its paper.

Salinas, Golebiowski, Klein, Seeger and Archambeau 2023, "Optimizing Hyperparameters with
Conformal Quantile Regression" (ICML, arXiv:2305.03623). For quantile levels that are symmetric
about 1/2:

1. split the evaluations into rows to train on and rows to calibrate with;
2. train a boosted model of the pinball loss for each level;
3. score each calibration row by how far its value lies outside the interval between a level and
   its opposite, and widen that interval by the conformal quantile of the scores (conformalized
   quantile regression: Romano, Patterson and Candes 2019);
4. take the candidate with the lowest of quantiles drawn at random:
   :func:`~optuna_llm.surrogate.acquisition.thompson_sampling`.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.extras import import_extra
from optuna_llm.surrogate.conformal import check_levels
from optuna_llm.surrogate.conformal import score_quantiles
from optuna_llm.surrogate.regressor import QuantileRegressor
from optuna_llm.surrogate.table import FilledFeatures
from optuna_llm.surrogate.table import select_rows
from optuna_llm.surrogate.targets import TargetTransform
from optuna_llm.surrogate.threads import one_blas_thread


class ConformalQuantileTrees(QuantileRegressor):
    """The published method: boosted quantile regression with split-conformal correction.

    Salinas et al. 2023: one gradient-boosted model for each quantile level; of n > 32 rows a
    tenth is held out to widen each symmetric pair of levels by a conformal offset (Romano et al.
    2019). The median is left as it is, and so is a pair for which too few rows are held out.

    Args:
        seed: Seed of the split and the models; None draws one.
        calibration_share: Share of the rows held out. More are, up to half, where the widest
            pair of levels needs them, or where no level falls between two order statistics then.
        min_rows_to_calibrate: With no more rows than this nothing is held out.
        max_rows: Limit of rows; beyond, they are drawn.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        calibration_share: float = 0.1,
        min_rows_to_calibrate: int = 32,
        max_rows: int = 1000,
    ) -> None:
        if not 0 < calibration_share < 1:
            raise ConfigurationError(
                f"calibration_share={calibration_share} must lie strictly between 0 and 1."
            )
        super().__init__(seed, max_rows)
        self._calibration_share = calibration_share
        self._min_rows_to_calibrate = min_rows_to_calibrate

    def _fit(
        self, X: np.ndarray, y: np.ndarray, pending: np.ndarray | None, weights: np.ndarray | None
    ) -> None:
        """Take the data; models are fitted when levels are asked for.

        Evaluations under way and weights are not used by this method: the rows are to be all that
        there are, or drawn at random.
        """
        rng = np.random.default_rng(self._seed)
        # At random: rows chosen by value would not be exchangeable with a new one.
        rows = select_rows(y, self._max_rows, rng, best_share=0.0)
        self._features = FilledFeatures().fit(X[rows])
        self._X = self._features.for_trees(X[rows])
        self._transform = TargetTransform("raw")
        self._z = self._transform.fit_transform(y[rows])
        self._rng = rng
        self._fitted: dict[tuple[float, ...], tuple[QuantileTrees, np.ndarray]] = {}

    def _models(self, levels: tuple[float, ...]) -> tuple[QuantileTrees, np.ndarray]:
        if levels not in self._fitted:
            self._fitted[levels] = self._fit_levels(levels)
        return self._fitted[levels]

    def _fit_levels(self, levels: tuple[float, ...]) -> tuple[QuantileTrees, np.ndarray]:
        """Return the models and the offset to add to each level, shape (levels,)."""
        pairs = [
            (i, j, levels[j] - levels[i])
            for i in range(len(levels))
            for j in range(i + 1, len(levels))
            if math.isclose(levels[i] + levels[j], 1.0)
        ]
        # Split: rows to calibrate with, and rows to train on.
        order = self._rng.permutation(len(self._z))
        n_held_out = self._n_held_out([coverage for _, _, coverage in pairs])
        calibration, training = order[:n_held_out], order[n_held_out:]
        # Train.
        models = QuantileTrees(levels, self._rng).fit(self._X[training], self._z[training])
        # Calibrate: widen each pair by the quantile of its scores.
        offsets = np.zeros(len(levels))
        predicted, z = models.predict(self._X[calibration]), self._z[calibration]
        for i, j, coverage in pairs:
            offset = interval_offset(predicted[:, i], predicted[:, j], z, coverage)
            if math.isfinite(offset):
                offsets[i], offsets[j] = -offset, offset
        return models, offsets

    def _n_held_out(self, coverages: Sequence[float]) -> int:
        """Return how many rows calibrate intervals of these coverages."""
        n = len(self._z)
        if n <= self._min_rows_to_calibrate or not coverages:
            return 0
        wanted = max(round(self._calibration_share * n), smallest_calibration_set(*coverages))
        return min(exact_calibration_set(coverages, wanted), n // 2)

    @one_blas_thread
    def predict_scaled(
        self, X: np.ndarray, levels: Sequence[float] | np.ndarray, *, noise: bool = True
    ) -> np.ndarray:
        """Return quantiles of the standardised objective: (m, levels), sorted.

        The method does not tell noise from ignorance: ``noise`` changes nothing.
        """
        models, offsets = self._models(tuple(np.sort(check_levels(np.asarray(levels)))))
        points = self._features.for_trees(np.asarray(X, dtype=float))
        return np.sort(models.predict(points) + offsets, axis=1)

    @one_blas_thread
    def mean(self, X: np.ndarray) -> np.ndarray:
        """Return the predicted median at features X (m, f): shape (m,), in units of y."""
        return self.predict(X, (0.5,))[:, 0]


class QuantileTrees:
    """One boosted model of the pinball loss for each quantile level.

    Args:
        levels: Quantile levels in (0, 1), increasing.
        rng: Source of the models' seeds.
    """

    def __init__(self, levels: Sequence[float], rng: np.random.Generator) -> None:
        self._levels = tuple(levels)
        self._rng = rng

    def fit(self, X: np.ndarray, z: np.ndarray) -> QuantileTrees:
        """Fit on features (n, f) without NaN and targets (n,)."""
        ensemble = import_extra(
            "sklearn", "sklearn.ensemble", extra="scikit-learn", need="Boosted quantiles need"
        ).ensemble

        self._models = [
            ensemble.GradientBoostingRegressor(
                loss="quantile", alpha=level, random_state=int(self._rng.integers(2**31))
            ).fit(X, z)
            for level in self._levels
        ]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return quantiles at features (m, f), sorted against crossing: (m, levels)."""
        if len(X) == 0:  # scikit-learn refuses it.
            return np.empty((0, len(self._levels)))
        return np.sort(np.column_stack([model.predict(X) for model in self._models]), axis=1)


def smallest_calibration_set(*coverages: float) -> int:
    """Return how many scores it takes before intervals of these coverages are finite."""
    widest = max(coverages)
    return int(np.ceil(round(widest / (1 - widest), 9)))


def exact_calibration_set(coverages: Sequence[float], at_least: int) -> int:
    """Return the number of scores, up to twice as many, that suits all coverages best.

    With n scores exactly the coverages k / (n + 1) are promised; others are interpolated between
    order statistics, which misses by some points where n is small. Of equally good numbers the
    smallest is returned.
    """
    sizes = np.arange(at_least, 2 * at_least + 1)
    places = np.outer(sizes + 1, coverages)
    gaps = np.abs(places - places.round()).max(axis=1) / (sizes + 1)
    return int(sizes[gaps.round(6).argmin()])


def interval_offset(lower: np.ndarray, upper: np.ndarray, y: np.ndarray, coverage: float) -> float:
    """Return by how much to widen intervals so that they cover a new value as promised.

    The score of an interval is how far the value lies outside it (negative: inside), equation 6
    of Romano et al. 2019. The offset is to be subtracted from lower and added to upper ends.

    Args:
        lower: Lower ends on the calibration set, shape (n,).
        upper: Upper ends, shape (n,).
        y: Observed values, shape (n,), not used in fitting.
        coverage: Wanted probability in (0, 1).

    Returns:
        The offset in units of y, possibly negative; infinity where n is too small to promise.
    """
    if len(y) < smallest_calibration_set(coverage):
        return float("inf")
    scores = np.maximum(lower - y, y - upper)
    return float(score_quantiles(scores, np.asarray(coverage)))
