"""Surrogates that predict calibrated quantiles of an objective from few evaluations."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import get_args

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate.conformal import NeighbourWidth
from optuna_llm.surrogate.conformal import check_levels
from optuna_llm.surrogate.conformal import exact_calibration_set
from optuna_llm.surrogate.conformal import interval_offset
from optuna_llm.surrogate.conformal import shrunk_score_quantiles
from optuna_llm.surrogate.conformal import smallest_calibration_set
from optuna_llm.surrogate.gaussian_process import GaussianProcess
from optuna_llm.surrogate.targets import TargetScale
from optuna_llm.surrogate.targets import TargetTransform
from optuna_llm.surrogate.trees import BaggedTrees
from optuna_llm.surrogate.trees import QuantileTrees
from optuna_llm.surrogate.trees import fold_numbers


_N_FOLDS = 5
# Below this many rows five folds say nothing; the Gaussian process and its prior do.
_MIN_ROWS_FOR_FOLDS = 8
# With fewer rows the length scales themselves overfit: leaving a row out of the prediction only
# is not enough then, and the Gaussian process is cross-fitted like the trees.
_ENOUGH_FOR_LENGTH_SCALES = 100
_FOLD_ITERATIONS = 8


def _check_data(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    if X.ndim != 2 or y.shape != (len(X),) or len(X) == 0:
        raise ConfigurationError(
            f"X of shape {X.shape} and y of shape {y.shape} must be (n, features) and (n,), "
            "with n >= 1."
        )
    if np.isnan(y).any():
        raise ConfigurationError("y contains NaN; leave failed trials out (see Feasibility).")
    if np.isinf(X).any():
        raise ConfigurationError("X contains infinite values; encode features into [0, 1].")
    return X, y


def select_rows(
    y: np.ndarray, limit: int, rng: np.random.Generator, *, best_share: float = 0.25
) -> np.ndarray:
    """Return the rows to train on: all, or a share of the limit the best, the rest at random."""
    if len(y) <= limit:
        return np.arange(len(y))
    order = np.argsort(y, kind="stable")
    n_best = round(best_share * limit)
    best, rest = order[:n_best], order[n_best:]
    return np.sort(np.concatenate([best, rng.choice(rest, limit - len(best), replace=False)]))


class FilledFeatures:
    """Features without NaN: for trees, -1 marks what is missing; for distances, flags do."""

    def fit(self, X: np.ndarray) -> FilledFeatures:
        """Learn from X (n, f) which columns can be missing, grouping those that go together."""
        missing = np.isnan(X)
        _, first = np.unique(missing, axis=1, return_index=True)
        self._flags = [c for c in sorted(first) if missing[:, c].any()]
        return self

    def for_trees(self, X: np.ndarray) -> np.ndarray:
        """Return (m, f) with -1 for NaN."""
        return np.where(np.isnan(X), -1.0, X)

    def for_distances(self, X: np.ndarray) -> np.ndarray:
        """Return (m, f + flags): NaN becomes the centre, a 0/1 flag says which group lacks."""
        missing = np.isnan(X)
        return np.hstack([np.where(missing, 0.5, X), missing[:, self._flags].astype(float)])


class QuantileEnsemble:
    """A Gaussian process and cross-fitted boosted trees, averaged and calibrated out of fold.

    Both members predict each training row without having seen it: the trees by their folds, the
    Gaussian process by the closed-form leave-one-out formula (below 100 rows by folds). These
    predictions give the weight of each member (absolute error to the power -4) and the conformal
    scores: residuals in units of a predicted width that grows away from the data and with the
    members' disagreement. A quantile is mean + width x quantile of the scores, so nothing has to
    be held out.

    Args:
        seed: Seed of folds, subsamples and row selection; None draws one.
        target_scale: What the model is fitted to: ``"saturating"``, values, bounded on
            the bad side; ``"rank"``, Gaussianised ranks; ``"raw"``, values. See
            :class:`~optuna_llm.surrogate.targets.TargetTransform`.
        max_rows: Limit of training rows; beyond, a quarter of it are the best rows and the others
            are drawn.
        max_rows_gaussian_process: The same for the Gaussian process, whose cost is cubic; here
            the best are half.
        weight: Weight of the Gaussian process in [0, 1], that of the trees being the rest. By
            default it follows from the errors.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        target_scale: TargetScale = "saturating",
        max_rows: int = 500,
        max_rows_gaussian_process: int = 150,
        weight: float | None = None,
    ) -> None:
        if target_scale not in get_args(TargetScale):
            raise ConfigurationError(
                f"target_scale={target_scale!r} must be one of {list(get_args(TargetScale))}."
            )
        if weight is not None and not 0 <= weight <= 1:
            raise ConfigurationError(f"weight={weight} must lie between 0 and 1, or be None.")
        self._seed = seed
        self._target_scale = target_scale
        self._max_rows = max_rows
        self._max_rows_gaussian_process = max_rows_gaussian_process
        self._given_weight = weight

    def fit(
        self, X: np.ndarray, y: np.ndarray, pending: np.ndarray | None = None
    ) -> QuantileEnsemble:
        """Fit and calibrate.

        Args:
            X: Features, shape (n, f), n >= 1: in [0, 1], one-hot for categories, NaN where a
                parameter is inactive.
            y: Objective values, shape (n,), lower is better; infinite ones are allowed.
            pending: Features (p, f) of evaluations under way. They are taken for observed at
                their prediction: no value changes, but quantiles are narrow around them.

        Returns:
            Itself.

        Raises:
            ConfigurationError: Shapes do not fit, y holds NaN or X infinite values.
        """
        X, y = _check_data(X, y)
        rng = np.random.default_rng(self._seed)
        rows = select_rows(y, self._max_rows, rng)
        X, y = X[rows], y[rows]
        self._transform = TargetTransform(self._target_scale)
        z = self._transform.fit_transform(y)
        self._features = FilledFeatures().fit(X)
        points = self._features.for_distances(X)
        self._pending = None
        if pending is not None and len(pending):
            self._pending = self._features.for_distances(np.asarray(pending, dtype=float))
        self._neighbours = NeighbourWidth(points)

        chosen = select_rows(y, self._max_rows_gaussian_process, rng, best_share=0.5)
        self._process = GaussianProcess().fit(points[chosen], z[chosen])
        process_mean, process_sd = self._process.predict(points)
        if _MIN_ROWS_FOR_FOLDS <= len(y) < _ENOUGH_FOR_LENGTH_SCALES:
            folds = fold_numbers(len(y), _N_FOLDS, rng)
            for held_out in (folds == fold for fold in range(_N_FOLDS)):
                process = GaussianProcess(max_iterations=_FOLD_ITERATIONS).fit(
                    points[~held_out], z[~held_out], start=self._process
                )
                process_mean[held_out], process_sd[held_out] = process.predict(points[held_out])
        else:
            process_mean[chosen], process_sd[chosen] = self._process.leave_one_out()

        self._trees: BaggedTrees | None = None
        self._weight, self._trees_sd = 1.0, 0.0
        mean, gap = process_mean, np.zeros(len(y))
        if len(y) >= _MIN_ROWS_FOR_FOLDS:
            self._trees = BaggedTrees(rng, n_folds=_N_FOLDS).fit(self._features.for_trees(X), z)
            out_of_fold = self._trees.out_of_fold
            self._trees_sd = float(np.sqrt(np.mean((z - out_of_fold) ** 2)))
            errors = np.array([np.abs(z - process_mean).mean(), np.abs(z - out_of_fold).mean()])
            shares = np.maximum(errors, 1e-9) ** -4.0
            by_errors = float(shares[0] / shares.sum())
            self._weight = by_errors if self._given_weight is None else self._given_weight
            gap = process_mean - out_of_fold
            mean = out_of_fold + self._weight * gap
        width = self._width(process_sd, gap, self._neighbours.own())
        self._scores = (z - mean) / width
        return self

    def _width(self, process_sd: np.ndarray, gap: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Return the deviation of the two members' mixture, with their disagreement."""
        w = self._weight
        variance = w * process_sd**2 + (1 - w) * (near * self._trees_sd) ** 2
        return np.sqrt(variance + w * (1 - w) * gap**2) + 1e-9

    def _mean_and_width(
        self, X: np.ndarray, *, noise: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        X = np.asarray(X, dtype=float)
        points = self._features.for_distances(X)
        mean, process_sd = self._process.predict(points, self._pending, noise=noise)
        gap = np.zeros(len(X))
        if self._trees is not None:
            trees_mean = self._trees.predict(self._features.for_trees(X))
            gap = mean - trees_mean
            mean = trees_mean + self._weight * gap
        near = self._neighbours(points, self._pending, noise=noise)
        return mean, self._width(process_sd, gap, near)

    def predict_scaled(
        self, X: np.ndarray, levels: Sequence[float] | np.ndarray, *, noise: bool = True
    ) -> np.ndarray:
        """Return quantiles on the model's own scale, for acquisition: (m, levels), sorted.

        The order is that of :meth:`predict`, without ties where objective values agree.

        Args:
            X: Features (m, f).
            levels: Quantile levels in (0, 1).
            noise: With False the quantiles are those of the objective's expectation, which
                another evaluation at a known point does not improve on. They are narrower, and
                not calibrated: there is nothing to calibrate them with.
        """
        levels = check_levels(np.asarray(levels))
        mean, width = self._mean_and_width(X, noise=noise)
        offsets = shrunk_score_quantiles(self._scores, np.sort(levels))
        return np.asarray(mean[:, None] + width[:, None] * offsets)

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

    def mean(self, X: np.ndarray) -> np.ndarray:
        """Return the central prediction at features X (m, f): shape (m,), in units of y."""
        return self._transform.inverse(self._mean_and_width(X)[0])


class ConformalQuantileTrees:
    """The published method: boosted quantile regression with split-conformal correction.

    Salinas et al. 2023: one gradient-boosted model for each quantile level; of n > 32 rows a
    tenth is held out to widen each symmetric pair of levels by a conformal offset (Romano et al.
    2019). The median is left as it is, and so is a pair for which too few rows are held out.

    Args:
        seed: Seed of the split and the models; None draws one.
        calibration_share: Share of the rows held out. More are, up to half, where the widest
            pair of levels needs them, or where no level falls between two order statistics then.
        min_rows_to_calibrate: With no more rows than this nothing is held out.
        max_rows: As in :class:`QuantileEnsemble`.
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
        self._seed = seed
        self._calibration_share = calibration_share
        self._min_rows_to_calibrate = min_rows_to_calibrate
        self._max_rows = max_rows

    def fit(
        self, X: np.ndarray, y: np.ndarray, pending: np.ndarray | None = None
    ) -> ConformalQuantileTrees:
        """Take the data; models are fitted when levels are asked for.

        Args:
            X: Features as in :meth:`QuantileEnsemble.fit`.
            y: Objective values, shape (n,), lower is better.
            pending: Not used by this method.

        Returns:
            Itself.

        Raises:
            ConfigurationError: Shapes do not fit, y holds NaN or X infinite values.
        """
        X, y = _check_data(X, y)
        rng = np.random.default_rng(self._seed)
        rows = select_rows(y, self._max_rows, rng)
        self._features = FilledFeatures().fit(X[rows])
        self._X = self._features.for_trees(X[rows])
        self._transform = TargetTransform("raw")
        self._z = self._transform.fit_transform(y[rows])
        self._rng = rng
        self._fitted: dict[tuple[float, ...], tuple[QuantileTrees, np.ndarray]] = {}
        return self

    def _models(self, levels: tuple[float, ...]) -> tuple[QuantileTrees, np.ndarray]:
        if levels not in self._fitted:
            self._fitted[levels] = self._fit_levels(levels)
        return self._fitted[levels]

    def _fit_levels(self, levels: tuple[float, ...]) -> tuple[QuantileTrees, np.ndarray]:
        """Return the models and the offset to add to each level, shape (levels,)."""
        n = len(self._z)
        order = self._rng.permutation(n)
        n_held_out = 0
        pairs = [
            (i, j, levels[j] - levels[i])
            for i in range(len(levels))
            for j in range(i + 1, len(levels))
            if math.isclose(levels[i] + levels[j], 1.0)
        ]
        if n > self._min_rows_to_calibrate and pairs:
            coverages = [coverage for _, _, coverage in pairs]
            wanted = max(round(self._calibration_share * n), smallest_calibration_set(*coverages))
            n_held_out = min(exact_calibration_set(coverages, wanted), n // 2)
        calibration, training = order[:n_held_out], order[n_held_out:]
        models = QuantileTrees(levels, self._rng).fit(self._X[training], self._z[training])
        offsets = np.zeros(len(levels))
        if n_held_out:
            predicted, y = models.predict(self._X[calibration]), self._z[calibration]
            for i, j, coverage in pairs:
                offset = interval_offset(predicted[:, i], predicted[:, j], y, coverage)
                if math.isfinite(offset):
                    offsets[i], offsets[j] = -offset, offset
        return models, offsets

    def predict_scaled(
        self, X: np.ndarray, levels: Sequence[float] | np.ndarray, *, noise: bool = True
    ) -> np.ndarray:
        """Return quantiles of the standardised objective: (m, levels), sorted.

        The method does not tell noise from ignorance: ``noise`` changes nothing.
        """
        models, offsets = self._models(tuple(np.sort(check_levels(np.asarray(levels)))))
        points = self._features.for_trees(np.asarray(X, dtype=float))
        return np.sort(models.predict(points) + offsets, axis=1)

    def predict(self, X: np.ndarray, levels: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return calibrated quantiles, see :meth:`QuantileEnsemble.predict`."""
        return self._transform.inverse(self.predict_scaled(X, levels))

    def mean(self, X: np.ndarray) -> np.ndarray:
        """Return the predicted median at features X (m, f): shape (m,), in units of y."""
        return self.predict(X, (0.5,))[:, 0]
