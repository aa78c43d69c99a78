"""What the surrogate of a study says of configurations that a language model or a prior proposes.

It chooses among them, vetoes what is not worth a trial, and tells what it expects of each.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import functools
import math
from typing import Any

import numpy as np
from optuna.study import StudyDirection

from optuna_llm.expectations.objectives import kind_of_surrogate
from optuna_llm.expectations.recalibration import has_unit
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.expected import Expected
from optuna_llm.history.history import History
from optuna_llm.history.repeats import repeated
from optuna_llm.space.numbers import format_number
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import counted


# Candidates of a search among which a configuration has its place.
N_RIVALS = 1024
# With fewer finished trials the surrogate has nothing to say.
_MIN_TRIALS_TO_RANK = 8
MIN_TRIALS_TO_VETO = 10
# A candidate is hopeless if even this quantile is worse than what the base sampler delivers.
_OPTIMISTIC_LEVEL = 0.1
_BASE_WINDOW = 8
# Trials from which on a surrogate tells noise from effects, and best ones around which it does.
_MIN_TRIALS_FOR_NOISE = 12
_N_BEST = 5
# Share of the distance between them from which on noise blurs which one is the best.
_BLUR = 0.5
# The best trial is in doubt if it is ahead of the next one by no more deviations than these.
_DOUBT = 2.0


class Outlook:
    """What the surrogate of a study expects of configurations that others propose.

    Args:
        space: The search space.
        history: The study.
        seed: Seed of the surrogate, and of the weights of several objectives.
    """

    def __init__(self, space: SearchSpace, history: History, seed: int) -> None:
        self._space = space
        self._history = history
        self._seed = seed

    @functools.cached_property
    def _study(self) -> StudySurrogate:
        weights: Sequence[float] | np.ndarray = ()
        if self._history.is_multi_objective:
            rng = np.random.default_rng(self._seed)
            weights = rng.dirichlet(np.ones(len(self._history.directions)))
        kind = kind_of_surrogate(self._history)
        return kind.of(self._history, self._space, seed=self._seed, weights=weights)

    @property
    def _can_rank(self) -> bool:
        return len(self._study.trials) >= _MIN_TRIALS_TO_RANK and len(self._space) > 0

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
        values = np.array([losses[o.number] for o in known], dtype=float)
        running = self._history.running
        study = StudySurrogate(self._space, known, values, awaited=running, seed=self._seed)
        return study.quantiles(study.features(configurations), levels, noise=False)

    def quantiles(
        self, configurations: Sequence[Mapping[str, Any]], levels: Sequence[float]
    ) -> np.ndarray:
        """Return quantiles (m, levels) of the losses expected of m configurations."""
        features = self._study.features(configurations)
        return self._study.quantiles(features, levels, noise=False)

    def log_possible(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the log-probability to succeed and to meet all constraints, shape (m,)."""
        features = self._study.features(configurations)
        possible = self._study.log_success(features) + self._study.log_feasible(features)
        return np.asarray(possible)

    def will_fail(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Say which of m configurations will rather fail than succeed, shape (m,)."""
        return self._study.will_fail(self._study.features(configurations))

    def order(
        self, configurations: Sequence[Mapping[str, Any]], bonus: np.ndarray | None = None
    ) -> list[int]:
        """Return the indices of configurations, the most promising one first.

        By the expected improvement over the best predicted trial times the probability to succeed
        and to meet all constraints, those that will rather fail last; while too little is known
        as given. A bonus, shape (m,), is added to the logarithm of that product.
        """
        features = self._study.features(configurations)
        utility = self.utility(configurations)
        if bonus is not None:
            utility = utility + bonus
        return [int(i) for i in np.lexsort((-utility, self._study.will_fail(features)))]

    def utility(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the logarithm of what m configurations promise, shape (m,).

        The expected improvement over the best predicted trial times the probability to succeed
        and to meet all constraints; while too little is known the latter alone.
        """
        features = self._study.features(configurations)
        known = self._study.utility if self._can_rank else self._study.log_success
        return known(features)

    def is_hopeless(self, configuration: Mapping[str, Any]) -> bool:
        """Say whether a configuration is not worth a trial."""
        return bool(self.objection(configuration))

    def objection(self, configuration: Mapping[str, Any]) -> str:
        """Say why a configuration is not worth a trial; "" where it may be worth one.

        It is not, if it will rather fail than succeed, or if even with luck (the lowest tenth of
        what is expected) it would break a constraint that others have met, or end below the
        median of the base sampler's newest trials.
        """
        study, history = self._study, self._history
        if len(study.trials) + len(history.failed) < MIN_TRIALS_TO_VETO:
            return ""
        features = study.features([configuration])
        if study.will_fail(features)[0]:
            return "it will rather fail than succeed"
        if not self._can_rank or not study.has_feasible:
            return ""
        if study.log_feasible(features)[0] < np.log(_OPTIMISTIC_LEVEL):
            return "it will most likely break a constraint that others have met"
        delivered = [
            loss
            for o, loss, violation in zip(study.trials, study.losses, study.violation, strict=True)
            if violation == 0 and (o.origin is None or o.origin.source == "base")
        ][-_BASE_WINDOW:]
        if not delivered:
            return ""
        optimistic = study.told(features, (_OPTIMISTIC_LEVEL,))[0, 0]
        if optimistic <= np.median(delivered):
            return ""
        return "even with luck it is worse than what the statistical sampler has lately delivered"

    def expected(self, configuration: Mapping[str, Any]) -> Expected:
        """Return what is expected of a configuration that is going to be run, for the record.

        Nothing where no surrogate was needed to propose it, or where losses have no unit.
        """
        if "_study" not in vars(self) or not self._can_rank:
            return Expected()
        return self._study.expected(self._study.features([configuration]), self._history)

    def told(
        self, configurations: Sequence[Mapping[str, Any]], levels: Sequence[float]
    ) -> np.ndarray | None:
        """Return quantiles of what the objective would return for m configurations.

        Args:
            configurations: Native parameters, m times.
            levels: Increasing quantile levels in (0, 1), symmetric around one half.

        Returns:
            Shape (m, objectives, levels), with the user's own sign; None while too little is
            known, or where only a weighting of the objectives has a model.
        """
        if not self._can_rank or not self._history.complete:
            return None
        signs = np.array(
            [-1 if d == StudyDirection.MAXIMIZE else 1 for d in self._history.directions]
        )
        each = [
            np.atleast_2d(self._study.told_each(self._study.features([c]), levels))
            for c in configurations
        ]
        if any(len(one) != len(signs) for one in each):
            return None
        values = np.array(each) * signs[:, None]
        # The lowest quantile of a negated objective is the highest of the objective.
        return np.asarray(np.where(signs[:, None] < 0, values[..., ::-1], values))

    def risk(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the probability to fail, as far as parameters explain it, shape (m,)."""
        features = self._study.features(configurations)
        return np.asarray(1 - np.exp(self._study.log_success(features)))

    def feasible(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
        """Return the probability to meet all constraints, shape (m,); None without any."""
        if not self._study.has_constraints:
            return None
        features = self._study.features(configurations)
        return np.asarray(np.exp(self._study.log_feasible(features)))

    def places(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
        """Return how many of the 1,024 candidates of a search promise more, shape (m,).

        Half of the candidates come from the whole space, half from around the best trials, as
        those of :class:`optuna_llm.CQRSampler` do. None while too little is known.
        """
        if not self._can_rank:
            return None
        study, rng = self._study, np.random.default_rng(self._seed)
        domain, half = study.encoding.domain, N_RIVALS // 2
        drawn = [domain.uniform(half, rng), domain.around(study.parents, half, rng)]
        rivals = study.utility(study.encode(np.vstack(drawn)))
        own = self.utility(configurations)
        return np.asarray((rivals[None] > own[:, None]).sum(axis=1))

    def active(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration without parameters that it would not have."""
        (row,) = self._study.active(self._space.coordinates([configuration]))
        kept = {n for n, x in zip(self._space.names, row, strict=True) if not math.isnan(x)}
        return {name: value for name, value in configuration.items() if name in kept}

    def interval(self, configuration: Mapping[str, Any]) -> tuple[float, float, float] | None:
        """Return the quantiles .25, .5 and .75 of what a configuration would lose.

        None while too little is known, or where losses have no unit.
        """
        if not self._can_rank or not has_unit(self._history):
            return None
        low, middle, high = self._study.told(
            self._study.features([configuration]), (0.25, 0.5, 0.75)
        )[0]
        return float(low), float(middle), float(high)

    def in_words(self, interval: tuple[float, float, float]) -> str:
        """Say such quantiles in units of the objective."""
        sign = -1 if self._history.directions[0] == StudyDirection.MAXIMIZE else 1
        low, middle, high = sorted(sign * x for x in interval)
        return f"{format_number(middle)} ({format_number(low)} to {format_number(high)})"

    def noise(self) -> Noise | None:
        """Return how far results of one configuration differ; None while nobody knows.

        By trials that repeat one another; else by what the surrogate cannot explain around the
        best trials, which may also be detail that it has not understood.
        """
        if not has_unit(self._history):
            return None
        groups = [np.array([o.values for o in g]) for g in repeated(self._history.complete)]
        groups = [g for g in groups if np.isfinite(g).all()]
        freedom = sum(len(g) - 1 for g in groups)
        if freedom:
            squares = sum(float(((g - g.mean()) ** 2).sum()) for g in groups)
            return Noise(math.sqrt(squares / freedom), freedom)
        if len(self._study.trials) < _MIN_TRIALS_FOR_NOISE or len(self._space) == 0:
            return None
        order = np.lexsort((self._study.losses, self._study.violation))[:_N_BEST]
        features = self._study.encode(self._study.coordinates[order])
        levels = (0.16, 0.84)
        widths = [
            np.ptp(self._study.quantiles(features, levels, noise=noise), axis=1) / 2
            for noise in (True, False)
        ]
        return Noise(float(np.median(np.sqrt(np.maximum(widths[0] ** 2 - widths[1] ** 2, 0)))), 0)

    def is_best_in_doubt(self) -> bool:
        """Whether noise alone may have made the best trial the best, which was run only once."""
        noise = self.noise()
        first = [o for o in self._history.ranking if o.values is not None][:2]
        if noise is None or len(first) < 2 or first[:1] not in repeated(self._history.complete):
            return False
        ahead = sum(o.values[0] * sign for o, sign in zip(first, (-1, 1), strict=True) if o.values)
        return noise.deviation > 0 and ahead <= _DOUBT * noise.deviation


@dataclass(frozen=True)
class Noise:
    """How far results of one configuration differ.

    Attributes:
        deviation: The standard deviation, in units of the objective.
        n_repeats: Number of trials that repeat another one; 0 where a surrogate has guessed it.
    """

    deviation: float
    n_repeats: int

    def counts(self, history: History) -> bool:
        """Whether it blurs which of the five best trials is the best one."""
        best = [o.values[0] for o in history.ranking[:_N_BEST] if o.values]
        if len(best) < _N_BEST or self.deviation == 0:
            return False
        return self.deviation >= _BLUR * (best[-1] - best[0])

    def in_words(self) -> str:
        """Say what differences between results mean."""
        shown = format_number(self.deviation)
        repeats, ending = counted(self.n_repeats, "repeat"), "s" if self.n_repeats == 1 else ""
        if self.n_repeats and self.deviation == 0:
            return f"results are deterministic, as far as {repeats} tell{ending}"
        if self.n_repeats:
            return (
                f"noise: {repeats} differ{ending} with a standard deviation of {shown}; "
                "smaller differences say nothing"
            )
        return (
            "whether there is noise is not known, for no configuration was run twice; the "
            f"surrogate does not explain differences below {shown}"
        )
