"""BORE, ``CQRSampler(surrogate="classifier")``: order instead of values, as in its papers.

Tiao, Klein, Seeger, Bonilla, Archambeau and Ramos 2021, "BORE: Bayesian Optimization by
Density-Ratio Estimation" (ICML, arXiv:2102.09009):

1. let tau be the gamma quantile of the values, z = 1 where y <= tau, else 0;
2. train a classifier pi(x) of z;
3. take the candidate with the largest pi, which is the probability to improve on tau.

Song, Yu, Neiswanger and Ermon 2022, "A General Recipe for Likelihood-free Bayesian Optimization"
(ICML, arXiv:2206.13035), weigh each positive by a utility u(y) and add every row once more as a
negative. The odds S / (1 - S) of the classifier are then E[u | x] up to a factor: with
u = max(tau - y, 0) the expected improvement on tau.

Labels go by rank, so that ties and infinite values are no matter; what has no value (a trial that
failed, was pruned, broke a constraint or is under way) is a negative.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from optuna_llm.extras import import_extra
from optuna_llm.surrogate.table import FilledFeatures
from optuna_llm.surrogate.table import check_table


if TYPE_CHECKING:
    from typing_extensions import Self


_MIN_POSITIVES = 2
# One lucky value would take nearly all weight.
_MAX_WEIGHT = 3.0
# Trees are sure of what they have seen; odds are bounded by as many imagined rows of each class.
_IMAGINED = 0.5


class DensityRatio:
    """Where the best evaluations lie, relative to all of them: a classifier of the best share.

    The classifier is a bag of extremely randomised trees (Geurts, Ernst and Wehenkel 2006).

    Args:
        seed: Seed of the trees.
        share: Gamma, the share of the values that count as good.
        weighted: Whether good values count by their improvement on tau (Song et al. 2022), or all
            alike (Tiao et al. 2021).
        n_trees: Number of trees.
    """

    def __init__(
        self, *, seed: int, share: float = 1 / 3, weighted: bool = True, n_trees: int = 100
    ) -> None:
        self._seed = seed
        self._share = share
        self._weighted = weighted
        self._n_trees = n_trees

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train the classifier.

        Args:
            X: Features, shape (n, f), n >= 1, NaN where a parameter is inactive.
            y: Values, shape (n,), lower is better; infinite where there is none.

        Returns:
            Itself.

        Raises:
            ConfigurationError: Shapes do not fit, y holds NaN or X infinite values.
        """
        ensemble = import_extra(
            "sklearn", "sklearn.ensemble", extra="scikit-learn", need="Classifiers need"
        ).ensemble
        X, y = check_table(X, y)
        self._features = FilledFeatures().fit(X)
        table = self._features.for_trees(X)
        # Of equal values the older ones come first.
        order = np.argsort(y, kind="stable")
        n_good = min(max(_MIN_POSITIVES, math.ceil(self._share * len(y))), int(np.sum(y < np.inf)))
        good, rest = order[:n_good], order[n_good:]
        self._trees = None
        if n_good == 0 or (len(rest) == 0 and not self._weighted):
            return self
        weights = np.ones(n_good)
        if self._weighted:
            rest = order
            weights = _improvements(y[good], y[order[n_good]] if n_good < len(y) else np.inf)
        rows = np.concatenate([good, rest])
        labels = np.arange(len(rows)) < n_good
        # Both classes weigh alike.
        own = np.concatenate([weights / weights.sum(), np.full(len(rest), 1 / len(rest))])
        self._n = n_good
        self._trees = ensemble.ExtraTreesClassifier(
            self._n_trees, max_features=None, random_state=self._seed, n_jobs=1
        ).fit(table[rows], labels, sample_weight=own * len(rows) / 2)
        return self

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Return the classifier's probability to be good at features X (m, f): shape (m,)."""
        if self._trees is None or len(X) == 0:
            return np.full(len(X), 0.5)
        table = self._features.for_trees(np.asarray(X, dtype=float))
        found = self._trees.predict_proba(table)[:, 1]
        return np.asarray((found * self._n + _IMAGINED) / (self._n + 2 * _IMAGINED))

    def log_odds(self, X: np.ndarray) -> np.ndarray:
        """Return the logarithm of the odds to be good at features X (m, f): shape (m,).

        That of the expected improvement up to a constant where good values are weighted.
        """
        probability = self.probability(X)
        return np.asarray(np.log(probability) - np.log1p(-probability))


def _improvements(good: np.ndarray, tau: float) -> np.ndarray:
    """Return the weight of each good value, its improvement on tau, shape (n,), with mean <= 1."""
    finite = good[np.isfinite(good)]
    limit = tau if math.isfinite(tau) else float(finite.max(initial=0.0))
    gains = np.maximum(limit - np.maximum(good, finite.min(initial=limit)), 0.0)
    mean = gains.mean()
    if not (math.isfinite(mean) and mean > 0):
        return np.ones(len(good))
    # A good value that ties with tau still is one.
    return np.asarray(np.clip(gains / mean, 1e-3, _MAX_WEIGHT))
