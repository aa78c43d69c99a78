"""A small Gaussian process for the smooth part of the ensemble: exact, in plain NumPy.

Matern-5/2 covariance with one length scale per feature. The signal variance is profiled out, the
other hyperparameters maximise the posterior under log-normal priors (the length-scale prior of
Hvarfner et al. 2024, "Vanilla Bayesian optimization performs great in high dimensions").
"""

from __future__ import annotations

import math

import numpy as np


_SQRT5 = math.sqrt(5.0)
# Prior of log length scale: N(sqrt(2) + log(features)/2, 1), and of log noise variance.
_LENGTH_MEAN = math.sqrt(2.0)
_LENGTH_SD = 1.0
_NOISE_MEAN = -6.0
_NOISE_SD = 2.0
_LOG_BOUNDS = (-4.0, 7.0)
_LOG_NOISE_BOUNDS = (-14.0, 0.5)
_JITTER = 1e-8


class GaussianProcess:
    """Gaussian process regression of standardised targets on features without NaN.

    Args:
        max_iterations: Limit for the optimiser of the hyperparameters.
    """

    def __init__(self, *, max_iterations: int = 30) -> None:
        self._max_iterations = max_iterations

    def fit(
        self, X: np.ndarray, z: np.ndarray, *, start: GaussianProcess | None = None
    ) -> GaussianProcess:
        """Fit hyperparameters and condition on the data.

        Args:
            X: Features, shape (n, f), n >= 1, near the unit cube.
            z: Targets, shape (n,), of about zero mean and unit variance.
            start: A process fitted on nearly the same data, to start the optimiser from.

        Returns:
            Itself.
        """
        self._X, self._z = X, z
        self._optimise(start)
        self._condition()
        return self

    def _optimise(self, other: GaussianProcess | None) -> None:
        from scipy.optimize import minimize

        n, n_features = self._X.shape
        self._prior_mean = np.full(n_features + 1, _LENGTH_MEAN + math.log(max(n_features, 1)) / 2)
        self._prior_mean[-1] = _NOISE_MEAN
        self._prior_sd = np.full(n_features + 1, _LENGTH_SD)
        self._prior_sd[-1] = _NOISE_SD
        start = self._prior_mean.copy()
        # The mode of a log-normal prior in its own units: lets relevant features be relevant.
        start[:-1] = np.minimum(start[:-1] - 1.0, math.log(2.0))
        if other is not None:
            start = other._theta
        if n < 3 or np.ptp(self._z) == 0:
            self._set(start)
            return
        rows, columns = np.triu_indices(n, 1)
        squares = (self._X[rows] - self._X[columns]) ** 2
        result = minimize(
            self._negative_log_posterior,
            start,
            args=(squares, rows, columns),
            jac=True,
            method="L-BFGS-B",
            bounds=[_LOG_BOUNDS] * n_features + [_LOG_NOISE_BOUNDS],
            options={"maxiter": self._max_iterations, "maxfun": self._max_iterations + 10},
        )
        self._set(result.x)

    def _set(self, theta: np.ndarray) -> None:
        self._theta = theta
        self._inverse_lengths = np.exp(-theta[:-1])
        self._noise = math.exp(theta[-1])

    def _negative_log_posterior(
        self, theta: np.ndarray, squares: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> tuple[float, np.ndarray]:
        from scipy.linalg import lapack

        n = len(self._z)
        weights = np.exp(-2 * theta[:-1])
        r = np.sqrt(squares @ weights)
        decay = np.exp(-_SQRT5 * r)
        K = np.empty((n, n))
        K[rows, columns] = K[columns, rows] = (1 + _SQRT5 * r + 5 / 3 * r**2) * decay
        noise = math.exp(theta[-1])
        K[np.diag_indices(n)] = 1 + noise + _JITTER
        factor, info = lapack.dpotrf(K, lower=1)
        if info != 0:
            return 1e25, np.zeros_like(theta)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        alpha = inverse @ self._z
        fit = max(float(self._z @ alpha), 1e-12)
        # Profile likelihood: the best signal variance is fit / n.
        value = 0.5 * n * math.log(fit / n) + np.log(factor.diagonal()).sum()
        gap = (theta - self._prior_mean) / self._prior_sd
        value += 0.5 * gap @ gap
        outer = inverse[rows, columns] - (n / fit) * alpha[rows] * alpha[columns]
        slope = outer * (5 / 3) * (1 + _SQRT5 * r) * decay
        gradient = gap / self._prior_sd
        # Each pair stands for two entries of the matrix, hence no factor 1/2.
        gradient[:-1] += (slope @ squares) * weights
        gradient[-1] += 0.5 * noise * (np.trace(inverse) - (n / fit) * alpha @ alpha)
        return value, gradient

    def _kernel(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        A, B = A * self._inverse_lengths, B * self._inverse_lengths
        squares = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
        r = np.sqrt(np.maximum(squares, 0.0))
        return np.asarray((1 + _SQRT5 * r + 5 / 3 * r**2) * np.exp(-_SQRT5 * r))

    def _condition(self) -> None:
        n = len(self._z)
        K = self._kernel(self._X, self._X)
        K[np.diag_indices(n)] += self._noise + _JITTER
        self._precision = np.linalg.inv(K)
        self._alpha = self._precision @ self._z
        # One observation cannot tell the variance: shrink to the prior's unit variance.
        self._variance = (float(self._z @ self._alpha) + 2.0) / (n + 2.0)

    def leave_one_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what the others say of each training point, hyperparameters kept.

        Returns:
            Means and standard deviations of the noisy targets, each of shape (n,).
        """
        diagonal = self._precision.diagonal()
        mean = self._z - self._alpha / diagonal
        return mean, np.sqrt(self._variance / diagonal)

    def predict(
        self, X: np.ndarray, pending: np.ndarray | None = None, *, noise: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the predictive mean and standard deviation of a new target.

        Args:
            X: Features, shape (m, f).
            pending: Features (p, f) whose results are awaited. They are taken for observed at
                their predicted mean (the kriging believer), so only the deviation changes.
            noise: Whether the deviation is that of a noisy observation or of the function.

        Returns:
            Two arrays of shape (m,).
        """
        cross = self._kernel(X, self._X)
        mean = cross @ self._alpha
        precision = self._precision
        if pending is not None and len(pending):
            cross = np.hstack([cross, self._kernel(X, pending)])
            precision = self._extended_precision(pending)
        explained = np.einsum("ij,ij->i", cross @ precision, cross)
        variance = np.maximum(1 - explained, _JITTER) + (self._noise if noise else 0.0)
        return mean, np.sqrt(self._variance * variance)

    def _extended_precision(self, pending: np.ndarray) -> np.ndarray:
        points = np.vstack([self._X, pending])
        K = self._kernel(points, points)
        K[np.diag_indices(len(points))] += self._noise + _JITTER
        return np.linalg.inv(K)
