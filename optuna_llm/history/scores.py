"""Results as scores: one scale for every objective, on which 1000 is a good result.

A language model that is asked for a number, or given one to reach, needs a scale that looks the
same for a loss of 1e-8, for an accuracy and for several objectives at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from optuna.study import StudyDirection

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.history.losses import losses_of


BEST_SCORE = 1000.0
# Results far below zero approach this.
LOWEST_SCORE = -500.0
_HIGHEST = 10_000.0
# The share of the results that lie between 0 and 1000.
_POOR_QUANTILE = 0.75
# The better half of the results is to take more than this share of the scale.
_DULL = 0.1
# So many trials set the scale at first.
_FIRST_TRIALS = 5


@dataclass(frozen=True)
class ScoreScale:
    """A map from losses to scores: 1000 is the best loss, 0 one that a quarter do not reach.

    Both are those of the first five trials. They are set anew only where the scale is of no use
    any more: when a result is as far beyond the best as that from the poor one, and when the
    number of trials has doubled and the better half of them lie within a tenth of the scale. So
    what a score means stays the same for most of a study.

    In between and beyond 1000 it is linear; below zero it is bent, so that no score is below
    -500. A loss is the signed value of the only objective, an estimate of it for a trial that was
    stopped early, a scalarisation of several objectives, or the violation of the constraints
    where no trial meets them.

    Attributes:
        best, poor: The losses of the scores 1000 and 0.
        weights: Of the objectives, where there are several.
        by_violation: Whether losses are violations.
    """

    best: float
    poor: float
    weights: tuple[float, ...] = ()
    by_violation: bool = False

    @classmethod
    def of(cls, history: History, rng: np.random.Generator) -> ScoreScale:
        """Return the scale of a study as it is now; several objectives get random weights."""
        scored = _scored(history)
        weights: tuple[float, ...] = ()
        if history.is_multi_objective:
            drawn = rng.dirichlet(np.ones(len(history.directions)))
            weights = tuple(float(w) for w in drawn)
        by_violation = bool(scored) and all(o.violation > 0 for o in scored)
        losses = dict(sorted(_losses(scored, weights, by_violation).items()))
        best, poor = _ends(np.array(list(losses.values()), dtype=float))
        return cls(best, poor, weights, by_violation)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ScoreScale:
        """Return the scale that :meth:`to_dict` described."""
        return cls(**{**stored, "weights": tuple(stored["weights"])})

    def to_dict(self) -> dict[str, Any]:
        """Return the scale as JSON."""
        return asdict(self)

    def scores(self, history: History) -> dict[int, float]:
        """Return the scores of finished trials by number; failed ones have none."""
        return {number: float(self.score(loss)) for number, loss in self.losses(history).items()}

    def losses(self, history: History) -> dict[int, float]:
        """Return the losses of finished trials by number; ``best`` and ``poor`` play no part."""
        return _losses(_scored(history), self.weights, self.by_violation)

    def best_score(self, history: History) -> float:
        """Return the score of the best result so far."""
        return max(self.scores(history).values(), default=BEST_SCORE)

    def score(self, loss: float | np.ndarray) -> np.ndarray:
        """Return the scores of losses of any shape."""
        # Halves, because the difference of two huge losses may overflow.
        span = self.poor / 2 - self.best / 2
        linear = BEST_SCORE * ((self.poor / 2 - np.asarray(loss) / 2) / span)
        bent = LOWEST_SCORE * (1 - np.exp(np.clip(linear, -1e6, 0.0) / -LOWEST_SCORE))
        return np.where(linear < 0, bent, np.minimum(linear, _HIGHEST))

    def difference(self, deviation: float) -> float:
        """Return how far apart the scores of losses are that differ by so much."""
        return BEST_SCORE * deviation / (self.poor - self.best)

    def value(self, history: History, score: float) -> float | None:
        """Return the objective's own value of a score; None where a score is no such value."""
        if self.weights or self.by_violation:
            return None
        loss = self.poor - score / BEST_SCORE * (self.poor - self.best)
        return -loss if history.directions[0] == StudyDirection.MAXIMIZE else loss


def _ends(losses: np.ndarray) -> tuple[float, float]:
    """Return the losses of the scores 1000 and 0, as trials in their order have set them."""
    n_set = min(len(losses), _FIRST_TRIALS)
    doubled = 2 * n_set
    best, poor = _ends_of(losses[:n_set])
    for n in range(n_set + 1, len(losses) + 1):
        is_far_beyond = best / 2 - losses[n - 1] / 2 > poor / 2 - best / 2
        is_dull = n == doubled and _is_dull(losses[:n], best, poor)
        is_useless = is_dull or is_far_beyond or not np.isfinite(losses[:n_set]).any()
        if is_useless:
            n_set = n
            best, poor = _ends_of(losses[:n])
        if is_useless or n == doubled:
            doubled = 2 * n
    return best, poor


def _is_dull(losses: np.ndarray, best: float, poor: float) -> bool:
    """Whether a scale does not tell the better half of some losses apart."""
    better = np.sort(losses)[: len(losses) // 2]
    return bool(better[-1] / 2 - better[0] / 2 < _DULL * (poor / 2 - best / 2))


def _ends_of(losses: np.ndarray) -> tuple[float, float]:
    """Return the best of some losses, and one that a quarter of them do not reach."""
    finite = np.sort(losses[np.isfinite(losses)])
    best = poor = 0.0
    if len(finite):
        best, poor = float(finite[0]), float(finite[-1])
        # Not interpolated: the difference of two huge losses may overflow.
        quantile = float(finite[math.ceil(_POOR_QUANTILE * (len(finite) - 1))])
        poor = quantile if quantile > best else poor
    if poor <= best:
        # Without any spread the size of the values is the only hint of their unit.
        poor = best + (abs(best) or 1.0)
    return (best, poor) if math.isfinite(poor) else (best / 2, best)


def _scored(history: History) -> list[Observation]:
    """Return the trials that have a score: complete ones, and stopped ones that reported."""
    return [*history.complete, *(o for o in history.pruned if o.intermediate_values)]


def _losses(
    scored: list[Observation], weights: tuple[float, ...], by_violation: bool
) -> dict[int, float]:
    """Return the loss of each trial by number; infinite where constraints are violated."""
    if by_violation:
        return {o.number: o.violation for o in scored}
    found = losses_of(scored, weights)
    return {
        o.number: math.inf if o.violation > 0 else float(loss)
        for o, loss in zip(scored, found, strict=True)
    }
