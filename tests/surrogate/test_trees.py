from __future__ import annotations

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from optuna_llm.surrogate.trees import BaggedTrees
from optuna_llm.surrogate.trees import fold_numbers


def data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).random((n, 5))
    return X, np.where(X[:, 0] > 0.6, 1.0, X[:, 1]) + X[:, 2] ** 2


def test_folds_are_as_equal_as_can_be():
    counts = np.bincount(fold_numbers(23, 5, np.random.default_rng(0)))
    assert sorted(counts) == [4, 4, 5, 5, 5]


def test_as_accurate_as_scikit_learn():
    (X, y), (X_new, y_new) = data(100, 0), data(1000, 1)
    own = BaggedTrees(np.random.default_rng(0)).fit(X, y).predict(X_new)
    folds = fold_numbers(100, 5, np.random.default_rng(0))
    theirs = np.mean(
        [
            GradientBoostingRegressor(
                n_estimators=50, learning_rate=0.15, subsample=0.7, random_state=0
            )
            .fit(X[folds != fold], y[folds != fold])
            .predict(X_new)
            for fold in range(5)
        ],
        axis=0,
    )
    assert np.abs(own - y_new).mean() < 1.15 * np.abs(theirs - y_new).mean()


def test_out_of_fold_predictions_are_as_bad_as_on_new_rows():
    (X, _), (X_new, _) = data(80, 0), data(500, 1)
    noise = np.random.default_rng(0).standard_normal(80)
    bag = BaggedTrees(np.random.default_rng(0)).fit(X, noise)
    # Nothing can be learned from noise: out of fold, the residual is no smaller than it.
    assert np.mean((noise - bag.out_of_fold) ** 2) > 0.95 * noise.var()
    assert np.mean((noise - bag.predict(X)) ** 2) < 0.6 * noise.var()
    assert np.std(bag.predict(X_new)) < 1.0


def test_a_table_of_constant_columns_gives_the_mean():
    bag = BaggedTrees(np.random.default_rng(0)).fit(np.ones((10, 2)), np.arange(10.0))
    np.testing.assert_allclose(bag.predict(np.zeros((3, 2))), 4.5, atol=0.5)
