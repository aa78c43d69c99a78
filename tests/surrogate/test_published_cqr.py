from __future__ import annotations

import numpy as np
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate import ConformalQuantileTrees
from optuna_llm.surrogate.published_cqr import exact_calibration_set
from optuna_llm.surrogate.published_cqr import interval_offset
from optuna_llm.surrogate.published_cqr import smallest_calibration_set


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


def test_median_and_too_narrow_calibration_stay_as_they_are():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 2)), rng.standard_normal(40)
    model = ConformalQuantileTrees(seed=0).fit(X, y)
    _, offsets = model._models((0.01, 0.25, 0.5, 0.75, 0.99))
    assert offsets[0] == offsets[2] == offsets[4] == 0
    assert offsets[1] == -offsets[3] != 0
    _, offsets = ConformalQuantileTrees(seed=0).fit(X[:32], y[:32])._models((0.25, 0.75))
    assert (offsets == 0).all()


def test_a_wrong_share_is_named():
    with pytest.raises(ConfigurationError, match="calibration_share"):
        ConformalQuantileTrees(calibration_share=1.0)
