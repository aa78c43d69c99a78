from __future__ import annotations

import numpy as np
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate.density_ratio import DensityRatio


def _table(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).random((n, 3))
    return X, (X[:, 0] - 0.3) ** 2


@pytest.mark.parametrize("weighted", [True, False])
def test_it_tells_where_the_best_lie(weighted: bool) -> None:
    X, y = _table()
    model = DensityRatio(seed=0, weighted=weighted).fit(X, y)
    new = np.random.default_rng(1).random((500, 3))
    good = (new[:, 0] - 0.3) ** 2 < np.quantile(y, 1 / 3)
    odds = model.log_odds(new)
    assert odds[good].mean() > odds[~good].mean() + 1
    assert np.isfinite(odds).all()


def test_labels_go_by_rank() -> None:
    X, y = _table()
    plain = DensityRatio(seed=0, weighted=False).fit(X, y)
    warped = DensityRatio(seed=0, weighted=False).fit(X, np.exp(30 * y))
    assert np.array_equal(plain.log_odds(X), warped.log_odds(X))


def test_weights_prefer_the_best_of_the_good() -> None:
    # Two good places, one of them much better: only weights tell them apart.
    X = np.repeat([[0.1], [0.5], [0.9]], 20, axis=0)
    y = np.repeat([0.0, 1.0, 0.9], 20) + 1e-6 * np.arange(60)
    good = np.array([[0.1], [0.9]])
    plain, weighted = (
        DensityRatio(seed=0, share=2 / 3, weighted=w).fit(X, y).log_odds(good)
        for w in (False, True)
    )
    assert plain[0] - plain[1] < 0.1
    assert weighted[0] - weighted[1] > 1


def test_ties_and_what_has_no_value() -> None:
    X, _ = _table(12)
    # All alike: the oldest count as good, and nothing breaks.
    assert np.isfinite(DensityRatio(seed=0).fit(X, np.zeros(12)).log_odds(X)).all()
    nothing = DensityRatio(seed=0).fit(X, np.full(12, np.inf))
    assert np.array_equal(nothing.probability(X), np.full(12, 0.5))
    failed = np.where(X[:, 0] > 0.5, np.inf, X[:, 1])
    model = DensityRatio(seed=0).fit(X, failed)
    assert model.log_odds(X[X[:, 0] > 0.5]).max() < model.log_odds(X[np.argsort(failed)[:2]]).min()


@pytest.mark.parametrize("values", [[-np.inf, 0.0, 1.0, 2.0], [-1e308, 0.0, 1e308, 1e308]])
def test_values_may_be_extreme(values: list[float]) -> None:
    X = np.linspace(0, 1, 4)[:, None]
    assert np.isfinite(DensityRatio(seed=0).fit(X, np.array(values)).log_odds(X)).all()


def test_tables_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="NaN"):
        DensityRatio(seed=0).fit(np.zeros((2, 1)), np.array([0.0, np.nan]))
