"""The first trials of a study: known good ones, usual values, a portfolio, a Latin hypercube."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.history.failure import interrupted
from optuna_llm.history.failure import queued_again
from optuna_llm.history.history import History
from optuna_llm.history.origin import Source
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.sharing.given import Given
from optuna_llm.sharing.given import fixed_params
from optuna_llm.sharing.streams import RandomStreams
from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Study


# A start that left out a choice could not tell what it is worth: half of the weight is even.
_EVEN_SHARE = 0.5
# How often what is known to be good fails before its parameters are taken for the reason.
MAX_FAILURES = 2
OF_PORTFOLIO = "one of a few configurations of which one is good on most data."
# A configuration of a portfolio this near to a trial, in the mean over parameters, is no news.
_ALIKE = 0.05


class StartUp:
    """The design of the trials before there is anything to learn from.

    Args:
        given: What the user has given, among it the known good configurations.
        prior: Usual values; None for a search that knows nothing beforehand.
        n_trials: Number of trials of the design, after the known good ones.
        rng: Random numbers of the sampler.
    """

    def __init__(
        self, given: Given, prior: EmbeddedPrior | None, n_trials: int, rng: RandomStreams
    ) -> None:
        self._given = given
        self._prior = prior
        self._n_trials = n_trials
        self._rng = rng

    def position(self, study: Study, trial: FrozenTrial) -> int | None:
        """Return the place of a trial in the starting design; an enqueued one has none.

        A place whose trial was interrupted is taken again, and so is, once, one whose trial has
        failed: what is known to be good is better than that more often than it is the reason.
        """
        if not self._given.known_good and self._prior is None:
            return trial.number
        if fixed_params(trial):
            return None
        trials = study._get_trials(deepcopy=False, use_cache=True)
        own = [t for t in trials if t.number < trial.number and not fixed_params(t)]
        retried = queued_again(trials)
        failed = {t.number for t in own if t.state == TrialState.FAIL} - retried
        if not failed:
            return len(own)
        blamed = failed - interrupted(trials)
        n_known = len(self._given.known_good)
        fresh, place = 0, 0
        # Known good ones and the usual values are worth a second try.
        begun: dict[int, list[FrozenTrial]] = {p: [] for p in range(n_known + 1)}

        def is_lost(tries: Sequence[FrozenTrial], t: FrozenTrial) -> bool:
            """Whether a place is free again when a trial begins."""
            if not tries or tries[-1].number not in failed or not _is_before(tries[-1], t):
                return False
            return sum(o.number in blamed for o in tries) < MAX_FAILURES

        for t in (*own, trial):
            # They are run again once all known ones have begun.
            lost = [p for p, tries in begun.items() if is_lost(tries, t)]
            if lost and fresh >= n_known:
                place = min(lost)
            else:
                place, fresh = fresh, fresh + 1
            if place in begun:
                begun[place].append(t)
        return place

    def is_known(self, position: int | None, independent: BaseSampler | None) -> bool:
        """Whether a place of the design is that of a known good configuration or usual values."""
        n_known = len(self._given.known_good)
        is_usual = position == n_known and self._is_turn_of_prior(position, independent)
        return is_usual or (position is not None and position < n_known)

    def value(
        self,
        study: Study,
        trial: FrozenTrial,
        name: str,
        distribution: BaseDistribution,
        independent: BaseSampler | None,
    ) -> Any:
        """Return the value of one parameter, in the start-up or where no trial has had it yet.

        Args:
            study: The study.
            trial: The trial.
            name: The parameter's name.
            distribution: Its distribution.
            independent: The user's own sampler for this, which goes before usual values.
        """
        rng = self._rng(trial.number, name)
        space = SearchSpace({name: distribution})
        position = self.position(study, trial)
        known = {} if position is None else self._given.values(position, space.distributions)
        if name in known:
            return known[name]
        unit = self._stratum(trial.number, name, rng)
        if self._prior is not None and self._is_turn_of_prior(position, independent):
            others = {**self._given.search_space, **trial.distributions}
            if position == len(self._given.known_good) and not self._has_run_usual(study, trial):
                return self._prior.default_value(name, distribution, others, trial.params)
            return self._prior.quantile(
                name, distribution, unit, others, trial.params, even_share=_EVEN_SHARE
            )
        if independent is not None:
            return independent.sample_independent(study, trial, name, distribution)
        (coordinate,) = Encoding(space).domain.at(np.array([[unit]]))[0]
        return space.value(name, coordinate)

    def proposal(
        self,
        history: History,
        space: SearchSpace,
        position: int | None,
        independent: BaseSampler | None,
    ) -> tuple[dict[str, Any], Source, str]:
        """Return what a trial takes from the portfolio of its family, who proposes it, and why.

        Most take nothing from there: they get all their values one by one.
        """
        params: dict[str, Any] = {}
        is_usual = position == len(self._given.known_good)
        is_turn = not is_usual and self._is_turn_of_prior(position, independent)
        if self._prior is not None and is_turn:
            params = next_of_portfolio(self._prior, history, space)
        if params:
            return params, "prior", f"Start-up: {OF_PORTFOLIO}"
        return params, *self._label(position, independent)

    def _label(self, position: int | None, independent: BaseSampler | None) -> tuple[Source, str]:
        """Return who proposes a trial of the design, and why."""
        n_known = len(self._given.known_good)
        if position is not None and position < n_known:
            return "prior", self._given.claim(position)
        if self._is_turn_of_prior(position, independent):
            near = "" if position == n_known else "near "
            return "prior", f"Start-up: {near}the usual values, where parameters have any."
        drawn = "from a Latin hypercube" if independent is None else f"by {independent}"
        return "base", f"Start-up: drawn {drawn}, as too little is known yet."

    def _stratum(self, number: int, name: str, rng: np.random.Generator) -> float:
        """Return a number in [0, 1] such that the start-up trials form a Latin hypercube.

        Of as many equal intervals as there are start-up trials, each trial of a block of as many
        has its own, in an order drawn for each parameter.
        """
        n = max(self._n_trials, 1)
        block, place = divmod(number, n)
        order = np.random.default_rng([*self._rng.key(block, name), n]).permutation(n)
        return float((order[place] + rng.random()) / n)

    def _is_turn_of_prior(self, position: int | None, independent: BaseSampler | None) -> bool:
        if self._prior is None or position is None:
            return False
        turn = position - len(self._given.known_good)
        return independent is None and 0 <= turn < self._n_trials

    def _has_run_usual(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the usual values are those of a trial that has not failed, such as a user's."""
        history = without_failures(History.from_study(study, trial, self._given.search_space))
        if self._prior is None or not history.parameters:
            return False
        usual = self._prior.default(history.parameters)
        return history.tried(SearchSpace(history.parameters)).repeats(usual)


def next_of_portfolio(
    prior: EmbeddedPrior, history: History, space: SearchSpace
) -> dict[str, Any]:
    """Return the next good configuration of the family of models that no trial is like, if any."""
    known = prior.portfolio(space.distributions)
    tried = history.tried(space) if known else None
    return next((c for c in known if tried is None or not tried.are_near(c, _ALIKE)), {})


def without_failures(history: History) -> History:
    """Return what a study would be if none of its trials had failed."""
    kept = tuple(o for o in history.observations if o.state != TrialState.FAIL)
    return replace(history, observations=kept)


def _is_before(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Whether a trial had ended when another one began."""
    end, start = one.datetime_complete, other.datetime_start
    return end is not None and start is not None and end <= start
