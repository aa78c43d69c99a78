from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize import OptimizeResult
from scipy.optimize import check_grad

from optuna_llm.surrogate.gaussian_process import GaussianProcess
from optuna_llm.surrogate.gaussian_process import _cholesky
from optuna_llm.surrogate.gaussian_process import _tell_of_failed_fit


def data(n: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.random((n, 3))
    z = np.sin(4 * X[:, 0]) + X[:, 1] + noise * rng.standard_normal(n)
    return X, (z - z.mean()) / z.std()


def test_gradient_of_the_posterior_is_exact():
    X, z = data(30, 0.1)
    process = GaussianProcess().fit(X, z)
    rows, columns = np.triu_indices(30, 1)
    args = ((X[rows] - X[columns]) ** 2, rows, columns)
    for theta in (np.zeros(4), np.array([-1.0, 0.5, 2.0, -5.0])):
        error = check_grad(
            lambda t: process._negative_log_posterior(t, *args)[0],
            lambda t: process._negative_log_posterior(t, *args)[1],
            theta,
        )
        assert error < 1e-3


def test_leave_one_out_equals_leaving_one_out():
    X, z = data(12, 0.1)
    process = GaussianProcess().fit(X, z)
    mean, sd = process.leave_one_out()
    left = GaussianProcess()
    left._inverse_lengths, left._noise = process._inverse_lengths, process._noise
    left._X, left._z = X[1:], z[1:]
    left._condition()
    left._variance = process._variance
    one_mean, one_sd = left.predict(X[:1])
    assert mean[0] == pytest.approx(one_mean[0])
    assert sd[0] == pytest.approx(one_sd[0], rel=1e-3)


def test_it_interpolates_and_is_unsure_elsewhere():
    X, z = data(40)
    process = GaussianProcess().fit(X, z)
    mean, sd = process.predict(X)
    np.testing.assert_allclose(mean, z, atol=0.1)
    assert process.predict(np.full((1, 3), 3.0))[1][0] > 5 * sd.max()


def test_a_pending_point_lowers_the_deviation_around_it_only():
    X, z = data(20)
    process = GaussianProcess().fit(X, z)
    point = np.array([[2.0, 2.0, 2.0]])
    mean, sd = process.predict(point)
    pending_mean, pending_sd = process.predict(point, pending=point)
    assert pending_mean == pytest.approx(mean)
    assert pending_sd < 0.5 * sd


def test_a_fit_can_start_from_another():
    X, z = data(30, 0.1)
    process = GaussianProcess().fit(X, z)
    near = GaussianProcess(max_iterations=3).fit(X[1:], z[1:], start=process)
    fresh = GaussianProcess(max_iterations=3).fit(X[1:], z[1:])
    whole = GaussianProcess().fit(X[1:], z[1:])
    gaps = [np.abs(np.log(p._inverse_lengths / whole._inverse_lengths)) for p in (near, fresh)]
    assert gaps[0].max() < gaps[1].max()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_or_equal_rows_are_no_trouble(n: int):
    process = GaussianProcess().fit(np.full((n, 2), 0.5), np.zeros(n))
    mean, sd = process.predict(np.random.default_rng(0).random((4, 2)))
    assert np.isfinite(mean).all()
    assert (sd > 0).all()


def reference(
    process: GaussianProcess, X: np.ndarray, pending: np.ndarray, noise: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Predict by the textbook's formulae, with an inverse."""

    def kernel(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        A, B = A * process._inverse_lengths, B * process._inverse_lengths
        squares = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
        r = np.sqrt(5 * np.maximum(squares, 0.0))
        return (1 + r + r**2 / 3) * np.exp(-r)

    def precision(A: np.ndarray) -> np.ndarray:
        return np.linalg.inv(kernel(A, A) + (process._noise + 1e-8) * np.eye(len(A)))

    known, z = process._X, process._z
    alpha = precision(known) @ z
    both = np.vstack([known, pending])
    cross = kernel(X, both)
    variance = 1 - np.einsum("ij,jk,ik->i", cross, precision(both), cross)
    scale = (z @ alpha + 2) / (len(z) + 2)
    return kernel(X, known) @ alpha, np.sqrt(scale * (variance + noise * process._noise))


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("n_pending", [0, 1, 16])
@pytest.mark.parametrize("n", [1, 2, 50, 150])
def test_predictions_are_those_of_the_inverse(n: int, n_pending: int, noise: bool):
    X, z = data(n, 0.1) if n > 1 else (np.full((1, 3), 0.5), np.ones(1))
    process = GaussianProcess().fit(X, z)
    rng = np.random.default_rng(1)
    new, pending = rng.random((40, 3)), rng.random((n_pending, 3))
    found = process.predict(new, pending, noise=noise)
    expected = reference(process, new, pending, noise)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-8, atol=1e-10)
    # The variance is what observations leave of one: its last digits are lost either way.
    np.testing.assert_allclose(found[1] ** 2, expected[1] ** 2, rtol=1e-8, atol=1e-9)


def test_pending_points_may_repeat_known_ones_and_one_another():
    X, z = data(20)
    process = GaussianProcess().fit(X, z)
    pending = np.repeat(X[:2], 5, axis=0)
    mean, sd = process.predict(X, pending, noise=False)
    assert np.isfinite(mean).all()
    assert (sd > 0).all()


def test_a_matrix_that_rounding_made_indefinite_gets_more_jitter():
    K = np.ones((30, 30))
    K[np.diag_indices(30)] -= 1e-9
    assert np.linalg.eigvalsh(K).min() < 0
    factor = np.tril(_cholesky(K))
    np.testing.assert_allclose(factor @ factor.T, K, atol=1e-6)


@pytest.mark.parametrize("n_failures", [1, 2])
def test_a_failed_fit_tries_other_values_and_then_says_so(
    monkeypatch: pytest.MonkeyPatch, n_failures: int, recwarn: pytest.WarningsRecorder
):
    X, z = data(30, 0.1)
    earlier = GaussianProcess().fit(X, z)
    starts = []
    minimize = scipy.optimize.minimize

    def failing(fun, x0, **options):
        starts.append(x0)
        if len(starts) <= n_failures:
            return OptimizeResult(x=np.full(len(x0), np.nan), fun=np.nan, success=False)
        return minimize(fun, x0, **options)

    monkeypatch.setattr(scipy.optimize, "minimize", failing)
    _tell_of_failed_fit.cache_clear()
    process = GaussianProcess().fit(X[1:], z[1:], start=earlier)
    assert len(starts) == 2
    np.testing.assert_array_equal(starts[0], earlier._theta)
    assert np.isfinite(process.predict(X)).all()
    told = [str(w.message) for w in recwarn if "could not be fitted" in str(w.message)]
    assert len(told) == n_failures - 1
