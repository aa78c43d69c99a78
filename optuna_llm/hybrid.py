"""The frame of every sampler that shares a study between a proposer and a statistical sampler.

A study starts with known good configurations; then a proposer (a language model, or the embedded
prior) and a base sampler take turns. All memory is in the storage.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from collections.abc import Sequence
import copy
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import functools
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler

from optuna_llm.cqr import CQRSampler
from optuna_llm.errors import ConfigurationError
from optuna_llm.history import History
from optuna_llm.outlook import Outlook
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.provenance import Record
from optuna_llm.provenance import encode_params
from optuna_llm.provenance import read_record
from optuna_llm.provenance import write_record
from optuna_llm.space import SearchSpace
from optuna_llm.space import choice_index


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial
    from optuna.trial import TrialState

    from optuna_llm.assistant import Candidate
    from optuna_llm.history import Observation
    from optuna_llm.provenance import Source


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


@dataclass(frozen=True)
class Turn:
    """All that is known when one trial is sampled.

    Attributes:
        study: The study, or Hyperband's view of it.
        trial: The trial.
        history: The other trials.
        space: The parameters known so far.
        rng: Random numbers of this trial alone.
        position: How many trials this family of samplers has started before.
    """

    study: Study
    trial: FrozenTrial
    history: History
    space: SearchSpace
    rng: np.random.Generator
    position: int

    @functools.cached_property
    def tried(self) -> np.ndarray:
        """Coordinates of all finished and running trials, (n, parameters)."""
        return self.space.coordinates(o.params for o in self.history.observations)

    @functools.cached_property
    def outlook(self) -> Outlook:
        """The statistical surrogate of the study."""
        return Outlook(self.space, self.history, int(self.rng.integers(2**31)))


@dataclass(frozen=True)
class Proposal:
    """A configuration and its provenance.

    Attributes:
        params: Native values; those that are missing are sampled independently.
        record: Who proposes it, and why.
        candidates: Whole configurations of the language model that it was chosen from, or that
            were vetoed.
    """

    params: dict[str, Any]
    record: Record = field(default_factory=lambda: Record("base"))
    candidates: tuple[Candidate, ...] = ()


class HybridSampler(BaseSampler, abc.ABC):
    """A base sampler that shares its trials with a proposer; subclasses are the proposers.

    Args:
        base_sampler: Any Optuna sampler; None is the default one.
        search_space: The whole search space, if the user has announced it.
        known_good: Configurations to try first, best guess first; parts of one are enough.
        context: What the study is about, to tell apart hyperparameters of the same name.
        seed: Seed; every trial's own random numbers also depend on its number.
        on_error: ``fallback`` or ``raise``.
        notes: Whether each trial gets a note in Optuna Dashboard.
    """

    def __init__(
        self,
        *,
        base_sampler: BaseSampler | None,
        search_space: Mapping[str, BaseDistribution] | None,
        known_good: Sequence[Mapping[str, Any]] | None,
        context: str | None,
        seed: int | None,
        on_error: str,
        notes: bool,
    ) -> None:
        if seed is not None and (isinstance(seed, bool) or seed not in range(2**32)):
            raise ConfigurationError(f"seed={seed!r} must be None or a whole number below 2**32.")
        self._search_space = _checked_space(search_space)
        if base_sampler is None:
            base_sampler = CQRSampler(search_space=search_space, seed=seed)
        if not isinstance(base_sampler, BaseSampler):
            raise ConfigurationError(
                f"base_sampler={base_sampler!r} is not an Optuna sampler; pass an instance, such"
                " as optuna.samplers.TPESampler()."
            )
        if on_error not in ("fallback", "raise"):
            raise ConfigurationError(
                f"on_error={on_error!r} is not known; choose 'fallback' (the base sampler takes"
                " over) or 'raise'."
            )
        self._base = base_sampler
        self._known_good = _checked_known_good(known_good, self._search_space)
        self._prior = EmbeddedPrior(context)
        self._entropy = seed
        self._on_error = on_error
        self._notes = notes
        if notes:
            from optuna_llm.dashboard import require_dashboard

            require_dashboard()

    # ---- what subclasses say

    @abc.abstractmethod
    def _propose(self, turn: Turn) -> Proposal | None:
        """Return the proposer's configuration, or None for the base sampler's turn."""

    def _look_ahead(self, turn: Turn) -> None:
        """Prepare the next trial while this one runs."""

    # ---- Optuna's hooks

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Forward to the base sampler."""
        self._base.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return every parameter known so far: announced, or seen in any trial."""
        history = History.from_study(study, trial, self._search_space)
        return dict(history.search_space().distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Decide whose turn it is, and return the joint proposal."""
        history = History.from_study(study, trial, self._search_space)
        space = SearchSpace(search_space, history.search_space().optional & search_space.keys())
        position = sum(_is_ours(o, trial) for o in history.observations)
        turn = Turn(study, trial, history, space, self._rng(trial.number), position)
        proposal = self._from_design(turn) or self._propose(turn) or self._from_base(turn)
        fixed = trial.system_attrs.get("fixed_params", {})
        params = {**proposal.params, **{n: v for n, v in fixed.items() if n in search_space}}
        record = replace(proposal.record, params=encode_params(space, params))
        self._write(study, trial, record, params, proposal.candidates)
        self._look_ahead(turn)
        return proposal.params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one parameter that the joint proposal did not hold.

        In the first trial, whose search space nobody knows yet, that is every parameter: they get
        their known good values one by one.
        """
        record = read_record(trial)
        if record is not None and record.design:
            design = self._design(record.design - 1)
            if param_name in design:
                space = SearchSpace({param_name: param_distribution})
                _check_configuration(design, space, f"known_good[{record.design - 1}]")
                return native(design, space)[param_name]
            return self._prior.default_value(param_name, param_distribution, trial.distributions)
        if record is not None and record.source == "prior":
            return self._prior.sample_value(
                param_name,
                param_distribution,
                self._rng(trial.number, param_name),
                trial.distributions,
            )
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Label a trial that asked for no proposal, and forward to the base sampler."""
        record = read_record(trial)
        if record is None and trial.params:
            why = "Every parameter was given with enqueue_trial or has a single value."
            self._write(study, trial, Record("enqueued", why), trial.params)
        elif record is not None and record.design > len(self._known_good) and not record.params:
            # The search space was not known yet when the trial began.
            why = self._usual_values(trial.distributions)
            self._write(study, trial, replace(record, rationale=why), trial.params)
        self._base.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Draw new entropy, as Optuna asks of a sampler that several threads share."""
        self._base.reseed_rng()

    # ---- what the storage is told

    def _write(
        self,
        study: Study,
        trial: FrozenTrial,
        record: Record,
        params: Mapping[str, Any],
        candidates: Sequence[Candidate] = (),
    ) -> None:
        """Write into the storage who proposed a trial, and why."""
        write_record(study, trial, record)
        if self._notes:
            from optuna_llm.dashboard import save_note

            history = History.from_study(study, trial, self._search_space)
            save_note(study, trial, record, history, params=params, candidates=candidates)

    # ---- the known good configurations

    def _design(self, index: int) -> Mapping[str, Any]:
        return self._known_good[index] if index < len(self._known_good) else {}

    def _from_design(self, turn: Turn) -> Proposal | None:
        """Return the next known good configuration; after the user's own, the usual values."""
        index = turn.position
        if index == 0 and turn.history.is_multi_objective:
            self._base_params(turn)  # Raises at once, not in the middle of the run.
        if index > len(self._known_good):
            return None
        given = native(self._design(index), turn.space)
        params = {**self._prior.default(turn.space.distributions), **given}
        if turn.space.duplicates(params, turn.tried):
            return None
        if index < len(self._known_good):
            why = (
                f"Known good configuration {index + 1} of {len(self._known_good)}, from the user."
            )
        else:
            why = self._usual_values(turn.space.distributions)
        return Proposal(params, Record("prior", why, design=index + 1))

    def _usual_values(self, distributions: Mapping[str, BaseDistribution]) -> str:
        """Say in one sentence which usual values are known."""
        known = [
            f"{name} {SearchSpace({name: d}).label(name, prior.value)}"
            for name, d in distributions.items()
            if (prior := self._prior.lookup(name, d, distributions)) is not None
        ]
        if not known:
            return "The middle of every range; no parameter has a well-known usual value."
        return "Usual values: " + ", ".join(known) + "."

    # ---- the base sampler

    def _from_base(
        self, turn: Turn, source: Source = "base", why: str = "", **record: Any
    ) -> Proposal:
        return Proposal(
            self._base_params(turn), Record(source, why or f"{self._base}'s turn.", **record)
        )

    def _base_params(self, turn: Turn, ahead: int = 0) -> dict[str, Any]:
        """Return the base sampler's joint proposal; the rest is sampled independently.

        Args:
            turn: The trial.
            ahead: 1 for what it would propose next, after this trial.
        """
        trial = turn.trial
        if ahead:
            trial = copy.copy(trial)
            trial.number += ahead
            trial.system_attrs = {}
        try:
            space = self._base.infer_relative_search_space(turn.study, trial)
            known = {n: d for n, d in space.items() if n in turn.space.distributions}
            return self._base.sample_relative(turn.study, trial, known)
        except Exception as error:
            if isinstance(error, ValueError) and turn.history.is_multi_objective:
                raise ConfigurationError(
                    f"base_sampler={self._base} cannot optimise {len(turn.history.directions)}"
                    f" objectives ({error}); pass one that can, such as TPESampler or GPSampler."
                ) from error
            if self._on_error == "raise" or turn.position == 0:
                raise
            _logger.warning(
                f"{self._base} failed at trial {turn.trial.number} and proposes nothing:"
                f" {type(error).__name__}: {error}"
            )
            return {}

    def _rng(self, number: int, *more: str) -> np.random.Generator:
        """Return random numbers of one trial: the same seed, another number, another stream."""
        if self._entropy is None:
            self._entropy = int(np.random.SeedSequence().generate_state(1)[0])
        words = [int.from_bytes(m.encode()[:8], "little") for m in more]
        return np.random.default_rng([self._entropy, number, *words])


