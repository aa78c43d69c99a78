from __future__ import annotations

import numpy as np

from optuna_llm.surrogate.activity import Activity


def test_a_choice_and_a_threshold_and_what_hangs_on_them():
    rng = np.random.default_rng(0)
    # booster (3 choices), depth (with booster 1 or 2), number of layers, second layer, its dropout
    n_choices = np.array([3, 0, 0, 0, 2])
    X = np.column_stack(
        [
            rng.integers(3, size=40),
            rng.random(40),
            rng.integers(4, size=40) / 3,
            rng.random(40),
            rng.integers(2, size=40),
        ]
    ).astype(float)
    whole = np.column_stack([rng.integers(3, size=200), rng.random((200, 4))]).astype(float)
    whole[:, 2] = np.round(3 * whole[:, 2]) / 3
    whole[:, 4] = 1

    def active(rows: np.ndarray) -> np.ndarray:
        rows = rows.copy()
        rows[rows[:, 0] == 0, 1] = np.nan
        rows[rows[:, 2] < 0.5, 3:] = np.nan
        return rows

    found = Activity(active(X), n_choices).apply(whole)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(active(whole)))


def test_a_nested_condition_follows_its_reason():
    X = np.array([[0.0, np.nan, np.nan], [1, 0, np.nan], [1, 1, 0.3], [0, np.nan, np.nan]] * 3)
    found = Activity(X, np.array([2, 2, 0])).apply(np.array([[0.0, 1, 0.5], [1, 1, 0.5]]))
    np.testing.assert_array_equal(np.isnan(found), [[False, True, True], [False] * 3])


def test_without_a_reason_everything_stays_active():
    X = np.array([[np.nan, 0.5], [0.5, np.nan]])
    candidates = np.array([[0.1, 0.2]])
    np.testing.assert_array_equal(Activity(X, np.array([0, 0])).apply(candidates), candidates)
    np.testing.assert_array_equal(
        Activity(np.full((2, 2), 0.5), np.array([0, 0])).apply(candidates), candidates
    )
