from __future__ import annotations

import numpy as np
import pytest

from optuna_llm.surrogate.table import FilledFeatures
from optuna_llm.surrogate.table import sample_rows
from optuna_llm.surrogate.table import select_rows


def test_the_best_rows_are_always_kept():
    y = np.random.default_rng(0).permutation(10_000).astype(float)
    rows = select_rows(y, 100, np.random.default_rng(0))
    assert len(set(rows)) == 100
    assert set(np.argsort(y)[:25]) <= set(rows)
    assert y[rows].max() > 5000


def test_weights_say_how_many_rows_each_stands_for():
    y = np.random.default_rng(0).permutation(1000).astype(float)
    rows, weights = sample_rows(y, 100, np.random.default_rng(0))
    np.testing.assert_array_equal(weights, np.where(y[rows] < 25, 1.0, 975 / 75))
    assert weights.sum() == pytest.approx(1000)
    rows, weights = sample_rows(y[:50], 100, np.random.default_rng(0))
    assert list(rows) == list(range(50))
    assert (weights == 1).all()
    assert (sample_rows(y, 100, np.random.default_rng(0), best_share=1.0)[1] == 1).all()


def test_columns_that_are_missing_together_share_a_flag():
    X = np.array([[0.1, np.nan, np.nan, 0.2], [0.3, 0.4, 0.6, np.nan]])
    features = FilledFeatures().fit(X)
    np.testing.assert_array_equal(
        features.for_distances(X), [[0.1, 0.5, 0.5, 0.2, 1, 0], [0.3, 0.4, 0.6, 0.5, 0, 1]]
    )
    np.testing.assert_array_equal(features.for_trees(X)[0], [0.1, -1, -1, 0.2])
