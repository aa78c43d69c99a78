from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate import ConformalQuantileTrees
from optuna_llm.surrogate import QuantileEnsemble
from optuna_llm.surrogate.conformal import NeighbourWidth
from optuna_llm.surrogate.conformal import check_levels
from optuna_llm.surrogate.conformal import exact_calibration_set
from optuna_llm.surrogate.conformal import interval_offset
from optuna_llm.surrogate.conformal import score_quantiles
from optuna_llm.surrogate.conformal import shrunk_score_quantiles
from optuna_llm.surrogate.conformal import smallest_calibration_set


Noise = Callable[[np.random.Generator, np.ndarray], np.ndarray]
NOISES: dict[str, Noise] = {
    "normal": lambda rng, X: 0.3 * rng.standard_normal(len(X)),
    "heteroscedastic": lambda rng, X: (0.1 + 0.5 * X[:, 3]) * rng.standard_normal(len(X)),
    "skewed": lambda rng, X: 0.3 * rng.exponential(size=len(X)),
}


def exchangeable(n: int, noise: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = np.zeros((n, 8))
    X[:, :5] = rng.random((n, 5))
    X[np.arange(n), 5 + rng.integers(3, size=n)] = 1
    mean = 3 * ((X[:, :3] - 0.4) ** 2).sum(axis=1) + X[:, 0] * X[:, 1] + 0.5 * X[:, 5]
    return X, mean + NOISES[noise](rng, X)


def test_score_quantiles_cover_one_more_score_as_promised():
    rng = np.random.default_rng(0)
    scores, new = rng.exponential(size=(4000, 20)), rng.exponential(size=4000)
    levels = np.array([0.1, 0.5, 0.8])
    quantiles = np.array([score_quantiles(row, levels) for row in scores])
    np.testing.assert_allclose((new[:, None] <= quantiles).mean(axis=0), levels, atol=0.02)


def test_interval_offset_covers_as_promised_whatever_the_intervals():
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(3000):
        y = rng.standard_normal(31)
        lower, upper = np.full(31, -0.2), np.full(31, 0.1)
        offset = interval_offset(lower[1:], upper[1:], y[1:], 0.8)
        covered.append(lower[0] - offset <= y[0] <= upper[0] + offset)
    assert np.mean(covered) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("coverages", "at_least", "n"),
    [([0.8, 0.6], 5, 9), ([2 / 3, 1 / 3], 5, 5), ([0.8], 4, 4), ([0.5], 30, 31)],
)
def test_levels_are_order_statistics_of_the_calibration_set(
    coverages: list[float], at_least: int, n: int
):
    assert exact_calibration_set(coverages, at_least) == n


def test_too_wide_intervals_are_narrowed():
    y = np.linspace(-1, 1, 99)
    assert interval_offset(np.full(99, -5.0), np.full(99, 5.0), y, 0.5) < -4


@pytest.mark.parametrize(("coverage", "n"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19)])
def test_no_promise_from_too_few_scores(coverage: float, n: int):
    assert smallest_calibration_set(coverage) == n
    y = np.arange(float(n))
    assert np.isfinite(interval_offset(y - 1, y + 1, y, coverage))
    assert interval_offset(y[1:] - 1, y[1:] + 1, y[1:], coverage) == np.inf


def test_without_scores_quantiles_are_normal_and_few_lean_on_it():
    levels = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(
        shrunk_score_quantiles(np.empty(0), levels), [-1.2816, 0, 1.2816], atol=1e-4
    )
    few = shrunk_score_quantiles(np.zeros(3), levels)
    many = shrunk_score_quantiles(np.zeros(60), levels)
    assert few[2] > 0.3
    np.testing.assert_array_equal(many, 0)


def test_width_grows_away_from_known_and_pending_points():
    X = np.linspace(0, 1, 11)[:, None]
    width = NeighbourWidth(X)
    near, far = width(np.array([[0.5], [1.15]]))
    assert near == 0.25
    assert far > 1
    assert width(np.array([[1.15]]), pending=np.array([[1.15]]))[0] == 0.25
    np.testing.assert_allclose(width.own(), 1.0)


@pytest.mark.parametrize("levels", [[], [0.0], [0.5, 1.0], [[0.5]], [np.nan]])
def test_levels_are_checked(levels: list):
    with pytest.raises(ConfigurationError, match="levels"):
        check_levels(np.array(levels))


# The spread over calibration sets of a few rows is large: the published method needs many more
# repetitions for the same precision than are affordable here (see benchmarks/dev/coverage.py).
@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [50, 100, 200])
@pytest.mark.parametrize(
    ("surrogate", "n_repeats", "tolerance"),
    [(QuantileEnsemble, 60, 0.02), (ConformalQuantileTrees, 8, 0.12)],
)
def test_intervals_cover_as_promised(
    surrogate: type, n_repeats: int, tolerance: float, n: int, noise: str
):
    levels = (0.1, 0.2, 0.8, 0.9)
    covered = []
    for repeat in range(n_repeats):
        rng = np.random.default_rng([n, repeat])
        X, y = exchangeable(n, noise, rng)
        X_new, y_new = exchangeable(400, noise, rng)
        q = surrogate(seed=repeat).fit(X, y).predict(X_new, levels)
        inside = [(q[:, i] <= y_new) & (y_new <= q[:, -1 - i]) for i in (0, 1)]
        covered.append(np.mean(inside, axis=1))
    np.testing.assert_allclose(np.mean(covered, axis=0), [0.8, 0.6], atol=tolerance)
