"""Where evaluations succeed: a classifier that is sharp after few failures.

Three views of the same labels are mixed: a Gaussian process with one length scale per feature
(failures are local and depend on few parameters), a ridge logistic regression (memory grows
monotonously with sizes) and boosted trees (hard limits on one parameter). The view that fits the
trials best is often not the one that is right about the next, which is to be unlike them; so all
count alike. How sure of success a candidate must be follows from how often that was enough
(adaptive conformal inference, Gibbs and Candes 2021).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate.gaussian_process import GaussianProcess
from optuna_llm.surrogate.quantile import FilledFeatures
from optuna_llm.surrogate.trees import BaggedTrees


_MIN_ROWS_FOR_TREES = 16
_WANTED_RISK = 0.01
_FIRST_RISK = 0.03
_RISK_STEP = 0.05
_RISK_BOUNDS = (0.002, 0.5)


def accepted_risk(failed: Iterable[bool]) -> float:
    """Return the predicted probability to fail up to which the next candidate is acceptable.

    The point with the most to gain sits where a model of failures is too optimistic. So the
    accepted risk starts at 0.03, is lowered by each failure and slowly raised by successes, such
    that in the long run 1 % fail (Gibbs and Candes 2021, equation 2), as far as any candidate is
    that safe.

    Args:
        failed: Outcomes of the model's own proposals, oldest first.
    """
    risk = _FIRST_RISK
    for outcome in failed:
        risk = float(np.clip(risk + _RISK_STEP * (_WANTED_RISK - outcome), *_RISK_BOUNDS))
    return risk


class Feasibility:
    """The probability that an evaluation succeeds, learned from failures and successes.

    Args:
        seed: Seed of the trees and of the choice of rows; None draws one.
        max_rows: Limit of training rows; beyond, all kinds of labels are kept in equal number
            as far as possible.
    """

    def __init__(self, *, seed: int | None = None, max_rows: int = 150) -> None:
        self._seed = seed
        self._max_rows = max_rows
        self._members: list[_Member] = []

    def fit(self, X: np.ndarray, failed: np.ndarray) -> Feasibility:
        """Fit on evaluations.

        Args:
            X: Features (n, f), NaN where a parameter is inactive or unknown.
            failed: Which evaluations failed or broke a constraint, bool, shape (n,).

        Returns:
            Itself.

        Raises:
            ConfigurationError: Shapes do not fit.
        """
        X, failed = np.asarray(X, dtype=float), np.asarray(failed, dtype=bool)
        if X.ndim != 2 or failed.shape != (len(X),):
            raise ConfigurationError(
                f"X of shape {X.shape} and failed of shape {failed.shape} must be "
                "(n, features) and (n,)."
            )
        self._members = []
        if not failed.any():
            return self
        rng = np.random.default_rng(self._seed)
        rows = _balanced_rows(failed, self._max_rows, rng)
        X, failed = X[rows], failed[rows]
        self._features = FilledFeatures().fit(X)
        points, table = self._features.for_distances(X), self._features.for_trees(X)
        members: list[_Member] = [_Process(points, failed), _Logistic(points, failed)]
        if len(rows) >= _MIN_ROWS_FOR_TREES:
            members.append(_Trees(table, failed, rng))
        self._members = members
        return self

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of success at features (m, f): shape (m,).

        Without any failure, and before :meth:`fit`, it is 1 everywhere.
        """
        if not self._members:
            return np.ones(len(X))
        points, table = self._features.for_distances(X), self._features.for_trees(X)
        views = [m.probability(table if isinstance(m, _Trees) else points) for m in self._members]
        return np.asarray(np.mean(views, axis=0))


def _balanced_rows(failed: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows at random: of each kind half the limit, or what the other kind leaves of it."""
    if len(failed) <= limit:
        return np.arange(len(failed))
    rows = []
    for kind in (failed, ~failed):
        own = np.flatnonzero(kind)
        quota = max(limit // 2, limit - int(np.sum(~kind)))
        rows.append(own if len(own) <= quota else rng.choice(own, quota, replace=False))
    return np.sort(np.concatenate(rows))


def _clip(probability: np.ndarray, n: int) -> np.ndarray:
    """Return probabilities no surer than n observations allow."""
    return np.asarray(np.clip(probability, 0.5 / (n + 1), 1 - 0.5 / (n + 1)))


class _Process:
    """Gaussian process regression of the labels, squashed by the normal distribution."""

    def __init__(self, points: np.ndarray, failed: np.ndarray) -> None:
        labels = np.where(failed, -1.0, 1.0)
        # Two imagined successes: far from all data, success is the rule.
        self._centre = float((labels.sum() + 2) / (len(labels) + 2))
        self._n = len(labels)
        self._process = GaussianProcess().fit(points, labels - self._centre)

    def probability(self, X: np.ndarray) -> np.ndarray:
        return self._squash(*self._process.predict(X))

    def _squash(self, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        return _clip(np.asarray(ndtr((mean + self._centre) / np.maximum(sd, 0.1))), self._n)


class _Logistic:
    """Ridge logistic regression by Newton's method."""

    def __init__(self, points: np.ndarray, failed: np.ndarray, ridge: float = 0.1) -> None:
        from scipy.special import expit

        X, target = self._design(points), (~failed).astype(float)
        penalty = np.full(X.shape[1], ridge)
        penalty[0] = 0.02
        self._w = np.zeros(X.shape[1])
        for _ in range(30):
            p = expit(X @ self._w)
            curvature = p * (1 - p)
            hessian = (X.T * curvature) @ X + np.diag(penalty)
            step = np.linalg.solve(hessian, X.T @ (p - target) + penalty * self._w)
            self._w -= step * min(1.0, 4.0 / (np.abs(step).max() + 1e-12))
            if np.abs(step).max() < 1e-6:
                break
        self._n = len(target)

    @staticmethod
    def _design(points: np.ndarray) -> np.ndarray:
        return np.hstack([np.ones((len(points), 1)), 2 * points - 1])

    def probability(self, X: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        return _clip(expit(self._design(X) @ self._w), self._n)


class _Trees:
    """Cross-fitted boosted trees on the labels 0 and 1."""

    def __init__(self, table: np.ndarray, failed: np.ndarray, rng: np.random.Generator) -> None:
        self._n = len(failed)
        self._trees = BaggedTrees(rng).fit(table, (~failed).astype(float))

    def probability(self, X: np.ndarray) -> np.ndarray:
        return _clip(self._trees.predict(X), self._n)


_Member = _Process | _Logistic | _Trees
