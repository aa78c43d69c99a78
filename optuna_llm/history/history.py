"""One immutable view of a study for samplers: what was tried, and what came of it.

All values are signed so that lower is better. All trials are read, also under Hyperband, where
the study that a sampler is handed shows one bracket only.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import functools
import math
from typing import TYPE_CHECKING
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import shorten
from optuna_llm.history.conditions import WHOLE_STATES
from optuna_llm.history.conditions import conditional
from optuna_llm.history.cost import Cost
from optuna_llm.history.expected import Expected
from optuna_llm.history.failure import Failure
from optuna_llm.history.failure import interrupted
from optuna_llm.history.origin import Origin
from optuna_llm.history.pareto import is_on_front
from optuna_llm.history.pareto import non_domination_ranks
from optuna_llm.history.predictions import Predictions
from optuna_llm.history.preferences import Pair
from optuna_llm.history.preferences import preferences_in
from optuna_llm.history.queue import Queue
from optuna_llm.history.study_store import check_study
from optuna_llm.history.versions import open_distributions
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.tried import Tried


if TYPE_CHECKING:
    from optuna import Study


# User attributes in which an objective may say why it failed, in order of preference.
FAILURE_KEYS = ("fail_reason", "failure", "error", "exception")
_MAX_RUNNING = 64
_MAX_FAILURE = 180


@dataclass(frozen=True)
class Observation:
    """One trial, with values and intermediate values signed so that lower is better.

    Attributes:
        trial: Optuna's record of it; never changed.
        signs: -1 for each objective that is maximised, else 1.
        announced: Of a running or failed trial, the joint proposal that its sampler has announced.
        is_interrupted: Whether it failed by nothing that its parameters could help: it was
            stopped with Ctrl-C or the like, or its worker died.
    """

    trial: FrozenTrial
    signs: tuple[int, ...]
    announced: Mapping[str, Any] = field(default_factory=dict)
    is_interrupted: bool = False

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def state(self) -> TrialState:
        """The trial's state."""
        return self.trial.state

    @functools.cached_property
    def origin(self) -> Origin | None:
        """Who proposed the trial, where one of our hybrid samplers did."""
        return Origin.find(self.trial)

    @functools.cached_property
    def cost(self) -> Cost:
        """What was spent on it."""
        return Cost.read(self.trial)

    @functools.cached_property
    def queue(self) -> Queue:
        """The candidates that were proposed together with it, for later turns."""
        return Queue.read(self.trial)

    @functools.cached_property
    def expected(self) -> Expected:
        """What the statistical surrogate expected of it."""
        return Expected.read(self.trial)

    @functools.cached_property
    def predictions(self) -> Predictions:
        """What a model predicted of it."""
        return Predictions.read(self.trial)

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """Native parameters; of a running trial also those it has not asked for yet."""
        return self.intended if self.state == TrialState.RUNNING else dict(self.trial.params)

    @property
    def intended(self) -> dict[str, Any]:
        """Native parameters, those of a failed trial included that it never asked for."""
        return {**self.announced, **self.trial.params}

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
        """Reported values by step, NaN left out; none where there are several objectives."""
        if len(self.signs) > 1:
            return {}  # Optuna refuses them; a trial that was added by hand may have some.
        reported = sorted(self.trial.intermediate_values.items())
        return {step: self.signs[0] * v for step, v in reported if not math.isnan(v)}

    @functools.cached_property
    def constraints(self) -> dict[str, float]:
        """Constraint values by name; feasible where <= 0."""
        return dict(self.trial.constraints)

    @property
    def violation(self) -> float:
        """Sum of the positive constraint values: 0 for a feasible trial, infinite with a NaN."""
        return sum(math.inf if math.isnan(v) else max(v, 0.0) for v in self.constraints.values())

    @property
    def failure(self) -> str:
        """Why the trial failed, in one line: what the objective has said, or else raised."""
        user, system = self.trial.user_attrs, self.trial.system_attrs
        said = [user[key] for key in FAILURE_KEYS if key in user]
        said += [system["fail_reason"]] if "fail_reason" in system else []
        seen = Failure.read(self.trial)
        if not said and seen is not None and seen.name:
            return shorten(str(seen), _MAX_FAILURE)
        unknown = "its worker died" if self.is_interrupted else "no reason given"
        return shorten(str(said[0] if said else unknown), _MAX_FAILURE)


