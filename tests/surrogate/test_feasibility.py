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


def test_one_failure_proves_nothing():
    X = np.random.default_rng(0).random((12, 2))
    X[0] = [0.9, 0.9]
    model = Feasibility(seed=0).fit(X, np.arange(12) == 0)
    near, far = model.probability(np.array([[0.9, 0.9], [0.1, 0.1]]))
    assert model.explained < 0.5
    assert 0.7 < near < far
    assert model.risk(np.array([[0.9, 0.9]]))[0] > model.risk(np.array([[0.1, 0.1]]))[0] + 0.1


def test_a_second_failure_where_the_first_has_warned_is_believed():
    rng = np.random.default_rng(0)
    X = rng.random((30, 2))
    failed = (X > 0.6).all(axis=1)
    assert 3 <= failed.sum() <= 8
    model = Feasibility(seed=0).fit(X, failed)
    assert model.explained > 0.9
    assert model.unexplained_rate < 0.06


@pytest.mark.parametrize("rate", [0.05, 0.2])
@pytest.mark.parametrize(("n", "n_features"), [(60, 4), (30, 12)])
def test_failures_that_parameters_do_not_explain_are_a_rate(n: int, n_features: int, rate: float):
    explained, gaps = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.random((n, n_features))
        model = Feasibility(seed=0).fit(X, rng.random(n) < rate)
        explained.append(model.explained >= 0.5)
        gaps.append(np.ptp(model.probability(rng.random((200, n_features)))))
    assert np.mean(explained) <= 0.1
    assert np.median(gaps) < 0.1


def test_accidents_beside_a_failing_region_leave_it_its_rate():
    rng = np.random.default_rng(3)
    X = rng.random((120, 3))
    model = Feasibility(seed=0).fit(X, (X[:, 0] > 0.7) | (rng.random(120) < 0.15))
    assert model.explained > 0.9
    assert 0.05 < model.unexplained_rate < 0.3
    assert accepted_risk([], model.unexplained_rate) >= model.unexplained_rate


def test_failures_on_both_sides_of_a_border_are_no_accidents():
    # A search that ends at a border fails on one side of a small step, and not on the other.
    rng = np.random.default_rng(5)
    X = np.vstack([rng.random((40, 3)), rng.normal([0.6, 0.4, 0.5], 0.01, (40, 3))])
    failed = X[:, 0] > 0.6
    model = Feasibility(seed=0).fit(X, failed)
    assert model.explained > 0.9
    assert model.unexplained_rate < 0.15
    beyond, within = model.risk(np.array([[0.605, 0.4, 0.5], [0.595, 0.4, 0.5]]))
    assert beyond > 0.7
    assert within < 0.3


def test_a_success_at_the_place_of_a_failure_cures_it():
    X = np.random.default_rng(0).random((12, 2))
    X[1] = X[0] + 0.001
    model = Feasibility(seed=0).fit(X, np.arange(12) == 0)
    assert model.explained == 0
    assert np.ptp(model.probability(np.vstack([X[:1], 1 - X[:1]]))) == 0


@pytest.mark.parametrize("n", [1, 2, 20])
def test_no_candidates_have_no_probability(n: int):
    X = np.random.default_rng(0).random((n, 2))
    for failed in (np.arange(n) == 0, np.zeros(n, dtype=bool)):
        assert Feasibility(seed=0).fit(X, failed).probability(X[:0]).shape == (0,)


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
