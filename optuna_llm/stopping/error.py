"""How well the value of the best trial is known: what is smaller is not worth further trials."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.history.repeats import repeated
from optuna_llm.stopping.remaining import loss_of


if TYPE_CHECKING:
    from optuna_llm.history.history import Observation
    from optuna_llm.stopping.remaining import Remaining


# The user attribute in which an objective leaves the scores of its folds, ...
SCORES_KEY = "llm:scores"
# ... and the system attribute in which those written for optuna.terminator leave them.
OLD_SCORES_KEY = "terminator:cv_scores"
_SHARE_OF_SPREAD = 0.003


@dataclass(frozen=True)
class Error:
    """A difference between values that says nothing.

    Attributes:
        value: In units of the objective.
        reason: Where it is known from, in words.
    """

    value: float
    reason: str


def error_of_best(remaining: Remaining) -> Error | None:
    """Return the standard error of the best trial's value; None where nothing tells it.

    By the scores of its folds, by trials that repeat one another, else by the noise that a
    Gaussian process is clear about.
    """
    best = remaining.best
    if (scores := _scores(best)) is not None:
        return Error(fold_error(scores), f"the standard error of its {len(scores)} folds")
    groups = repeated(remaining.feasible)
    freedom = sum(len(g) - 1 for g in groups)
    if freedom:
        squares = sum(float(np.var([loss_of(o) for o in g]) * len(g)) for g in groups)
        n_own = next(len(g) for g in groups if best in g)
        error = math.sqrt(squares / freedom / n_own)
        if error > 0:
            return Error(error, f"its standard error by {freedom} repeated trials")
        return None
    model = remaining.surrogate.regressor
    if not model.noise_is_clear:
        return None
    features = remaining.surrogate.features([best.params])
    widths = [
        float(np.ptp(model.predict(features, (0.16, 0.84), noise=noise)) / 2)
        for noise in (True, False)
    ]
    error = math.sqrt(max(widths[0] ** 2 - widths[1] ** 2, 0.0))
    return Error(error, "the noise that the surrogate sees") if error > 0 else None


def fold_error(scores: np.ndarray) -> float:
    """Return the standard error of a mean of k folds whose training sets overlap.

    Nadeau and Bengio 2003: the variance of the scores times 1/k + n_test/n_train, which is
    1/k + 1/(k - 1) for k folds; it is the estimate of Makarova et al. 2022.

    Args:
        scores: Shape (k,), k >= 2.
    """
    k = len(scores)
    return float(np.std(scores, ddof=1) * math.sqrt(1 / k + 1 / (k - 1)))


def spread(remaining: Remaining) -> Error:
    """Return three thousandths of the interquartile range of the better half of the trials."""
    losses = np.sort([loss_of(o) for o in remaining.feasible])
    better = losses[: (len(losses) + 1) // 2]
    low, high = np.quantile(better, (0.25, 0.75))
    return Error(
        _SHARE_OF_SPREAD * float(high - low),
        "0.3% of the interquartile range of the better half",
    )


def _scores(o: Observation) -> np.ndarray | None:
    """Return the scores of a trial's folds, where it has left at least two that are finite."""
    left: Any = o.trial.user_attrs.get(SCORES_KEY, o.trial.system_attrs.get(OLD_SCORES_KEY))
    try:
        scores = np.asarray(left, dtype=float)
    except (TypeError, ValueError):
        return None
    usable = scores.ndim == 1 and len(scores) > 1 and bool(np.isfinite(scores).all())
    return scores if usable else None
