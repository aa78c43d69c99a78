from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from optuna_llm.surrogate import even_levels
from optuna_llm.surrogate import expected_improvement
from optuna_llm.surrogate import log_expected_improvement
from optuna_llm.surrogate import lower_confidence_bound
from optuna_llm.surrogate import thompson_sampling


def test_thompson_sampling_draws_every_level_equally_often():
    quantiles = np.tile([1.0, 2.0, 3.0, 4.0], (8000, 1))
    utility = thompson_sampling(quantiles, np.random.default_rng(0))
    values, counts = np.unique(utility, return_counts=True)
    np.testing.assert_array_equal(values, [-4, -3, -2, -1])
    np.testing.assert_allclose(counts / 8000, 0.25, atol=0.02)


def test_lower_confidence_bound_prefers_the_lowest_quantile():
    quantiles = np.array([[0.0, 5.0], [1.0, 2.0], [-1.0, 9.0]])
    assert lower_confidence_bound(quantiles).argmax() == 2


@pytest.mark.parametrize("incumbent", [-1.0, 0.0, 2.0])
def test_expected_improvement_is_that_of_the_distribution(incumbent: float):
    levels = even_levels(199)
    exact = incumbent * norm.cdf(incumbent) + norm.pdf(incumbent)
    found = expected_improvement(norm.ppf(levels)[None], levels, incumbent)
    np.testing.assert_allclose(found, [exact], rtol=0.05)


def test_nothing_is_expected_where_all_quantiles_are_worse():
    assert expected_improvement(np.array([[1.0, 2.0]]), [0.3, 0.7], 0.5)[0] == 0


def test_log_expected_improvement_is_that_of_the_normal_distribution():
    levels = np.array([0.1, 0.5, 0.9])
    incumbents = np.array([100.0, 3.0, 0.0, -0.99, -1.01, -5.0, -8.0])
    exact = np.log(incumbents * norm.cdf(incumbents) + norm.pdf(incumbents))
    quantiles = norm.ppf(levels)[None]
    found = [log_expected_improvement(quantiles, levels, float(i))[0] for i in incumbents]
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_log_expected_improvement_orders_the_hopeless():
    quantiles = np.array([[9.0, 10, 11], [8.0, 10, 12], [99.0, 100, 101], [9.0, 9.5, 10]])
    utility = log_expected_improvement(quantiles, (0.16, 0.5, 0.84), -50.0)
    assert np.isfinite(utility).all()
    assert utility[1] > utility[0] > utility[2]
