"""A small Gaussian process for the smooth part of the ensemble: exact, by Cholesky factors.

Matern-5/2 covariance with one length scale per feature. The signal variance is profiled out, the
other hyperparameters maximise the posterior under log-normal priors (the length-scale prior of
Hvarfner et al. 2024, "Vanilla Bayesian optimization performs great in high dimensions").
"""

from __future__ import annotations

import functools
import math
import warnings

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
# What is added to the diagonal if rounding has made a covariance matrix indefinite.
_MORE_JITTER = (0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-2)


def _cholesky(K: np.ndarray) -> np.ndarray:
    """Return the lower Cholesky factor of a covariance matrix, with more jitter if it takes it."""
    from scipy.linalg import lapack

    for jitter in (*_MORE_JITTER, float(len(K))):
        factor, info = lapack.dpotrf(K + jitter * np.eye(len(K)) if jitter else K, lower=1)
        if info == 0:
            return np.asarray(factor)
    raise ValueError("features or targets of the Gaussian process are not finite")


@functools.cache
def _tell_of_failed_fit() -> None:
    """Say once in a process that hyperparameters are not fitted."""
    warnings.warn(
        "The hyperparameters of a Gaussian process could not be fitted; it goes on with their"
        " usual values.",
        RuntimeWarning,
        stacklevel=2,
    )


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
        n, n_features = self._X.shape
        self._prior_mean = np.full(n_features + 1, _LENGTH_MEAN + math.log(max(n_features, 1)) / 2)
        self._prior_mean[-1] = _NOISE_MEAN
        self._prior_sd = np.full(n_features + 1, _LENGTH_SD)
        self._prior_sd[-1] = _NOISE_SD
        usual = self._prior_mean.copy()
        # The mode of a log-normal prior in its own units: lets relevant features be relevant.
        usual[:-1] = np.minimum(usual[:-1] - 1.0, math.log(2.0))
        starts = [usual] if other is None else [other._theta, usual]
        if n < 3 or np.ptp(self._z) == 0:
            self._set(starts[0])
            return
        for start in starts:
            theta = self._optimum(start)
            if theta is not None:
                self._set(theta)
                return
        _tell_of_failed_fit()
        self._set(usual)

    def _optimum(self, start: np.ndarray) -> np.ndarray | None:
        """Return the hyperparameters that maximise the posterior, or None if there are none."""
        from scipy.optimize import minimize

        rows, columns = np.triu_indices(len(self._z), 1)
        squares = (self._X[rows] - self._X[columns]) ** 2
        result = minimize(
            self._negative_log_posterior,
            start,
            args=(squares, rows, columns),
            jac=True,
            method="L-BFGS-B",
            bounds=[_LOG_BOUNDS] * (len(start) - 1) + [_LOG_NOISE_BOUNDS],
            options={"maxiter": self._max_iterations, "maxfun": self._max_iterations + 10},
        )
        # A limit of iterations that was reached is no failure.
        found = np.isfinite(result.fun) and np.isfinite(result.x).all()
        return np.asarray(result.x) if found else None

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
        factor = _cholesky(K)
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
        """Return the covariance between features (a, f) and (b, f): (a, b)."""
        scale = _SQRT5 * self._inverse_lengths
        A, B = A * scale, B * scale
        # In place: allocating temporaries of this size takes longer than computing them.
        K: np.ndarray = (-2 * A) @ B.T
        K += (A**2).sum(axis=1)[:, None]
        K += (B**2).sum(axis=1)
        np.maximum(K, 0.0, out=K)
        r = np.sqrt(K)
        K /= 3
        K += r
        K += 1
        np.negative(r, out=r)
        K *= np.exp(r, out=r)
        return K

    def _condition(self) -> None:
        from scipy.linalg import cho_solve

        n = len(self._z)
        self._factor = _cholesky(self._covariance(self._X))
        self._alpha = cho_solve((self._factor, True), self._z, check_finite=False)
        # One observation cannot tell the variance: shrink to the prior's unit variance.
        self._variance = (float(self._z @ self._alpha) + 2.0) / (n + 2.0)

    def _covariance(self, X: np.ndarray) -> np.ndarray:
        """Return the covariance of noisy observations at features (n, f): (n, n)."""
        K = self._kernel(X, X)
        K[np.diag_indices(len(X))] += self._noise + _JITTER
        return K

    @property
    def noise(self) -> float:
        """Standard deviation of the noise, in units of the targets."""
        return math.sqrt(self._variance * self._noise)

    def leave_one_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what the others say of each training point, hyperparameters kept.

        Returns:
            Means and standard deviations of the noisy targets, each of shape (n,).
        """
        from scipy.linalg import lapack

        inverse_factor, _ = lapack.dtrtri(self._factor, lower=1)
        # Of the precision matrix; the upper triangle of the factor holds what it pleases.
        diagonal = (np.tril(inverse_factor) ** 2).sum(axis=0)
        mean = self._z - self._alpha / diagonal
        return mean, np.sqrt(self._variance / diagonal)

    def mean(self, X: np.ndarray) -> np.ndarray:
        """Return the predictive mean at features (m, f) alone, shape (m,): the cheap part."""
        return np.asarray(self._kernel(X, self._X) @ self._alpha)

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
        whitened = _solve(self._factor, cross.T)
        explained = np.einsum("ij,ij->j", whitened, whitened)
        if pending is not None and len(pending):
            # The rows by which pending points extend the factor.
            left = _solve(self._factor, self._kernel(self._X, pending)).T
            right = _cholesky(self._covariance(pending) - left @ left.T)
            more = _solve(right, self._kernel(pending, X) - left @ whitened)
            explained += np.einsum("ij,ij->j", more, more)
        variance = np.maximum(1 - explained, _JITTER) + (self._noise if noise else 0.0)
        return mean, np.sqrt(self._variance * variance)


def _solve(factor: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return the inverse of a lower triangular matrix (n, n) times B (n, m)."""
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(factor, B, lower=True, check_finite=False))
