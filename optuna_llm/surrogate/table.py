"""Tables of features and values as surrogates are fitted to them: checked, thinned, filled."""

from __future__ import annotations

import numpy as np

from optuna_llm.errors import ConfigurationError


def check_table(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, f) and values (n,) as arrays of floats, or say what is wrong.

    Raises:
        ConfigurationError: Shapes do not fit, y holds NaN or X infinite values.
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    if X.ndim != 2 or y.shape != (len(X),) or len(X) == 0:
        raise ConfigurationError(
            f"X of shape {X.shape} and y of shape {y.shape} must be (n, features) and (n,), "
            "with n >= 1."
        )
    if np.isnan(y).any():
        raise ConfigurationError("y contains NaN; leave failed trials out (see Feasibility).")
    if np.isinf(X).any():
        raise ConfigurationError("X contains infinite values; encode features into [0, 1].")
    return X, y


def select_rows(
    y: np.ndarray, limit: int, rng: np.random.Generator, *, best_share: float = 0.25
) -> np.ndarray:
    """Return the rows to train on: all, or a share of the limit the best, the rest at random."""
    return sample_rows(y, limit, rng, best_share=best_share)[0]


def sample_rows(
    y: np.ndarray, limit: int, rng: np.random.Generator, *, best_share: float = 0.25
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on, and their weights: how many rows each of them stands for.

    Rows chosen by value are not exchangeable with a new one; weighted, the sample is as good as
    all rows (Horvitz and Thompson 1952).

    Args:
        y: Values, or places, shape (n,), lower is better.
        limit: How many rows to return at most.
        rng: Source of the choice.
        best_share: Share of the limit that the best rows take; the others are drawn.

    Returns:
        Row numbers, increasing, and weights that sum to n, both of shape (min(n, limit),).
    """
    n = len(y)
    if n <= limit:
        return np.arange(n), np.ones(n)
    order = np.argsort(y, kind="stable")
    n_best = round(best_share * limit)
    best, rest = order[:n_best], order[n_best:]
    weight = np.ones(n)
    weight[rest] = len(rest) / max(limit - n_best, 1)
    drawn = rng.choice(rest, limit - n_best, replace=False)
    rows = np.sort(np.concatenate([best, drawn]))
    return rows, weight[rows]


class FilledFeatures:
    """Features without NaN: for trees, -1 marks what is missing; for distances, flags do."""

    def fit(self, X: np.ndarray) -> FilledFeatures:
        """Learn from X (n, f) which columns can be missing, grouping those that go together."""
        missing = np.isnan(X)
        _, first = np.unique(missing, axis=1, return_index=True)
        self._flags = [c for c in sorted(first) if missing[:, c].any()]
        return self

    def for_trees(self, X: np.ndarray) -> np.ndarray:
        """Return (m, f) with -1 for NaN."""
        return np.where(np.isnan(X), -1.0, X)

    def for_distances(self, X: np.ndarray) -> np.ndarray:
        """Return (m, f + flags): NaN becomes the centre, a 0/1 flag says which group lacks."""
        missing = np.isnan(X)
        return np.hstack([np.where(missing, 0.5, X), missing[:, self._flags].astype(float)])
