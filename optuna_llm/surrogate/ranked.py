"""What a finished study says of a configuration: the rank that it would have had there."""

from __future__ import annotations

import numpy as np

from optuna_llm.surrogate.gaussian_process import GaussianProcess
from optuna_llm.surrogate.table import FilledFeatures
from optuna_llm.surrogate.table import select_rows
from optuna_llm.surrogate.targets import TargetTransform
from optuna_llm.surrogate.threads import one_blas_thread


class RankedStudy:
    """A Gaussian process of Gaussianised ranks (Salinas et al. 2020), for its mean alone.

    Ranks have no unit, so studies of other data, or of another metric, compare.

    Args:
        max_rows: Limit of training rows; half of these are the best ones.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows

    @one_blas_thread
    def fit(self, X: np.ndarray, y: np.ndarray) -> RankedStudy:
        """Fit to features (n, f) and results (n,), n >= 2, lower is better."""
        rows = select_rows(y, self._max_rows, np.random.default_rng(0), best_share=0.5)
        z = TargetTransform("rank").fit_transform(y)
        self._features = FilledFeatures().fit(X[rows])
        self._process = GaussianProcess().fit(self._features.for_distances(X[rows]), z[rows])
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the normal quantile of the rank at features (m, f): (m,), low is good."""
        return self._process.mean(self._features.for_distances(X))


def rank_agreement(expected: np.ndarray, found: np.ndarray) -> float:
    """Return Kendall's tau of two rankings of n things, each (n,), from -1 to 1; ties count half.

    0 where there is nothing to compare.
    """
    i, j = np.triu_indices(len(found), 1)
    if len(i) == 0:
        return 0.0
    return float(np.mean(np.sign(expected[i] - expected[j]) * np.sign(found[i] - found[j])))
