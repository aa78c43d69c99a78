"""The surrogate of a study by order alone: which configurations look like its best third."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.expected import Expected
from optuna_llm.history.preferences import strengths
from optuna_llm.surrogate.density_ratio import DensityRatio


if TYPE_CHECKING:
    from typing_extensions import Self

    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation
    from optuna_llm.space.search_space import SearchSpace


# So small that it only decides between equals.
_TIE = 1e-6


class OrderSurrogate(StudySurrogate):
    """What the order of a study's trials teaches, by a classifier of the best of them.

    As :class:`StudySurrogate`, but no value is predicted, and there is one model only: trials that
    failed, were pruned, broke a constraint or are under way are examples of what is not good.
    While nothing has met the constraints, those that break them least are good.

    Attributes:
        weighted: Whether good trials count by how good they are, or all alike.
    """

    weighted = True

    @classmethod
    def of(cls, history: History, space: SearchSpace, **options: Any) -> Self:
        """Return the surrogate of a study; of a preferential one, by who is preferred to whom.

        Args:
            history: The study.
            space: The parameters.
            options: As those of :meth:`StudySurrogate.of`.
        """
        if not history.preferences:
            return super().of(history, space, **options)
        trials = history.complete
        losses = -strengths([o.number for o in trials], history.preferences)
        found = cls(space, trials, losses, awaited=history.running, seed=options["seed"])
        # How much better a trial is, nobody has said.
        found.weighted = False
        return found

    @functools.cached_property
    def classifier(self) -> DensityRatio:
        """The classifier, fitted."""
        values = np.where(self.violation == 0, self.losses, np.inf)
        if not self.has_feasible:
            values = self.violation.copy()
        values[[o.values is None for o in self.trials]] = np.inf
        others = np.vstack([self._failed, self._pending])
        model = DensityRatio(seed=self._stream("order"), weighted=self.weighted)
        return model.fit(
            np.vstack([self._features, others]),
            np.concatenate([values, np.full(len(others), np.inf)]),
        )

    def log_improvement(self, features: np.ndarray) -> np.ndarray:
        """Return the log-odds to be good at features (m, f): shape (m,)."""
        return self.classifier.log_odds(features)

    def utility(self, features: np.ndarray) -> np.ndarray:
        """Return the same: failures and constraints are part of what is good.

        Trees are flat between what they have seen: of equally good candidates the one that is
        furthest from all trials comes first.
        """
        tried = np.nan_to_num(np.vstack([self._features, self._pending]))
        places = np.nan_to_num(features)
        squares = (places**2).sum(axis=1)[:, None] - 2 * places @ tried.T + (tried**2).sum(axis=1)
        distance = np.sqrt(np.maximum(squares.min(axis=1, initial=np.inf), 0.0))
        return np.asarray(self.log_improvement(features) + _TIE * distance)

    def probability(self, features: np.ndarray) -> float:
        """Return the probability to be good at features (1, f)."""
        return float(self.classifier.probability(features)[0])

    def acceptable(self, features: np.ndarray, n_design: int = 0) -> np.ndarray:
        """Say that every risk is acceptable, shape (m,): the classifier has weighed it."""
        return np.ones(len(features), dtype=bool)

    def expected(self, features: np.ndarray, history: History) -> Expected:
        """Return nothing: no value is expected."""
        return Expected()

    def contender(self, left: Any) -> Observation | None:
        """Return nothing: noise is not known."""
        return None
