"""What the next trials of a study are still expected to bring, in the units of its objective.

The largest expected improvement of many candidates is a promise, and the candidate that promises
most was chosen for it (the winner's curse). So it is multiplied by what came of earlier promises:
the improvements that the newest trials have brought, to those that were expected of them.
"""

from __future__ import annotations

from dataclasses import replace
import functools
import math

import numpy as np

from optuna_llm.expectations.pool import Judge
from optuna_llm.expectations.pool import Pool
from optuna_llm.expectations.pool import refined
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.surrogate.acquisition import expected_improvement
from optuna_llm.surrogate.online import DEVIATIONS


_N_CANDIDATES = 1024
_N_PARENTS = 8
_SEED = 0
# Promises of so many newest trials are held against what came of them, ...
_WINDOW = 20
# ... and that they are kept weighs as much as so many of them.
_PRIOR_TRIALS = 2.0
# Trials that nobody has recorded a promise of are predicted together, so many at a time.
_BLOCK = 5
_MIN_TRIALS = 8


class Remaining:
    """What is left to gain in a study with one objective.

    Everything is computed when it is first asked for, and once.

    Args:
        history: The study, with at least one complete trial of a finite value.

    Attributes:
        history: The study.
        sign: -1 for an objective that is maximised, else 1.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.sign = history.observations[0].signs[0]

    def before(self, n: int) -> Remaining:
        """Return what was left before the newest n finished trials."""
        numbers = [o.number for o in self.history.observations if o.state.is_finished()]
        kept = numbers[-n] if n else math.inf
        known = tuple(o for o in self.history.observations if o.number < kept)
        return Remaining(replace(self.history, observations=known)) if n else self

    @functools.cached_property
    def feasible(self) -> list[Observation]:
        """Complete trials with a finite value that meet all constraints, by number."""
        return [
            o
            for o in self.history.complete
            if o.values is not None and math.isfinite(o.values[0]) and o.violation <= 0
        ]

    @functools.cached_property
    def best(self) -> Observation:
        """The best of them; of equally good ones the first."""
        return min(self.feasible, key=loss_of)

    # ---- what is promised

    @functools.cached_property
    def surrogate(self) -> StudySurrogate:
        """The surrogate of the study."""
        return StudySurrogate.of(self.history, self.history.search_space(), seed=_SEED)

    @functools.cached_property
    def pool(self) -> Pool:
        """Candidates for the next trial, none of which was tried; empty where all were."""
        surrogate, rng = self.surrogate, np.random.default_rng(_SEED)
        domain = surrogate.encoding.domain
        known = np.vstack([surrogate.coordinates, surrogate.pending])
        judge = Judge(surrogate, "ei", np.full(len(surrogate.space), np.nan), 0, rng)
        parents = surrogate.coordinates[surrogate.order[:_N_PARENTS]]
        n = _N_CANDIDATES // 2
        drawn = np.vstack([domain.uniform(n, rng), domain.around(parents, n, rng)])
        return refined(judge(drawn, known), judge, known, _N_CANDIDATES, rng)

    @functools.cached_property
    def improvements(self) -> np.ndarray:
        """What each candidate is expected to improve on the best by, shape (m,).

        The probability to succeed and to meet all constraints is a factor of it.
        """
        return self.surrogate.gain(self.pool.utility)

    @functools.cached_property
    def promised(self) -> float:
        """The largest expected improvement of a candidate; 0 where everything was tried."""
        return float(self.improvements[self.pool.acceptable].max(initial=0.0))

    # ---- what promises are worth

    @functools.cached_property
    def kept(self) -> float:
        """How much the newest trials have improved on the best, to what was expected of them."""
        promised, realised = self._promises
        if promised.sum() == 0:
            return 1.0
        believed = _PRIOR_TRIALS * promised.mean()
        return float((realised.sum() + believed) / (promised.sum() + believed))

    @property
    def expected(self) -> float:
        """What the next trial is expected to bring: what is promised, as far as that is kept."""
        return self.promised * min(self.kept, 1.0)

    @functools.cached_property
    def _promises(self) -> tuple[np.ndarray, np.ndarray]:
        """Expected and realised improvements of the newest trials, each shape (n,)."""
        trials = self.feasible[_MIN_TRIALS:][-_WINDOW:]
        first = len(self.feasible) - len(trials)
        losses = np.array([loss_of(o) for o in self.feasible])
        best = np.minimum.accumulate(losses)[first - 1 : -1]
        expected = [np.array(o.expected.expected) for o in trials]
        for start in range(0, len(trials), _BLOCK):
            block = trials[start : start + _BLOCK]
            if any(len(e) != len(DEVIATIONS) for e in expected[start : start + _BLOCK]):
                known = self.feasible[: first + start]
                values = losses[: first + start]
                model = StudySurrogate(self.surrogate.space, known, values, seed=_SEED)
                features = model.features([o.params for o in block])
                found = model.regressor.predict_distribution(features)
                expected[start : start + _BLOCK] = list(found)
        if not trials:
            return np.empty(0), np.empty(0)
        from scipy.special import ndtr

        levels = ndtr(DEVIATIONS)
        promised = np.array(
            [
                expected_improvement(e[None], levels, b)[0]
                for e, b in zip(expected, best, strict=True)
            ]
        )
        return promised, np.maximum(best - losses[first:], 0.0)


def loss_of(o: Observation) -> float:
    """Return the value of a complete trial, signed so that lower is better."""
    assert o.values is not None
    return o.values[0]
