"""Where evaluations succeed: what parameters explain of the failures, and no more.

Evaluations fail because of their parameters (out of memory, divergence) or whatever these are (a
preempted worker, a broken network). So two explanations compete: a constant rate of failure, and a
classifier. Their weights are what they are worth out of fold (Bayesian model averaging by
pseudo-likelihoods, Geisser and Eddy 1979; Yao et al. 2018): a failure among successes that look
like it speaks for the constant rate, a second one where the first has warned for the classifier.

The classifier mixes three views: a Gaussian process with one length scale per feature (failures
are local and depend on few parameters), a ridge logistic regression (memory grows monotonously
with sizes) and boosted trees (hard limits on one parameter). The view that fits the trials best is
often not the one that is right about the next, which is to be unlike them; so all count alike.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate.gaussian_process import GaussianProcess
from optuna_llm.surrogate.table import FilledFeatures
from optuna_llm.surrogate.threads import one_blas_thread
from optuna_llm.surrogate.trees import BaggedTrees
from optuna_llm.surrogate.trees import fold_numbers


_MIN_ROWS_FOR_TREES = 16
_N_FOLDS = 5
# By how much more probable a classifier must make the failures before both count alike.
PRIOR_LOG_ODDS = -2.5
_WANTED_RISK = 0.01
_FIRST_RISK = 0.03
_RISK_STEP = 0.05
_RISK_BOUNDS = (0.002, 0.5)


def accepted_risk(failed: Iterable[bool], unexplained: float = 0.0) -> float:
    """Return the predicted probability to fail up to which the next candidate is acceptable.

    The point with the most to gain sits where a model of failures is too optimistic. So the
    accepted risk starts at 0.03, is lowered by each failure and slowly raised by successes, such
    that in the long run 1 % fail, or as many as fail for no reason (adaptive conformal inference,
    Gibbs and Candes 2021, equation 2), as far as any candidate is that safe.

    Args:
        failed: Outcomes of the model's own proposals, oldest first.
        unexplained: Rate of the failures that parameters do not explain; never less is accepted.
    """
    wanted = max(_WANTED_RISK, unexplained)
    risk = _FIRST_RISK
    for outcome in failed:
        risk = float(np.clip(risk + _RISK_STEP * (wanted - outcome), *_RISK_BOUNDS))
    return max(risk, unexplained)


class Feasibility:
    """The probability that an evaluation succeeds, learned from failures and successes.

    Args:
        seed: Seed of the trees, the folds and the choice of rows; None draws one.
        max_rows: Limit of training rows; beyond, all kinds of labels are kept in equal number
            as far as possible.
        tolerance: A success this near to a failure, in every feature, shows that its parameters
            were not the reason. Farther ones may lie on the other side of a border.

    Attributes:
        explained: How far the classifier is believed, against a constant rate, in [0, 1].
        unexplained_rate: The rate of failure where the classifier expects none.
    """

    def __init__(
        self, *, seed: int | None = None, max_rows: int = 150, tolerance: float = 0.002
    ) -> None:
        self._seed = seed
        self._tolerance = tolerance
        self._max_rows = max_rows
        self._members: list[_Member] = []
        self._rate = 0.0
        self.explained = 0.0
        self.unexplained_rate = 0.0

    @one_blas_thread
    def fit(self, X: np.ndarray, failed: np.ndarray) -> Feasibility:
        """Fit on evaluations.

        Args:
            X: Features (n, f), NaN where a parameter is inactive or unknown.
            failed: Which evaluations failed, bool, shape (n,). A failure at the place of a success
                is not held against the place.

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
        self._rate = self.explained = self.unexplained_rate = 0.0
        if not failed.any():
            return self
        self._rate = (failed.sum() + 0.5) / (len(failed) + 1)
        kept = ~(failed & _disproved(X, failed, self._tolerance))
        refuted = int(np.sum(~kept))
        self.unexplained_rate = float(refuted / len(failed))
        X, failed = X[kept], failed[kept]
        if not failed.any():
            return self
        rng = np.random.default_rng(self._seed)
        rows = _balanced_rows(failed, self._max_rows, rng)
        share = len(rows) / len(failed)
        X, failed = X[rows], failed[rows]
        self._features = FilledFeatures().fit(X)
        points, table = self._features.for_distances(X), self._features.for_trees(X)
        folds = _folds(failed, rng)
        process = _CrossFitted(_process, points, failed, folds)
        logistic = _CrossFitted(_logistic, points, failed, folds)
        self._members = [process, logistic]
        held_out = [process.out_of_fold, logistic.out_of_fold]
        if len(rows) >= _MIN_ROWS_FOR_TREES:
            trees = _Trees(table, failed, rng)
            self._members.append(trees)
            held_out.append(trees.out_of_fold)
        self._weigh(1 - np.mean(held_out, axis=0), failed, refuted * share)
        return self

    def _weigh(self, predicted: np.ndarray, failed: np.ndarray, refuted: float) -> None:
        """Compare what was predicted out of fold, (n,), with the constant rate."""
        n, k = len(failed), failed.sum()
        constant = (k - failed + 0.5) / n
        gain = np.sum(
            np.log(np.where(failed, predicted / constant, (1 - predicted) / (1 - constant)))
        )
        self.explained = float(1 / (1 + np.exp(-np.clip(gain + PRIOR_LOG_ODDS, -30, 30))))
        # Where the classifier sees least risk, what is left of it is the rate of accidents.
        least = float(np.quantile(predicted, 0.25)) + refuted / (n + refuted)
        self.unexplained_rate = self.explained * least + (1 - self.explained) * self._rate

    @one_blas_thread
    def risk(self, X: np.ndarray) -> np.ndarray:
        """Return the classifier's probability of failure at features (m, f): shape (m,)."""
        if not self._members:
            return np.zeros(len(X))
        points, table = self._features.for_distances(X), self._features.for_trees(X)
        views = [m.probability(table if isinstance(m, _Trees) else points) for m in self._members]
        return np.asarray(1 - np.mean(views, axis=0))

    def believed(self, risk: np.ndarray) -> np.ndarray:
        """Return the probability of failure (m,), given what the classifier says of it (m,)."""
        return np.asarray(self.explained * risk + (1 - self.explained) * self._rate)

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of success at features (m, f): shape (m,).

        Without any failure, and before :meth:`fit`, it is 1 everywhere.
        """
        return np.asarray(1 - self.believed(self.risk(X)))


def _disproved(X: np.ndarray, failed: np.ndarray, tolerance: float) -> np.ndarray:
    """Say at which rows (n,) another evaluation of the same place has succeeded."""
    found = np.zeros(len(X), dtype=bool)
    succeeded = X[~failed]
    for row in np.flatnonzero(failed):
        distance = np.abs(succeeded - X[row])
        same = (distance <= tolerance) | (np.isnan(succeeded) & np.isnan(X[row]))
        found[row] = same.all(axis=1).any()
    return found


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


def _folds(failed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random fold for each row (n,), both kinds shared out evenly."""
    folds = np.empty(len(failed), dtype=int)
    for kind in (failed, ~failed):
        folds[kind] = fold_numbers(int(kind.sum()), _N_FOLDS, rng)
    return folds