def _is_ours(other: Observation, current: FrozenTrial) -> bool:
    """Whether this family of samplers has proposed a trial, or is about to."""
    if other.record is not None:
        return other.record.source != "enqueued"
    return (
        not other.state.is_finished()
        and other.number < current.number
        and "fixed_params" not in other.trial.system_attrs
    )


def _checked_space(
    space: Mapping[str, BaseDistribution] | None,
) -> dict[str, BaseDistribution] | None:
    if space is None:
        return None
    if not isinstance(space, Mapping):
        raise ConfigurationError(
            f"search_space={space!r} must map parameter names to Optuna distributions, such as"
            ' {"lr": FloatDistribution(1e-5, 1e-1, log=True)}.'
        )
    for name, distribution in space.items():
        if not isinstance(name, str) or not isinstance(distribution, BaseDistribution):
            raise ConfigurationError(
                f"search_space[{name!r}]={distribution!r} is not an Optuna distribution; use"
                " FloatDistribution, IntDistribution or CategoricalDistribution."
            )
    return dict(space)


def _checked_known_good(
    known_good: Sequence[Mapping[str, Any]] | None,
    space: Mapping[str, BaseDistribution] | None,
) -> tuple[dict[str, Any], ...]:
    if known_good is None:
        return ()
    if isinstance(known_good, Mapping) or not isinstance(known_good, Sequence):
        raise ConfigurationError(
            f"known_good={known_good!r} must be a list of configurations, such as"
            ' [{"lr": 1e-3}].'
        )
    for index, configuration in enumerate(known_good):
        if not isinstance(configuration, Mapping):
            raise ConfigurationError(
                f"known_good[{index}]={configuration!r} must map parameter names to values."
            )
        if space is not None:
            unknown = [n for n in configuration if n not in space]
            if unknown:
                raise ConfigurationError(
                    f"known_good[{index}] names {unknown[0]!r}, which is not in search_space; its"
                    f" parameters are {', '.join(space)}."
                )
            _check_configuration(configuration, SearchSpace(space), f"known_good[{index}]")
    return tuple(dict(c) for c in known_good)


def native(configuration: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Return what native values say about the parameters of a space, which may have changed.

    A categorical value is the choice itself, before it is a label.
    """
    params = space.repair(configuration).params
    for name in params:
        distribution = space.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            index = choice_index(distribution, configuration.get(name))
            if index is not None and name in configuration:
                params[name] = distribution.choices[index]
    return params


def _check_configuration(
    configuration: Mapping[str, Any], space: SearchSpace, argument: str
) -> None:
    """Raise ConfigurationError for the first value that is not legal as it stands."""
    outcome = space.repair({n: v for n, v in configuration.items() if n in space.names})
    for problem in (*outcome.repaired.values(), *outcome.dropped.values()):
        raise ConfigurationError(f"{argument}: {problem}.")
