"""The default surrogate: calibrated quantiles of an objective from few evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate.acquisition import repetition_gain
from optuna_llm.surrogate.belief import Belief
from optuna_llm.surrogate.belief import BeliefMember
from optuna_llm.surrogate.conformal import NeighbourWidth
from optuna_llm.surrogate.conformal import check_levels
from optuna_llm.surrogate.conformal import shrunk_score_quantiles
from optuna_llm.surrogate.gaussian_process import GaussianProcess
from optuna_llm.surrogate.regressor import QuantileRegressor
from optuna_llm.surrogate.table import FilledFeatures
from optuna_llm.surrogate.table import sample_rows
from optuna_llm.surrogate.table import select_rows
from optuna_llm.surrogate.targets import TargetScale
from optuna_llm.surrogate.targets import TargetTransform
from optuna_llm.surrogate.threads import one_blas_thread
from optuna_llm.surrogate.trees import BaggedTrees
from optuna_llm.surrogate.trees import fold_numbers


_N_FOLDS = 5
# Below this many rows five folds say nothing; the Gaussian process and its prior do.
_MIN_ROWS_FOR_FOLDS = 8
# With fewer rows the length scales themselves overfit: leaving a row out of the prediction only
# is not enough then, and the Gaussian process is cross-fitted like the trees.
_ENOUGH_FOR_LENGTH_SCALES = 100
_FOLD_ITERATIONS = 8
_CLEAR_NOISE = 1 / 3
_LEAST_VARIANCE = 1e-18


class QuantileEnsemble(QuantileRegressor):
    """A Gaussian process, cross-fitted boosted trees and what is believed beforehand, averaged.

    All members predict each training row without having seen it: the trees and the beliefs by
    their folds, the Gaussian process by the closed-form leave-one-out formula (below 100 rows by
    folds). These predictions give the weight of each member (absolute error to the power -4) and
    the conformal scores: residuals in units of a predicted width that grows away from the data and
    with the members' disagreement. A quantile is mean + width x quantile of the scores, so nothing
    has to be held out.

    Args:
        seed: Seed of folds, subsamples and row selection; None draws one.
        target_scale: What the model is fitted to: ``"saturating"``, values, bounded on
            the bad side; ``"rank"``, Gaussianised ranks; ``"raw"``, values. See
            :class:`~optuna_llm.surrogate.targets.TargetTransform`.
        max_rows: Limit of training rows; beyond, a quarter of it are the best rows and the others
            are drawn.
        max_rows_gaussian_process: The same for the Gaussian process, whose cost is cubic; here
            the best are half.
        beliefs: What is believed of good configurations before any result. Each is a member, as
            soon as there are eight rows.
        member_weights: Weights of the Gaussian process, the trees and the beliefs, in this order;
            any scale. By default they follow from the errors.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        target_scale: TargetScale = "saturating",
        max_rows: int = 500,
        max_rows_gaussian_process: int = 150,
        beliefs: Sequence[Belief] = (),
        member_weights: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        if target_scale not in get_args(TargetScale):
            raise ConfigurationError(
                f"target_scale={target_scale!r} must be one of {list(get_args(TargetScale))}."
            )
        self._given_beliefs = tuple(beliefs)
        self._given_weights = None
        if member_weights is not None:
            self._given_weights = np.asarray(member_weights, dtype=float)
            n_members = 2 + len(self._given_beliefs)
            usable = self._given_weights.shape == (n_members,) and np.all(self._given_weights >= 0)
            if not usable or self._given_weights.sum() <= 0:
                raise ConfigurationError(
                    f"member_weights={list(member_weights)} must be {n_members} numbers, none of"
                    " them negative and one positive."
                )
        super().__init__(seed, max_rows)
        self._target_scale = target_scale
        self._max_rows_gaussian_process = max_rows_gaussian_process

    def _fit(
        self, X: np.ndarray, y: np.ndarray, pending: np.ndarray | None, weights: np.ndarray | None
    ) -> None:
        """Fit and calibrate.

        Evaluations under way are taken for observed at their prediction: no value changes, but
        quantiles are narrow around them. Weights weigh the conformal scores; the fit itself may
        know most about the best.
        """
        rng = np.random.default_rng(self._seed)
        rows, own_weights = sample_rows(y, self._max_rows, rng)
        X, y = X[rows], y[rows]
        if weights is not None:
            own_weights = own_weights * np.asarray(weights, dtype=float)[rows]
        # Equal weights, as the rule of a single kind of row, need none.
        self._score_weights = own_weights if np.ptp(own_weights) > 0 else None
        self._transform = TargetTransform(self._target_scale)
        z = self._transform.fit_transform(y)
        self._features = FilledFeatures().fit(X)
        points = self._features.for_distances(X)
        self._pending = None
        if pending is not None and len(pending):
            self._pending = self._features.for_distances(np.asarray(pending, dtype=float))
        self._neighbours = NeighbourWidth(points)

        process_mean, process_sd = self._fit_process(points, z, y, rng)
        means = [process_mean, *self._fit_others(X, z, rng)]
        self._weights = self._weights_of(z, np.array(means))
        mean, variance = self._mixed(means, process_sd, self._neighbours.own())
        self._scores = (z - mean) / np.sqrt(variance)

    def _fit_process(
        self, points: np.ndarray, z: np.ndarray, y: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit the Gaussian process; return what it says of rows it has not seen, each (n,)."""
        chosen = select_rows(y, self._max_rows_gaussian_process, rng, best_share=0.5)
        self._process = GaussianProcess().fit(points[chosen], z[chosen])
        mean, sd = self._process.predict(points)
        if _MIN_ROWS_FOR_FOLDS <= len(y) < _ENOUGH_FOR_LENGTH_SCALES:
            folds = fold_numbers(len(y), _N_FOLDS, rng)
            for held_out in (folds == fold for fold in range(_N_FOLDS)):
                process = GaussianProcess(max_iterations=_FOLD_ITERATIONS).fit(
                    points[~held_out], z[~held_out], start=self._process
                )
                mean[held_out], sd[held_out] = process.predict(points[held_out])
        else:
            mean[chosen], sd[chosen] = self._process.leave_one_out()
        return mean, sd

    def _fit_others(
        self, X: np.ndarray, z: np.ndarray, rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Fit the other members, if rows suffice; return what each says out of fold, (n,)."""
        self._trees: BaggedTrees | None = None
        self._beliefs: list[BeliefMember] = []
        if len(z) < _MIN_ROWS_FOR_FOLDS:
            self._sds = np.empty(0)
            return []
        self._trees = BaggedTrees(rng, n_folds=_N_FOLDS).fit(self._features.for_trees(X), z)
        self._beliefs = [BeliefMember(b).fit(X, z, rng) for b in self._given_beliefs]
        means = [self._trees.out_of_fold, *(b.out_of_fold for b in self._beliefs)]
        self._sds = np.array([np.sqrt(np.mean((z - mean) ** 2)) for mean in means])
        return means

    def _weights_of(self, z: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Return the weight of each member from what it says out of fold, (members, n)."""
        if len(means) == 1:
            return np.ones(1)
        if self._given_weights is not None:
            return np.asarray(self._given_weights / self._given_weights.sum())
        shares = np.maximum(np.abs(z - means).mean(axis=1), 1e-9) ** -4.0
        return np.asarray(shares / shares.sum())

    def _mixed(
        self, means: Sequence[np.ndarray], process_sd: np.ndarray, near: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of the members' mixture, their disagreement included."""
        w = self._weights
        mean = w @ np.array(means)
        variance = w[0] * process_sd**2 + (w[1:] @ self._sds**2) * near**2
        return mean, variance + w @ (np.array(means) - mean) ** 2 + _LEAST_VARIANCE

    def _mean_and_width(
        self, X: np.ndarray, *, noise: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        X = np.asarray(X, dtype=float)
        points = self._features.for_distances(X)
        process_mean, process_sd = self._process.predict(points, self._pending, noise=noise)
        means = [process_mean]
        if self._trees is not None:
            means.append(self._trees.predict(self._features.for_trees(X)))
        means += [belief.predict(X) for belief in self._beliefs]
        near = self._neighbours(points, self._pending, noise=noise)
        mean, variance = self._mixed(means, process_sd, near)
        return mean, np.sqrt(variance)

    @one_blas_thread
    def predict_scaled(
        self, X: np.ndarray, levels: Sequence[float] | np.ndarray, *, noise: bool = True
    ) -> np.ndarray:
        """Return quantiles on the model's own scale, for acquisition: (m, levels), sorted.

        Those of the expectation (``noise=False``) are narrower, and not calibrated: there is
        nothing to calibrate them with.
        """
        levels = check_levels(np.asarray(levels))
        mean, width = self._mean_and_width(X, noise=noise)
        offsets = shrunk_score_quantiles(self._scores, np.sort(levels), self._score_weights)
        return np.asarray(mean[:, None] + width[:, None] * offsets)

    @one_blas_thread
    def mean(self, X: np.ndarray) -> np.ndarray:
        """Return the central prediction at features X (m, f): shape (m,), in units of y."""
        return self._transform.inverse(self._mean_and_width(X)[0])

    @property
    def noise_is_clear(self) -> bool:
        """Whether the noise is at least a third of the standard deviation of all values.

        As the Gaussian process has found it. Less may be roughness.
        """
        return self._process.noise >= _CLEAR_NOISE

    @one_blas_thread
    def repetition(self, X: np.ndarray) -> tuple[np.ndarray, float]:
        """Return what one more evaluation promises at known features X (m, f), no two alike.

        Returns:
            How much better the choice of one of them becomes, shape (m,), and the standard
            deviation of the noise, both on the model's own scale.
        """
        means, _ = self._mean_and_width(X, noise=False)
        points = self._features.for_distances(np.asarray(X, dtype=float))
        _, deviations = self._process.predict(points, self._pending, noise=False)
        return repetition_gain(means, deviations, self._process.noise), self._process.noise

    @one_blas_thread
    def log_probability(self, X: np.ndarray, threshold: float) -> np.ndarray:
        """Return the log-probability that the expectation at X (m, f) is at most a threshold.

        The quantiles are taken for those of a normal distribution, so that what is far from the
        threshold keeps an order.

        Args:
            X: Features as in :meth:`fit`.
            threshold: In units of y.

        Returns:
            Shape (m,).
        """
        from scipy.special import log_ndtr

        mean, width = self._mean_and_width(X, noise=False)
        scale = np.sqrt((np.sum(self._scores**2) + 2.0) / (len(self._scores) + 2.0))
        return np.asarray(log_ndtr((self._transform.forward(threshold) - mean) / (width * scale)))