def _held_out(folds: np.ndarray) -> list[np.ndarray]:
    """Return the rows (n,) of each fold; none where a single fold has all."""
    rows = [folds == fold for fold in np.unique(folds)]
    return rows if len(rows) > 1 else []


# Maps features (m, f) to probabilities of success (m,).
_Predictor = Callable[[np.ndarray], np.ndarray]


class _CrossFitted:
    """A classifier of all rows, and for the known ones of all but their fold.

    What was fitted to a label knows it: length scales even where the row itself is left out.
    """

    def __init__(
        self,
        fit: Callable[[np.ndarray, np.ndarray], _Predictor],
        points: np.ndarray,
        failed: np.ndarray,
        folds: np.ndarray,
    ) -> None:
        self._n = len(failed)
        self._predict = fit(points, failed)
        self.out_of_fold = np.full(len(failed), 0.5)
        for held_out in _held_out(folds):
            predict = fit(points[~held_out], failed[~held_out])
            self.out_of_fold[held_out] = _clip(predict(points[held_out]), self._n)

    def probability(self, X: np.ndarray) -> np.ndarray:
        return _clip(self._predict(X), self._n)


def _process(points: np.ndarray, failed: np.ndarray) -> _Predictor:
    """Return a Gaussian process regression of the labels -1 and 1, squashed."""
    from scipy.special import ndtr

    labels = np.where(failed, -1.0, 1.0)
    # Two imagined successes: far from all data, success is the rule.
    centre = float((labels.sum() + 2) / (len(labels) + 2))
    process = GaussianProcess().fit(points, labels - centre)

    def predict(X: np.ndarray) -> np.ndarray:
        mean, sd = process.predict(X)
        return np.asarray(ndtr((mean + centre) / np.maximum(sd, 0.1)))

    return predict


def _logistic(points: np.ndarray, failed: np.ndarray) -> _Predictor:
    """Return a ridge logistic regression."""
    from scipy.special import expit

    weights = _logistic_weights(points, failed)
    return lambda X: np.asarray(expit(_design(X) @ weights))


def _design(points: np.ndarray) -> np.ndarray:
    return np.hstack([np.ones((len(points), 1)), 2 * points - 1])


def _logistic_weights(points: np.ndarray, failed: np.ndarray, ridge: float = 0.1) -> np.ndarray:
    """Return the weights of intercept and features, shape (1 + f,)."""
    from scipy.optimize import minimize
    from scipy.special import expit

    X, target = _design(points), (~failed).astype(float)
    penalty = np.full(X.shape[1], ridge)
    penalty[0] = 0.02

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        logits = X @ w
        value = np.logaddexp(0, logits).sum() - target @ logits + penalty @ w**2 / 2
        return value, X.T @ (expit(logits) - target) + penalty * w

    return np.asarray(minimize(loss, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B").x)


class _Trees:
    """Cross-fitted boosted trees on the labels 0 and 1."""

    def __init__(self, table: np.ndarray, failed: np.ndarray, rng: np.random.Generator) -> None:
        self._n = len(failed)
        self._trees = BaggedTrees(rng).fit(table, (~failed).astype(float))
        self.out_of_fold = _clip(self._trees.out_of_fold, self._n)

    def probability(self, X: np.ndarray) -> np.ndarray:
        return _clip(self._trees.predict(X), self._n)


_Member = _CrossFitted | _Trees
