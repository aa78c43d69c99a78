"""The frame of every sampler that shares a study between a proposer and a statistical sampler.

A study starts with known good configurations; then a proposer (a language model, or the embedded
prior) and a base sampler take turns. All memory is in the storage.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.cost import Cost
from optuna_llm.history.expected import Expected
from optuna_llm.history.failure import Attendance
from optuna_llm.history.history import History
from optuna_llm.history.note import Note
from optuna_llm.history.note import SaveNote
from optuna_llm.history.origin import Origin
from optuna_llm.history.overtaken import is_overtaken
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.sharing.base import Base
from optuna_llm.sharing.base_point import BasePoint
from optuna_llm.sharing.checks import check_choice
from optuna_llm.sharing.checks import checked_count
from optuna_llm.sharing.checks import with_inner
from optuna_llm.sharing.delegating import DelegatingSampler
from optuna_llm.sharing.given import Given
from optuna_llm.sharing.given import enqueued_rationale
from optuna_llm.sharing.given import exact
from optuna_llm.sharing.given import fixed_params
from optuna_llm.sharing.proposal import Proposal
from optuna_llm.sharing.proposal import Turn
from optuna_llm.sharing.start_up import MAX_FAILURES
from optuna_llm.sharing.start_up import OF_PORTFOLIO
from optuna_llm.sharing.start_up import next_of_portfolio
from optuna_llm.sharing.start_up import without_failures
from optuna_llm.sharing.streams import RandomStreams
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from optuna_llm.history.history import Observation
    from optuna_llm.history.origin import Source


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# Spread of samples of the embedded prior, in units of its own, and when every other one moves to
# the best trial.
_PRIOR_SPREAD = 0.7
_MIN_TRIALS_TO_CENTRE = 3


class HybridSampler(DelegatingSampler, abc.ABC):
    """A base sampler that shares its trials with a proposer; subclasses are the proposers.

    Args:
        base_sampler: Any Optuna sampler.
        given: The search space, if the user has announced it, and configurations to try first.
        prior: Usual values; its context tells apart hyperparameters of the same name.
        n_startup_trials: Number of trials that count as start-up.
        seed: Seed; every trial's own random numbers also depend on its number.
        on_error: ``fallback`` or ``raise``.
        save_note: Saves a note with a trial, if that is wanted.
    """

    def __init__(
        self,
        *,
        base_sampler: BaseSampler,
        given: Given,
        prior: EmbeddedPrior,
        n_startup_trials: int,
        seed: int | None,
        on_error: str,
        save_note: SaveNote | None,
    ) -> None:
        super().__init__("base_sampler", base_sampler)
        if any(isinstance(sampler, HybridSampler) for sampler in with_inner(base_sampler)):
            raise ConfigurationError(
                f"base_sampler={base_sampler} shares its trials itself; pass a statistical"
                " sampler, such as CQRSampler() or optuna.samplers.TPESampler()."
            )
        check_choice(
            "on_error",
            on_error,
            ("fallback", "raise"),
            "choose 'fallback' (the base sampler takes over) or 'raise'",
        )
        self._given = given
        self._search_space = given.search_space
        self._n_startup_trials = checked_count("n_startup_trials", n_startup_trials, 0)
        self._prior = prior
        self._rng = RandomStreams(seed)
        self._base = Base(base_sampler, self._prior, self._rng, is_strict=on_error == "raise")
        self._on_error = on_error
        self._save_note = save_note

    # ---- what subclasses say

    @abc.abstractmethod
    def _propose(self, turn: Turn) -> Proposal | None:
        """Return the proposer's configuration, or None for the base sampler's turn."""

    def _look_ahead(self, turn: Turn, proposal: Proposal) -> None:
        """Prepare the next trial while this one runs."""

    # ---- Optuna's hooks

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return every parameter known so far: announced, or seen in any trial."""
        history = History.from_study(study, trial, self._search_space)
        return dict(history.parameters)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Decide whose turn it is, and return the joint proposal."""
        history = History.from_study(study, trial, self._search_space)
        space = SearchSpace(search_space, history.search_space().optional & search_space.keys())
        position = sum(_is_ours(o, trial) for o in history.observations)
        turn = Turn(study, trial, history, space, self._rng, position)
        fixed = fixed_params(trial)
        if fixed:
            # What is said of the base sampler's own choice does not hold of the user's.
            proposal = replace(self._beside(turn, fixed), expected=Expected())
        else:
            proposal = self._from_design(turn) or self._propose(turn) or self._from_base(turn)
            proposal = proposal.expecting(turn.outlook)
        # What is announced is what will be run: what is enqueued, or was begun before, stays.
        given, _ = exact({**fixed, **trial.params}, search_space)
        announced = {**proposal.params, **given}
        if not fixed and not proposal.origin.design:
            write_parts(study, trial, Announcement.native(space.distributions, announced))
            now = History.from_study(study, trial, self._search_space)
            if is_overtaken(announced, space, history, now):
                turn = replace(turn, history=now)
                proposal = self._instead(turn, proposal)
                announced = {**proposal.params, **given}
        self._write(study, trial, replace(proposal, params=announced), space)
        self._look_ahead(turn, proposal)
        # What nobody has asked for yet may be asked for otherwise than announced: it is handed
        # over one by one, see sample_independent.
        return {n: v for n, v in proposal.params.items() if n in history.asked}

    def _value(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Return a parameter that is only announced yet, or sample what was not proposed.

        In the first trial, whose search space nobody knows yet, that is every parameter: they get
        their known good values one by one.
        """
        origin = Origin.find(trial)
        asked_for = {name: distribution}
        announced = Announcement.read(trial).decoded(self._search_space)
        legal, _ = exact(announced, asked_for)
        if name in legal:
            return legal[name]
        if origin is not None and origin.design:
            known = self._given.values(origin.design - 1, asked_for)
            if name in known:
                return known[name]
        is_first = origin is not None and origin.source == "enqueued" and trial.number == 0
        if origin is not None and (origin.design or is_first):
            return self._prior.default_value(name, distribution, trial.distributions, trial.params)
        if origin is not None and origin.source == "prior":
            return self._prior.sample_value(
                name,
                distribution,
                self._rng(trial.number, f"usual value of {name}"),
                trial.distributions,
                trial.params,
            )
        return self._base.value(study, trial, name, distribution)

    def _after_own(self, study: Study, trial: FrozenTrial, state: TrialState) -> None:
        """Say who proposed a trial that asked for no proposal, and what of a design was run."""
        origin = Origin.find(trial)
        fixed = fixed_params(trial)
        is_given = all(d.single() or n in fixed for n, d in trial.distributions.items())
        if origin is None and trial.params and is_given:
            told = Origin("enqueued", enqueued_rationale(trial))
            self._write(study, trial, Proposal(trial.params, told))
        elif origin is not None and origin.design:
            # Which parameters there are was perhaps not known when the trial began.
            why = self._design_rationale(origin.design - 1, trial)
            if why != origin.rationale:
                told = replace(origin, rationale=why)
                told.label(study, trial)
                self._note(study, trial, Proposal(trial.params, told, Cost.read(trial)))
        n_run = len(self._given.known_good)
        if origin is None or origin.source == "enqueued":
            n_run = 0
        elif origin.design:
            n_run = origin.design
        self._given.compare(study, trial, state, n_run)

    # ---- what the storage is told

    def _write(
        self,
        study: Study,
        trial: FrozenTrial,
        proposal: Proposal,
        space: SearchSpace | None = None,
    ) -> None:
        """Write into the storage who proposed a trial, and why.

        Args:
            study: The study, or Hyperband's view of it.
            trial: The trial, running.
            proposal: What is proposed.
            space: The space of its parameters; None where nobody has to wait for them.
        """
        announced = {} if space is None else proposal.params
        announcement = Announcement.native(space.distributions if space else {}, announced)
        proposal.attributes.leave(study, trial)
        parts = (proposal.cost, proposal.queue, proposal.expected, proposal.predictions)
        whence = (Attendance.here(trial), proposal.origin, proposal.statement, proposal.settled)
        write_parts(study, trial, *whence, announcement, *parts)
        proposal.origin.label(study, trial)
        self._note(study, trial, proposal)

    def _note(self, study: Study, trial: FrozenTrial, proposal: Proposal) -> None:
        """Save a note with a trial, if that is wanted."""
        if self._save_note is not None:
            history = History.from_study(study, trial, self._search_space)
            note = Note(
                proposal.origin, proposal.cost, history, proposal.params, proposal.candidates
            )
            self._save_note(study, trial, note)

    # ---- how a study begins

    def _in_startup(self, history: History) -> bool:
        return len(history.observations) - len(history.failed) < self._n_startup_trials

    def _from_design(self, turn: Turn) -> Proposal | None:
        """Return the next known good configuration; after the user's own, the usual values."""
        index = turn.position
        if index == 0 and turn.history.is_multi_objective:
            self._base.point(turn)  # Raises at once, not in the middle of the run.
        history = turn.history
        if index > len(self._given.known_good):
            index = self._lost_design(history)
            history = without_failures(history)
        if index < 0:
            return None
        given = self._given.values(index, turn.space.distributions)
        params = {**self._prior.default(turn.space.distributions), **given}
        # No trial has tried a parameter that none has asked for.
        named = self._given.known_good[index] if index < len(self._given.known_good) else {}
        is_new = bool(named.keys() - turn.history.distributions.keys())
        if not is_new and history.tried(turn.space).repeats(params):
            return None
        is_known_good = index < len(self._given.known_good) and (given or len(turn.space) == 0)
        why = (
            self._given.claim(index)
            if is_known_good
            else self._usual_values(turn.space.distributions)
        )
        return Proposal(params, Origin("prior", why, design=index + 1))

    def _lost_design(self, history: History) -> int:
        """Return the place of a configuration that is worth another try; -1 if there is none.

        It was interrupted, or has failed once, which is an accident more often than not.
        """
        known = range(1, len(self._given.known_good) + 2)  # The last one is that of usual values.
        begun: dict[int, list[Observation]] = {}
        for o in history.observations:
            if o.origin is not None and o.origin.design in known:
                begun.setdefault(o.origin.design, []).append(o)

        def is_lost(tries: list[Observation]) -> bool:
            n_failed = sum(not o.is_interrupted for o in tries)
            return all(o.state == TrialState.FAIL for o in tries) and n_failed < MAX_FAILURES

        return min((place for place, tries in begun.items() if is_lost(tries)), default=0) - 1

    def _design_rationale(self, index: int, trial: FrozenTrial) -> str:
        """Say what of the starting design a trial has run."""
        known, nothing = None, ""
        if index < len(self._given.known_good):
            known, nothing = self._given.rationale(index, trial), self._given.nothing_run(index)
        return known or f"{nothing} {self._usual_values(trial.distributions)}".strip()

    def _usual_values(self, distributions: Mapping[str, BaseDistribution]) -> str:
        """Say in one sentence which usual values are known."""
        known = [
            f"{name} {SearchSpace({name: d}).label(name, prior.value)}"
            for name, d in distributions.items()
            if (prior := self._prior.lookup(name, d, distributions)) is not None
        ]
        if not known:
            return "The middle of every range; no parameter has a well-known usual value."
        why = self._prior.sizes(distributions), self._prior.relations(distributions)
        return ". ".join(["Usual values: " + ", ".join(known), *filter(None, why)]) + "."

    def _from_prior(self, turn: Turn) -> Proposal | None:
        """Return what the prior proposes: first the portfolio of the family, where there is one.

        Then samples around the usual values, or around the best trial's on every other trial.
        """
        best = turn.history.best if len(turn.history.complete) >= _MIN_TRIALS_TO_CENTRE else None
        near_best = best is not None and turn.trial.number % 2 == 1
        sample = self._prior.sample(
            turn.space.distributions,
            turn.rng("prior"),
            spread=_PRIOR_SPREAD,
            centre=best.params if best is not None and near_best else None,
        )
        first = {}
        if self._in_startup(turn.history):
            first = next_of_portfolio(self._prior, turn.history, turn.space)
        if first:
            return Proposal({**sample, **first}, Origin("prior", OF_PORTFOLIO.capitalize()))
        if turn.tried.repeats(sample):
            return None
        centre = "the best trial's" if near_best else "the usual"
        return Proposal(sample, Origin("prior", f"Near {centre} values."))

    # ---- the base sampler

    def _instead(self, turn: Turn, overtaken: Proposal) -> Proposal:
        """Return the base sampler's point, where another worker has come to the same proposal.

        What an answer of the model has cost, and what else it held, stays with the trial.
        """
        why = "Another worker has just begun what was proposed."
        base = self._from_base(turn, "base", why, cost=overtaken.cost).expecting(turn.outlook)
        return replace(base, queue=overtaken.queue, statement=overtaken.statement)

    def _beside(self, turn: Turn, fixed: Mapping[str, Any]) -> Proposal:
        """Return what goes with the values that the user has enqueued; the trial is the user's."""
        if turn.trial.number == 0:
            usual = self._prior.default(turn.space.distributions)
            why = enqueued_rationale(turn.trial, "usual values.")
            return Proposal(usual, Origin("enqueued", why))
        why = enqueued_rationale(turn.trial, f"by {self._base}.")
        return self._from_base(turn, "enqueued", why)

    def _base_point(self, turn: Turn) -> BasePoint:
        """Return what the base sampler runs on its turn."""
        return self._base.point(turn)

    def _from_base(
        self,
        turn: Turn,
        source: Source = "base",
        why: str = "",
        *,
        vetoed: Source | None = None,
        cost: Cost | None = None,
    ) -> Proposal:
        point = self._base_point(turn)
        expected = point.rationale or ("" if why else f"{self._base}'s turn.")
        origin = Origin(source, f"{why} {expected}".strip(), vetoed)
        return Proposal(
            point.params,
            origin,
            cost or Cost(),
            expected=point.expected,
            attributes=point.attributes,
        )


def _is_ours(other: Observation, current: FrozenTrial) -> bool:
    """Whether this family of samplers has proposed a trial, or is about to."""
    if other.origin is not None:
        return other.origin.source != "enqueued"
    return (
        not other.state.is_finished()
        and other.number < current.number
        and "fixed_params" not in other.trial.system_attrs
    )
