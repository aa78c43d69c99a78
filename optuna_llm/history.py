"""One immutable view of a study for samplers: what was tried, and what came of it.

All values are signed so that lower is better. All trials are read, also under Hyperband, where
the study that a sampler is handed shows one bracket only.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import functools
import math
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.provenance import Record
from optuna_llm.provenance import decode_params
from optuna_llm.provenance import read_record
from optuna_llm.provenance import shorten
from optuna_llm.space import SearchSpace


if TYPE_CHECKING:
    from optuna import Study


# User attributes in which an objective may say why it failed, in order of preference.
FAILURE_KEYS = ("fail_reason", "failure", "error", "exception")
_MAX_RUNNING = 64
_WHOLE_STATES = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Observation:
    """One trial, with values and intermediate values signed so that lower is better.

    Attributes:
        trial: Optuna's record of it; never changed.
        signs: -1 for each objective that is maximised, else 1.
        shared: Parameters that its sampler has announced and the objective not yet asked for.
    """

    trial: FrozenTrial
    signs: tuple[int, ...]
    shared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def state(self) -> TrialState:
        """The trial's state."""
        return self.trial.state

    @functools.cached_property
    def record(self) -> Record | None:
        """Who proposed the trial, where this package did."""
        return read_record(self.trial)

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """Native parameters; of a running trial also those it has not asked for yet."""
        return {**self.shared, **self.trial.params}

    @functools.cached_property
    def values(self) -> tuple[float, ...] | None:
        """Objective values of a complete trial, else None; infinite ones are possible."""
        if self.state != TrialState.COMPLETE or self.trial.values is None:
            return None
        if len(self.trial.values) != len(self.signs):
            return None
        return tuple(s * v for s, v in zip(self.signs, self.trial.values, strict=True))

    @functools.cached_property
    def intermediate_values(self) -> dict[int, float]:
        """Reported values by step, NaN left out; single-objective studies only."""
        reported = sorted(self.trial.intermediate_values.items())
        return {step: self.signs[0] * v for step, v in reported if not math.isnan(v)}

    @functools.cached_property
    def constraints(self) -> dict[str, float]:
        """Constraint values by name; feasible where <= 0."""
        return dict(self.trial.constraints)

    @property
    def violation(self) -> float:
        """Sum of the positive constraint values: 0 for a feasible trial."""
        return sum(max(v, 0.0) for v in self.constraints.values())

    @property
    def failure(self) -> str:
        """Why the trial failed, in one line, as far as the objective has said it."""
        for key in FAILURE_KEYS:
            if key in self.trial.user_attrs:
                return shorten(str(self.trial.user_attrs[key]), 120)
        return shorten(str(self.trial.system_attrs.get("fail_reason", "no reason given")), 120)


