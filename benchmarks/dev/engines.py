"""Boosted-tree engines for the bag of five folds: CPU time and error.

python -m benchmarks.dev.engines
"""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

import numpy as np

from optuna_llm.surrogate.trees import BaggedTrees
from optuna_llm.surrogate.trees import fold_numbers


N_FOLDS = 5
N_CANDIDATES = 2048


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return six uniform features and 4 + 3 one-hot ones, and a function with a cliff."""
    rng = np.random.default_rng(seed)
    X = np.zeros((n, 13))
    X[:, :6] = rng.random((n, 6))
    for start, n_choices in ((6, 4), (10, 3)):
        X[np.arange(n), start + rng.integers(n_choices, size=n)] = 1
    y = ((X[:, :5] - 0.4) ** 2).sum(axis=1) + X[:, 0] * X[:, 1] + 0.3 * np.sin(8 * X[:, 2])
    y += 0.5 * X[:, 6] * X[:, 3] + np.where(X[:, 4] > 0.9, 2, 0) - 0.4 * X[:, 8]
    return X, y


def own(X: np.ndarray, y: np.ndarray, X_new: np.ndarray, seed: int) -> np.ndarray:
    return BaggedTrees(np.random.default_rng(seed), n_folds=N_FOLDS).fit(X, y).predict(X_new)


def bag(build: Callable[[int], Any]) -> Callable[..., np.ndarray]:
    """Return a cross-fitted bag of any regressor."""

    def predict(X: np.ndarray, y: np.ndarray, X_new: np.ndarray, seed: int) -> np.ndarray:
        folds = fold_numbers(len(y), N_FOLDS, np.random.default_rng(seed))
        models = [build(seed).fit(X[folds != f], y[folds != f]) for f in range(N_FOLDS)]
        return np.asarray(np.mean([model.predict(X_new) for model in models], axis=0))

    return predict


def main() -> None:
    """Print CPU milliseconds (fit and predict) and the mean absolute error of each engine."""
    from lightgbm import LGBMRegressor
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor

    stages = {"learning_rate": 0.15}
    engines = {
        "own": own,
        "scikit-learn": bag(
            lambda s: GradientBoostingRegressor(
                n_estimators=50, subsample=0.7, random_state=s, **stages
            )
        ),
        "histogram": bag(
            lambda s: HistGradientBoostingRegressor(
                max_iter=50, max_leaf_nodes=7, min_samples_leaf=3, random_state=s, **stages
            )
        ),
        "LightGBM": bag(
            lambda s: LGBMRegressor(
                n_estimators=50,
                num_leaves=7,
                min_child_samples=3,
                min_data_in_bin=1,
                n_jobs=1,
                verbose=-1,
                **stages,
            )
        ),
    }
    X_new, y_new = draw(N_CANDIDATES, 99)
    scale = np.abs(y_new - np.median(y_new)).mean()
    for n in (20, 50, 100, 300):
        for name, predict in engines.items():
            errors, seconds = [], []
            for seed in range(7):
                X, y = draw(n, seed)
                start = time.process_time()
                predicted = predict(X, y, X_new, seed)
                seconds.append(time.process_time() - start)
                errors.append(np.abs(predicted - y_new).mean() / scale)
            print(f"n={n:4} {name:12} {1e3 * np.median(seconds):6.0f} ms {np.mean(errors):.3f}")


if __name__ == "__main__":
    main()