@dataclass(frozen=True)
class History:
    """The trials of a study as one sampler call sees them.

    Attributes:
        directions: One for each objective.
        metric_names: As set on the study, else "value" or "value_0", "value_1", ...
        observations: All trials but the current one, waiting ones excepted, by number.
        distributions: The newest distribution of every parameter seen or announced.
        preferences: In a preferential study, pairs of a better trial's number and a worse one's.
    """

    directions: tuple[StudyDirection, ...]
    metric_names: tuple[str, ...]
    observations: tuple[Observation, ...]
    distributions: Mapping[str, BaseDistribution]
    preferences: tuple[Pair, ...] = ()

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

        Raises:
            ConfigurationError: It is no study.
        """
        check_study(study)
        storage = study._storage
        study_id = storage.get_study_id_from_name(study.study_name)
        attributes = storage.get_study_system_attrs(study_id)
        directions = tuple(study.directions)
        signs = tuple(-1 if d == StudyDirection.MAXIMIZE else 1 for d in directions)
        names = attributes.get("study:metric_names") or (
            ["value"] if len(directions) == 1 else [f"value_{i}" for i in range(len(directions))]
        )
        everything = study._get_trials(deepcopy=False, use_cache=False)
        trials = [
            t
            for t in everything
            if t.state != TrialState.WAITING and (current is None or t.number != current.number)
        ]
        distributions = dict(search_space or {})
        for t in trials:
            distributions.update(t.distributions)
        distributions.update(open_distributions(trials, everything))
        stopped = interrupted(trials)

        def observed(t: FrozenTrial) -> Observation:
            return Observation(t, signs, _announced(t, distributions), t.number in stopped)

        observations = _kept(storage, study_id, trials, observed)
        preferences = preferences_in(attributes)
        return cls(directions, tuple(names), observations, distributions, preferences)

    @functools.cached_property
    def asked(self) -> frozenset[str]:
        """Names of the parameters that some trial has asked for; others are only announced."""
        return frozenset(n for o in self.observations for n in o.trial.distributions)

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
        """Trials that raised, returned NaN, or whose worker died."""
        return self._in(TrialState.FAIL)

    @functools.cached_property
    def failures_of_parameters(self) -> tuple[Observation, ...]:
        """Failed trials whose parameters may be to blame: all but the interrupted ones."""
        return tuple(o for o in self.failed if not o.is_interrupted)

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

    @property
    def n_ranked(self) -> int:
        """Number of complete and pruned trials, without ranking them."""
        return len(self.complete) + len(self.pruned)

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

    @functools.cached_property
    def best(self) -> Observation | None:
        """The best complete trial, a feasible one if there is any."""
        if not self.is_multi_objective:
            return min(self.complete, key=lambda o: (o.violation, o.values), default=None)
        return next((o for o in self.ranking if o.values is not None), None)

    @functools.cached_property
    def pareto_front(self) -> tuple[Observation, ...]:
        """Feasible complete trials that no other one dominates."""
        feasible = [o for o in self.complete if o.violation == 0]
        if not feasible:
            return ()
        best = is_on_front(np.array([o.values for o in feasible]))
        return tuple(o for o, is_best in zip(feasible, best, strict=True) if is_best)

    @functools.cached_property
    def parameters(self) -> dict[str, BaseDistribution]:
        """The parameters that have more than one value, by name, in order."""
        return {n: d for n, d in sorted(self.distributions.items()) if not d.single()}

    def search_space(self) -> SearchSpace:
        """Return every parameter seen so far, with its newest distribution.

        Conditional parameters are optional; see :mod:`optuna_llm.history.conditions`.
        """
        optional = conditional([o.trial for o in self.observations], self.distributions)
        return SearchSpace(self.parameters, optional & self.parameters.keys())

    def tried(self, space: SearchSpace) -> Tried:
        """Return the configurations that it would be a waste to try again.

        A trial that is over, or runs and has announced what it will ask for, did without what
        it lacks: optional parameters, and those that it was given but did not ask for. One that
        failed may have stopped before it asked for them; one that was interrupted was not tried.
        """
        return Tried.of(
            space,
            [(o.params, _inactive(o, space)) for o in self.observations if not o.is_interrupted],
        )

    def best_so_far(self) -> Sequence[tuple[int, float]]:
        """Return (trial number, value) wherever the first objective's best value improved."""
        steps: list[tuple[int, float]] = []
        for o in self.complete:
            assert o.values is not None
            if o.violation == 0 and (not steps or o.values[0] < steps[-1][1]):
                steps.append((o.number, o.values[0]))
        return steps


# What has been read from complete and pruned trials, by storage and study.
_Known = dict[int, Observation]
_known: WeakKeyDictionary[BaseStorage, dict[int, _Known]] = WeakKeyDictionary()


def _kept(
    storage: BaseStorage,
    study_id: int,
    trials: Sequence[FrozenTrial],
    observed: Callable[[FrozenTrial], Observation],
) -> tuple[Observation, ...]:
    """Return an observation of each trial: the same one as before where it is the same trial.

    Storages that hold finished trials in memory hand out the same objects again. Where they do
    not, or where an id was given to another trial, everything is read anew.
    """
    before = _known.get(storage, {}).get(study_id, {})
    observations = tuple(
        known if (known := before.get(t.number)) is not None and known.trial is t else observed(t)
        for t in trials
    )
    # Replaced as a whole, so that threads never see a part of it.
    whole = {o.number: o for o in observations if o.state in WHOLE_STATES}
    _known.setdefault(storage, {})[study_id] = whole
    return observations


def _inactive(o: Observation, space: SearchSpace) -> Collection[str]:
    """Return the parameters that were inactive in a trial if it lacks them."""
    if o.state not in WHOLE_STATES:
        is_announced = o.state == TrialState.RUNNING and o.announced
        return space.optional if is_announced else ()
    if all(n in o.params or n in space.optional for n in space.names):
        return space.optional
    return space.optional | Announcement.read(o.trial).params.keys()


def _announced(
    trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    if trial.state not in (TrialState.RUNNING, TrialState.FAIL):
        return {}
    return Announcement.read(trial).decoded(distributions)
