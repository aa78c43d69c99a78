"""What a statistical surrogate expects of configurations, after all trials of a study.

The surrogate is fitted to the ranking of the finished trials, so that it needs no scale: pruned
and infeasible trials and several objectives have their place in it. Failed trials teach the
feasibility model and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution

from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.prompts.text import show_name
from optuna_llm.prompts.text import show_value
from optuna_llm.space import SearchSpace
from optuna_llm.surrogate.acquisition import log_expected_improvement
from optuna_llm.surrogate.activity import Activity
from optuna_llm.surrogate.feasibility import Feasibility
from optuna_llm.surrogate.quantile import QuantileEnsemble


# With fewer finished trials the surrogate has nothing to say.
_MIN_TRIALS_TO_RANK = 8
_MIN_TRIALS_TO_VETO = 10
_LEVELS = (0.16, 0.5, 0.84)
# A candidate is hopeless if even this quantile is worse than what the base sampler delivers,
_OPTIMISTIC_LEVEL = 0.1
_BASE_WINDOW = 8
# or if it fails more often than not.
_LEAST_FEASIBLE = 0.5
# Uniform samples from which the surrogate's expectations are put into words.
_N_REMARK_SAMPLES = 512
_MAX_REMARKS = 5


class Outlook:
    """The surrogate's view of one study, fitted when it is first asked.

    Args:
        space: The search space.
        history: The study.
        seed: Seed of the surrogate.
    """

    def __init__(self, space: SearchSpace, history: History, seed: int) -> None:
        self._space = space
        self._history = history
        self._seed = seed

    @functools.cached_property
    def _all_features(self) -> np.ndarray:
        """The features of all trials, in their order: several models are fitted to them."""
        params = [o.params for o in self._history.observations]
        return self._space.one_hot(self._space.coordinates(params))

    @functools.cached_property
    def _row(self) -> dict[int, int]:
        return {o.number: i for i, o in enumerate(self._history.observations)}

    def _features(self, trials: Sequence[Observation]) -> np.ndarray:
        return self._all_features[[self._row[o.number] for o in trials]]

    @functools.cached_property
    def _activity(self) -> Activity:
        tried = self._space.coordinates(o.params for o in self._history.ranking)
        return Activity(tried, self._space.n_choices)

    def _candidate_features(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Encode configurations without the values that will not be asked for."""
        coordinates = self._space.coordinates(configurations)
        if self._history.ranking and self._space.optional:
            coordinates = self._activity.apply(coordinates)
        return self._space.one_hot(coordinates)

    @functools.cached_property
    def _surrogate(self) -> QuantileEnsemble | None:
        ranking = self._history.ranking
        if len(ranking) < _MIN_TRIALS_TO_RANK or len(self._space) == 0:
            return None
        running = self._history.running
        return QuantileEnsemble(seed=self._seed).fit(
            self._features(ranking),
            np.arange(len(ranking), dtype=float),
            self._features(running) if running else None,
        )

    @functools.cached_property
    def _feasibility(self) -> Feasibility | None:
        failed = self._history.failed
        if not failed:
            return None
        trials = (*self._history.ranking, *failed)
        outcome = np.arange(len(trials)) >= len(self._history.ranking)
        return Feasibility(seed=self._seed).fit(self._features(trials), outcome)

    def expected_losses(
        self,
        losses: Mapping[int, float],
        configurations: Sequence[Mapping[str, Any]],
        levels: Sequence[float],
        *,
        without: Collection[int] = (),
    ) -> np.ndarray:
        """Return quantiles of what configurations lose, after trials whose losses are given.

        Args:
            losses: By trial number, at least one that is not left out; lower is better.
            configurations: Native parameters, m of them.
            levels: Quantile levels in (0, 1), increasing.
            without: Numbers of trials to leave out.

        Returns:
            Shape (m, levels), of the expectation: noise is not part of it.
        """
        known = [
            o for o in self._history.observations if o.number in losses and o.number not in without
        ]
        running = self._history.running
        model = QuantileEnsemble(seed=self._seed).fit(
            self._features(known),
            np.array([losses[o.number] for o in known], dtype=float),
            self._features(running) if running else None,
        )
        return model.predict(self._candidate_features(configurations), levels, noise=False)

    def feasible(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the probability that each configuration does not fail, shape (n,)."""
        if self._feasibility is None:
            return np.ones(len(configurations))
        return self._feasibility.probability(self._candidate_features(configurations))

    def order(self, configurations: Sequence[Mapping[str, Any]]) -> list[int]:
        """Return the indices of configurations, the most promising one first.

        By the expected improvement over the best predicted trial times the probability not to
        fail (in logarithms, which keep an order where both are tiny), those that will probably
        fail last; while too little is known as given.
        """
        feasible = self.feasible(configurations)
        utility = np.log(np.maximum(feasible, 1e-12))
        if self._surrogate is not None:
            seen = self._features(self._history.ranking)
            incumbent = float(self._surrogate.predict_scaled(seen, (0.5,)).min())
            quantiles = self._surrogate.predict_scaled(
                self._candidate_features(configurations), _LEVELS, noise=False
            )
            utility = utility + log_expected_improvement(quantiles, _LEVELS, incumbent)
        fails = feasible < min(_LEAST_FEASIBLE, float(feasible.max()))
        return [int(i) for i in np.lexsort((-utility, fails))]

    def is_hopeless(self, configuration: Mapping[str, Any]) -> bool:
        """Say whether a configuration is not worth a trial.

        It is not, if it will probably fail, or if even with luck (lowest tenth of what is
        expected) it would end below the median of the base sampler's newest trials.
        """
        if len(self._history.ranking) + len(self._history.failed) < _MIN_TRIALS_TO_VETO:
            return False
        if self.feasible([configuration])[0] < _LEAST_FEASIBLE:
            return True
        if self._surrogate is None:
            return False
        position = {o.number: i for i, o in enumerate(self._history.ranking)}
        delivered = [
            position[o.number]
            for o in self._history.observations
            if o.number in position and (o.record is None or o.record.source == "base")
        ][-_BASE_WINDOW:]
        if not delivered:
            return False
        optimistic = self._surrogate.predict(
            self._candidate_features([configuration]), (_OPTIMISTIC_LEVEL,)
        )
        return bool(optimistic[0, 0] > np.median(delivered))

    def remarks(self, shown: SearchSpace | None = None) -> list[str]:
        """Put into words where the surrogate expects the best results; at most five lines.

        Args:
            shown: The same search space under the names to use, if not its own.
        """
        if self._surrogate is None or len(self._history.ranking) < _MIN_TRIALS_TO_VETO:
            return []
        rng = np.random.default_rng(self._seed)
        unit = rng.random((_N_REMARK_SAMPLES, len(self._space)))
        n_choices = self._space.n_choices
        coordinates = np.where(n_choices > 0, np.floor(unit * n_choices), unit)
        samples = [self._space.configuration(row) for row in coordinates]
        features = self._candidate_features(samples)
        predicted = self._surrogate.predict_scaled(features, (0.5,))[:, 0]
        elite = coordinates[np.argsort(predicted)[: _N_REMARK_SAMPLES // 10]]
        shown = shown or self._space
        remarks = [_remark(shown, name, elite[:, i]) for i, name in enumerate(shown.names)]
        strongest = sorted((r for r in remarks if r is not None), key=lambda r: r[0])
        return [text for _, text in strongest[:_MAX_REMARKS]]


def _remark(space: SearchSpace, name: str, elite: np.ndarray) -> tuple[float, str] | None:
    """Return how narrow a parameter's best region is (0..1), and a sentence about it."""
    distribution = space.distributions[name]
    show = functools.partial(show_value, space, name)
    title = show_name(name)
    if isinstance(distribution, CategoricalDistribution):
        counts = np.bincount(elite.astype(int), minlength=len(distribution.choices))
        favourite = int(np.argmax(counts))
        share = counts[favourite] / len(elite)
        if share < min(1.0, 1.8 / len(counts)):
            return None
        text = f"{title}: {show(distribution.choices[favourite])} is expected to do best"
        return 1.0 - share, text
    low, high = np.quantile(elite, [0.1, 0.9])
    if high - low > 0.6:
        return None
    alone = SearchSpace({name: distribution})
    first, last = (alone.configuration([edge])[name] for edge in (low, high))
    return high - low, f"{title}: best results are expected from {show(first)} to {show(last)}"
