from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dev.coverage import draw
from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate import ConformalQuantileTrees
from optuna_llm.surrogate import QuantileEnsemble
from optuna_llm.surrogate.conformal import NeighbourWidth
from optuna_llm.surrogate.conformal import check_levels
from optuna_llm.surrogate.conformal import score_quantiles
from optuna_llm.surrogate.conformal import shrunk_score_quantiles
from optuna_llm.surrogate.table import sample_rows


def test_score_quantiles_cover_one_more_score_as_promised():
    rng = np.random.default_rng(0)
    scores, new = rng.exponential(size=(4000, 20)), rng.exponential(size=4000)
    levels = np.array([0.1, 0.5, 0.8])
    quantiles = np.array([score_quantiles(row, levels) for row in scores])
    np.testing.assert_allclose((new[:, None] <= quantiles).mean(axis=0), levels, atol=0.02)


def test_weighted_scores_cover_as_promised_where_rows_were_chosen_by_value():
    rng = np.random.default_rng(2)
    levels = np.array([0.1, 0.5, 0.8])
    covered = []
    for _ in range(1500):
        scores, new = rng.exponential(size=200), rng.exponential()
        rows, weights = sample_rows(scores, 60, rng, best_share=0.5)
        covered.append(new <= score_quantiles(scores[rows], levels, weights))
    np.testing.assert_allclose(np.mean(covered, axis=0), levels, atol=0.03)


def test_equal_weights_are_none():
    scores = np.random.default_rng(0).random(17)
    levels = np.array([0.01, 0.3, 0.5, 0.99])
    np.testing.assert_allclose(
        score_quantiles(scores, levels, np.full(17, 3.0)), score_quantiles(scores, levels)
    )


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
@pytest.mark.parametrize("noise", ["normal", "heteroscedastic", "skewed"])
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
        X, y = draw(n, noise, rng)
        X_new, y_new = draw(400, noise, rng)
        q = surrogate(seed=repeat).fit(X, y).predict(X_new, levels)
        inside = [(q[:, i] <= y_new) & (y_new <= q[:, -1 - i]) for i in (0, 1)]
        covered.append(np.mean(inside, axis=1))
    np.testing.assert_allclose(np.mean(covered, axis=0), [0.8, 0.6], atol=tolerance)
