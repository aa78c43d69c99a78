from __future__ import annotations

import numpy as np
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate import Feasibility
from optuna_llm.surrogate.feasibility import accepted_risk


def test_without_failures_everything_is_feasible():
    X = np.random.default_rng(0).random((5, 2))
    assert (Feasibility().probability(X) == 1).all()
    assert (Feasibility().fit(X, np.zeros(5, dtype=bool)).probability(X) == 1).all()
    assert (Feasibility().fit(X[:0], np.zeros(0, dtype=bool)).probability(X) == 1).all()


def test_one_failure_spoils_its_surroundings_only():
    X = np.random.default_rng(0).random((12, 2))
    X[0] = [0.9, 0.9]
    probability = Feasibility(seed=0).fit(X, np.arange(12) == 0).probability
    near, far = probability(np.array([[0.9, 0.9], [0.1, 0.1]]))
    assert near < far - 0.1
    assert far > 0.9


@pytest.mark.parametrize("n", [1, 2, 20])
def test_with_nothing_but_failures_other_places_are_better(n: int):
    X = np.random.default_rng(0).random((n, 2)) * 0.3
    probability = Feasibility(seed=0).fit(X, np.ones(n, dtype=bool)).probability
    assert np.isfinite(probability(X)).all()
    assert probability(np.array([[1.0, 1.0]]))[0] >= probability(X[:1])[0]
    assert (probability(X) < 0.5).all()


@pytest.mark.parametrize(
    "fails",
    [
        lambda X: X[:, 0] + X[:, 1] > 1.3,
        lambda X: X[:, 2] > 0.7,
        lambda X: (X[:, 0] > 0.6) & (X[:, 3] > 0.5),
    ],
    ids=["sum too large", "one limit", "corner"],
)
def test_a_failing_region_is_found_from_forty_trials(fails):
    rng = np.random.default_rng(0)
    accuracy = []
    for seed in range(5):
        X, X_new = rng.random((40, 6)), rng.random((400, 6))
        probability = Feasibility(seed=seed).fit(X, fails(X)).probability(X_new)
        accuracy.append(np.mean((probability < 0.5) == fails(X_new)))
    assert np.mean(accuracy) > 0.85


def test_more_of_what_failed_is_not_safer():
    rng = np.random.default_rng(1)
    X = rng.random((60, 3))
    line = np.full((21, 3), 0.5)
    line[:, 0] = np.linspace(0, 1, 21)
    probability = Feasibility(seed=0).fit(X, X[:, 0] > 0.6).probability(line)
    assert probability[0] > 0.9
    assert probability[-1] < 0.1
    assert np.diff(probability).max() < 0.1


def test_each_failure_lowers_the_accepted_risk_and_successes_raise_it():
    assert accepted_risk([True]) < accepted_risk([]) < accepted_risk([False] * 10)
    assert 0 < accepted_risk([True] * 50) < accepted_risk([True] * 50 + [False] * 50)
    assert accepted_risk([False] * 1000) < 1


def test_an_overconfident_model_is_held_to_the_wanted_share_of_failures():
    rng = np.random.default_rng(0)
    failed: list[bool] = []
    for _ in range(1000):
        # Of what it says to fail with probability p, in truth 3 p fail.
        failed.append(bool(rng.random() < 3 * accepted_risk(failed)))
    assert np.mean(failed[100:]) < 0.06


def test_missing_features_and_many_rows_are_fine():
    rng = np.random.default_rng(2)
    X = rng.random((3000, 3))
    X[X[:, 0] < 0.5, 1] = np.nan
    failed = X[:, 2] > 0.8
    probability = Feasibility(seed=0).fit(X, failed).probability(X)
    assert np.mean((probability < 0.5) == failed) > 0.9


def test_bad_shapes_are_named():
    with pytest.raises(ConfigurationError, match="failed of shape"):
        Feasibility().fit(np.zeros((3, 2)), np.zeros(2, dtype=bool))