@dataclass(frozen=True)
class History:
    """The trials of a study as one sampler call sees them.

    Attributes:
        directions: One for each objective.
        metric_names: As set on the study, else "value" or "value_0", "value_1", ...
        observations: All trials but the current one, waiting ones excepted, by number.
        distributions: The newest distribution of every parameter seen or announced.
    """

    directions: tuple[StudyDirection, ...]
    metric_names: tuple[str, ...]
    observations: tuple[Observation, ...]
    distributions: Mapping[str, BaseDistribution]

    @classmethod
    def from_study(
        cls,
        study: Study,
        current: FrozenTrial | None = None,
        search_space: Mapping[str, BaseDistribution] | None = None,
    ) -> History:
        """Read a study's storage as it is now.

        Args:
            study: The study, or the bracket view that Hyperband hands to samplers.
            current: The trial that is being sampled; it is left out.
            search_space: Distributions that the user has announced.
        """
        storage = study._storage
        attributes = storage.get_study_system_attrs(
            storage.get_study_id_from_name(study.study_name)
        )
        directions = tuple(study.directions)
        signs = tuple(-1 if d == StudyDirection.MAXIMIZE else 1 for d in directions)
        names = attributes.get("study:metric_names") or (
            ["value"] if len(directions) == 1 else [f"value_{i}" for i in range(len(directions))]
        )
        trials = [
            t
            for t in study._get_trials(deepcopy=False, use_cache=False)
            if t.state != TrialState.WAITING and (current is None or t.number != current.number)
        ]
        distributions = dict(search_space or {})
        for t in trials:
            distributions.update(t.distributions)
        observations = tuple(
            Observation(t, signs, _announced(t, distributions))
            if t.state == TrialState.RUNNING
            else Observation(t, signs)
            for t in trials
        )
        return cls(directions, tuple(names), observations, distributions)

    @property
    def is_multi_objective(self) -> bool:
        """Whether there is more than one objective."""
        return len(self.directions) > 1

    def _in(self, state: TrialState) -> tuple[Observation, ...]:
        return tuple(o for o in self.observations if o.state == state)

    @functools.cached_property
    def complete(self) -> tuple[Observation, ...]:
        """Trials with values."""
        return tuple(o for o in self._in(TrialState.COMPLETE) if o.values is not None)

    @functools.cached_property
    def pruned(self) -> tuple[Observation, ...]:
        """Trials that a pruner stopped."""
        return self._in(TrialState.PRUNED)

    @functools.cached_property
    def failed(self) -> tuple[Observation, ...]:
        """Trials that raised or returned NaN."""
        return self._in(TrialState.FAIL)

    @functools.cached_property
    def running(self) -> tuple[Observation, ...]:
        """Trials under way, the newest ones, without those whose worker seems long dead.

        Nobody tells a storage that a worker was killed. A trial that very many later ones have
        overtaken is taken for such a leftover.
        """
        alive = self._in(TrialState.RUNNING)
        finished = np.array([o.number for o in self.observations if o.state.is_finished()])
        limit = max(50, 10 * len(alive))
        alive = tuple(o for o in alive if np.sum(finished > o.number) <= limit)
        return alive[-_MAX_RUNNING:]

    @functools.cached_property
    def ranking(self) -> tuple[Observation, ...]:
        """Complete and pruned trials from best to worst.

        Feasible before infeasible (by violation), complete before pruned; pruned by how far they
        came, then by their last value; several objectives by non-domination, then by the mean
        of the ranks in each objective.
        """
        keys = self._multi_objective_keys() if self.is_multi_objective else {}

        def key(o: Observation) -> tuple[float, ...]:
            if o.values is not None:
                own = keys.get(o.number) or (o.values[0], 0.0)
                return (o.violation, 0.0, *own)
            last = max(o.intermediate_values, default=None)
            if last is None:
                return (o.violation, 2.0, 0.0, 0.0)
            return (o.violation, 1.0, -last, o.intermediate_values[last])

        return tuple(sorted((*self.complete, *self.pruned), key=key))

    def _multi_objective_keys(self) -> dict[int, tuple[float, float]]:
        trials = self.complete
        if not trials:
            return {}
        values = np.array([o.values for o in trials])
        ranks = np.mean([np.unique(v, return_inverse=True)[1] for v in values.T], axis=0)
        fronts = non_domination_ranks(values)
        return {
            o.number: (float(f), float(r)) for o, f, r in zip(trials, fronts, ranks, strict=True)
        }

    @property
    def best(self) -> Observation | None:
        """The best complete trial, a feasible one if there is any."""
        return next((o for o in self.ranking if o.values is not None), None)

    @functools.cached_property
    def pareto_front(self) -> tuple[Observation, ...]:
        """Feasible complete trials that no other one dominates."""
        feasible = [o for o in self.complete if o.violation == 0]
        if not feasible:
            return ()
        fronts = non_domination_ranks(np.array([o.values for o in feasible]))
        return tuple(o for o, front in zip(feasible, fronts, strict=True) if front == 0)

    def search_space(self) -> SearchSpace:
        """Return every parameter seen so far, with its newest distribution.

        Parameters that some trial did without are optional. Trials that failed before they asked
        for everything do not count as doing without.
        """
        whole = [o for o in self.observations if o.state in _WHOLE_STATES]
        optional = {n for o in whole for n in self.distributions if n not in o.trial.distributions}
        space = {n: d for n, d in sorted(self.distributions.items()) if not d.single()}
        return SearchSpace(space, frozenset(optional & space.keys()))

    def best_so_far(self) -> Sequence[tuple[int, float]]:
        """Return (trial number, value) wherever the first objective's best value improved."""
        steps: list[tuple[int, float]] = []
        for o in self.complete:
            assert o.values is not None
            if o.violation == 0 and (not steps or o.values[0] < steps[-1][1]):
                steps.append((o.number, o.values[0]))
        return steps


def _announced(
    trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    record = read_record(trial)
    return {} if record is None else decode_params(distributions, record.params)


def non_domination_ranks(values: np.ndarray) -> np.ndarray:
    """Return the front of each row of (n, objectives), lower is better; 0 is the best front."""
    # The unique rows are in lexicographic order: whatever dominates a row stands before it, and
    # its front is one behind the last of theirs.
    rows, inverse = np.unique(values, axis=0, return_inverse=True)
    fronts = np.zeros(len(rows), dtype=int)
    for i in range(1, len(rows)):
        dominating = fronts[:i][(rows[:i] <= rows[i]).all(axis=1)]
        fronts[i] = dominating.max(initial=-1) + 1
    return fronts[inverse.ravel()]
