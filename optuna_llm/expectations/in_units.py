"""What a surrogate fitted to a study expects, in the units of the objective, for people to read.

The samplers' own decisions need no units (:mod:`optuna_llm.expectations.outlook`). Here quantiles
are told as the objective would return them: of a configuration, of each trial before it was run,
and along each parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import math
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution

from optuna_llm.expectations.recalibration import recalibration_by
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.surrogate.online import Recalibration
from optuna_llm.surrogate.online import deviations


MIN_TRIALS = 10
# A surrogate for every single trial would take minutes where trials are many.
_MAX_FITS = 50
_GRID = 24
_MAX_BACKGROUND = 32


class Forecaster:
    """Calibrated quantiles of one objective, after the trials of a study.

    Args:
        space: The search space.
        observations: Complete trials with finite values, at least one.
        target: Index of the objective.
        recalibration: What earlier predictions have been worth; by default what is recorded of
            the trials of a study with one objective.
    """

    def __init__(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        target: int,
        recalibration: Recalibration | None = None,
    ) -> None:
        self._sign = observations[0].signs[target]
        y = _losses(observations, target)
        if recalibration is None and len(observations[0].signs) == 1:
            recalibration = recalibration_by(observations, y)
        self._study = StudySurrogate(space, observations, y, seed=0, recalibration=recalibration)

    def quantiles(
        self, configurations: Sequence[Mapping[str, Any]], levels: Sequence[float]
    ) -> np.ndarray:
        """Return quantiles (n, levels) of what the objective would return for configurations.

        Args:
            configurations: Native parameters, n times.
            levels: Increasing quantile levels in (0, 1).
        """
        return self.at(self._study.space.coordinates(configurations), levels)

    def at(self, coordinates: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """Return quantiles (n, levels) at coordinates (n, parameters) of the space."""
        features = self._study.encode(coordinates)
        if self._sign > 0:
            return self._study.told(features, levels)
        # The lowest quantile of the negated objective is the highest of the objective.
        mirrored = [1.0 - level for level in reversed(levels)]
        return np.asarray(-self._study.told(features, mirrored)[:, ::-1])

    def mean_losses(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the central predictions (n,) for configurations, signed: lower is better."""
        return self._study.regressor.mean(self._study.features(configurations))

    @property
    def noise_is_clear(self) -> bool:
        """Whether the objective is clearly noisy."""
        return self._study.regressor.noise_is_clear

    def deviations(self, observations: Sequence[Observation], target: int) -> np.ndarray:
        """Return where the outcomes (n,) of trials lie in what is expected, before correction."""
        features = self._study.features([o.params for o in observations])
        expected = self._study.regressor.predict_distribution(features)
        return deviations(expected, _losses(observations, target))


def _losses(observations: Sequence[Observation], target: int) -> np.ndarray:
    return np.array([(o.values or ())[target] for o in observations])


def usable(history: History, target: int) -> list[Observation]:
    """Return the trials with a finite value of an objective, by number."""
    return [o for o in history.complete if math.isfinite((o.values or ())[target])]


def forecaster(history: History, target: int) -> Forecaster | None:
    """Return a surrogate of an objective after all trials; None where they are too few."""
    observations, space = usable(history, target), history.search_space()
    if len(observations) < MIN_TRIALS or len(space) == 0:
        return None
    return Forecaster(space, observations, target)


@dataclass(frozen=True)
class Hindsight:
    """What a surrogate expected of trials before it had seen them.

    Attributes:
        observations: The trials, n of them.
        levels: The quantile levels.
        quantiles: Predicted quantiles, (n, levels), as the objective returns them.
        outcomes: What the objective returned, (n,).
    """

    observations: tuple[Observation, ...]
    levels: tuple[float, ...]
    quantiles: np.ndarray
    outcomes: np.ndarray

    def inside(self, low: float, high: float) -> np.ndarray:
        """Say which outcomes (n,) lie between two of the levels."""
        lower, upper = (self.quantiles[:, self.levels.index(level)] for level in (low, high))
        return np.asarray((lower <= self.outcomes) & (self.outcomes <= upper))


def hindsight(history: History, target: int, levels: Sequence[float]) -> Hindsight:
    """Predict each trial from the trials before it, in at most 50 blocks of trials.

    Predictions are corrected by what came of those of the blocks before, as samplers do along the
    search (:mod:`optuna_llm.surrogate.online`). The first ten trials are not predicted; a study
    without more has an empty hindsight.
    """
    observations, space = usable(history, target), history.search_space()
    n = len(observations)
    rows = [np.empty((0, len(levels)))]
    if n > MIN_TRIALS and len(space) > 0:
        edges = np.unique(np.linspace(MIN_TRIALS, n, _MAX_FITS + 1).round().astype(int))
        scores = np.empty(0)
        for start, stop in itertools.pairwise(edges):
            model = Forecaster(space, observations[:start], target, Recalibration(scores))
            block = observations[start:stop]
            rows.append(model.quantiles([o.params for o in block], levels))
            scores = np.append(scores, model.deviations(block, target))
    quantiles = np.vstack(rows)
    predicted = observations[n - len(quantiles) :]
    outcomes = np.array([o.signs[target] * (o.values or ())[target] for o in predicted])
    return Hindsight(tuple(predicted), tuple(levels), quantiles, outcomes)


@dataclass(frozen=True)
class Dependence:
    """How an objective depends on one parameter.

    Attributes:
        values: Native values of the parameter, in order.
        quantiles: Predicted quantiles, (values, levels), as the objective returns them.
    """

    values: tuple[Any, ...]
    quantiles: np.ndarray


def partial_dependence(
    history: History, target: int, levels: Sequence[float]
) -> dict[str, Dependence]:
    """Return how the predicted quantiles depend on each parameter, all else as in the trials.

    The partial dependence of Friedman (2001), of quantiles: each value of the parameter is put
    into the configurations of up to 32 trials, everything else kept. Of the predictions the
    median counts, not the mean, which the far tail of one configuration would decide.

    Returns:
        By name; empty while trials are too few.
    """
    model, space = forecaster(history, target), history.search_space()
    if model is None:
        return {}
    trials = usable(history, target)
    some = np.unique(np.linspace(0, len(trials) - 1, _MAX_BACKGROUND).round().astype(int))
    background = space.coordinates(trials[i].params for i in some)
    found = {}
    for column, name in enumerate(space.names):
        active = background[~np.isnan(background[:, column])]
        if len(active) == 0:
            continue
        grid = _places(space, name)
        rows = np.repeat(active[None], len(grid), axis=0)
        rows[:, :, column] = grid[:, None]
        quantiles = model.at(rows.reshape(-1, len(space)), levels)
        values = tuple(space.value(name, place) for place in grid)
        of_trials = quantiles.reshape(*rows.shape[:2], -1)
        found[name] = Dependence(values, np.median(of_trials, axis=1))
    return found


def _places(space: SearchSpace, name: str) -> np.ndarray:
    """Return coordinates along a parameter: of each choice in order, or evenly spaced."""
    distribution = space.distributions[name]
    if isinstance(distribution, CategoricalDistribution):
        one = SearchSpace({name: distribution})
        return one.coordinates({name: choice} for choice in distribution.choices)[:, 0]
    return np.linspace(0.0, 1.0, _GRID)
