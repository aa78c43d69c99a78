"""The surrogate of a study with several objectives: one model for each, and the front to push."""

from __future__ import annotations

from collections.abc import Sequence
import copy
import functools
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna._hypervolume import get_non_dominated_box_bounds

from optuna_llm.expectations.study import CENTRAL_LEVELS
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.pareto import is_on_front
from optuna_llm.history.pareto import non_domination_ranks
from optuna_llm.surrogate.hypervolume import log_expected_hypervolume_improvement
from optuna_llm.surrogate.regressor import QuantileRegressor


if TYPE_CHECKING:
    from optuna_llm.history.history import History


# With more objectives the boxes between what is known grow too many.
MAX_OBJECTIVES = 4
# The reference point lies so far beyond the worst of the feasible trials: as a share of what they
# span in an objective, and of at least a standard deviation of its values. Beyond the worst on the
# front alone, a front that is short at first would never be lengthened.
_BEYOND = 0.1


def kind_of_surrogate(history: History) -> type[StudySurrogate]:
    """Return what a study's surrogate is, by the number of its objectives."""
    several = 1 < len(history.directions) <= MAX_OBJECTIVES
    return ObjectivesSurrogate if several else StudySurrogate


class ObjectivesSurrogate(StudySurrogate):
    """What the trials of a study with two to four objectives teach.

    As :class:`StudySurrogate`, but the improvement is that of the hypervolume which the front
    dominates. Each objective has a model of its own, a copy of that of the losses. The losses
    themselves, a weighting of the objectives, are left to Thompson sampling.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._values = np.array([o.values for o in self.trials], dtype=float)

    @functools.cached_property
    def objectives(self) -> list[QuantileRegressor]:
        """The model of each objective, fitted."""
        return [
            copy.deepcopy(self._regressor).fit(self._features, own, self._pending, self._weights)
            for own in self._values.T
        ]

    def told_each(self, features: np.ndarray, levels: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return quantiles of each objective at features (1, f): shape (objectives, levels)."""
        return np.vstack([model.predict(features, levels) for model in self.objectives])

    @property
    def order(self) -> np.ndarray:
        """Places of the trials, the best front first, feasible ones before others."""
        return np.lexsort((self.losses, non_domination_ranks(self._values), self.violation))

    def log_improvement(self, features: np.ndarray) -> np.ndarray:
        """Return the logarithm of the expected growth of the hypervolume at features: (m,)."""
        if not self.has_feasible:
            return super().log_improvement(features)
        quantiles = [
            model.predict_scaled(features, CENTRAL_LEVELS, noise=False)
            for model in self.objectives
        ]
        return log_expected_hypervolume_improvement(quantiles, CENTRAL_LEVELS, *self._boxes)

    @functools.cached_property
    def _boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes of what is not dominated yet, on the models' scales.

        Trials under way count with what is predicted of them, that a second worker goes elsewhere.
        """
        known = self._central(self._features[self.violation == 0])
        front = known[is_on_front(known)]
        best, worst = known.min(axis=0), known.max(axis=0)
        reference = worst + _BEYOND * np.maximum(worst - best, 1.0)
        if len(self._pending):
            likely = np.exp(self.log_feasible(self._pending)) > 0.5
            front = np.vstack([front, self._central(self._pending[likely])])
            front = front[(front < reference).all(axis=1)]
        return get_non_dominated_box_bounds(front, reference)

    def _central(self, features: np.ndarray) -> np.ndarray:
        """Return the central predictions (m, objectives) at features, on the models' scales."""
        found = [model.predict_scaled(features, CENTRAL_LEVELS)[:, 1] for model in self.objectives]
        return np.column_stack(found)
