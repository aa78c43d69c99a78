from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from optuna_llm.surrogate.gaussian_process import GaussianProcess


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
