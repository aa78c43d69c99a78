"""CQRSampler: optimisation by conformalized quantile regression."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import functools
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import get_args

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.expectations.chosen import ChosenSurrogate
from optuna_llm.expectations.chosen import Surrogate
from optuna_llm.expectations.knowledge import Knowledge
from optuna_llm.expectations.knowledge import UsualValues
from optuna_llm.expectations.knowledge import checked_knowledge
from optuna_llm.expectations.local import local_share
from optuna_llm.expectations.pool import Acquisition
from optuna_llm.expectations.pool import Judge
from optuna_llm.expectations.pool import Pool
from optuna_llm.expectations.pool import refined
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.expected import Expected
from optuna_llm.history.expected import Reach
from optuna_llm.history.failure import Attendance
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.history.losses import MultiFidelity
from optuna_llm.history.origin import Origin
from optuna_llm.history.origin import Source
from optuna_llm.history.overtaken import is_overtaken
from optuna_llm.history.progress import spent_share
from optuna_llm.history.repeats import is_noisy
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.sharing.checks import check_choice
from optuna_llm.sharing.checks import checked_count
from optuna_llm.sharing.checks import checked_flag
from optuna_llm.sharing.checks import checked_prior
from optuna_llm.sharing.checks import checked_seed
from optuna_llm.sharing.checks import checked_space
from optuna_llm.sharing.delegating import DelegatingSampler
from optuna_llm.sharing.given import Given
from optuna_llm.sharing.given import enqueued_rationale
from optuna_llm.sharing.given import fixed_params
from optuna_llm.sharing.start_up import StartUp
from optuna_llm.sharing.streams import RandomStreams
from optuna_llm.space.candidates import Domain
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.surrogate.belief import Belief
from optuna_llm.surrogate.threads import one_blas_thread
from optuna_llm.transfer.teaching import EarlierStudies


if TYPE_CHECKING:
    from optuna import Study


# Every tenth trial explores; but in the last part of an announced number of trials there is no
# time left to explore for later.
_EXPLORED_EVERY = 10
_LAST_PART = 0.9
# Of the candidates of a global search: around the best trials; added from each belief.
_AROUND_SHARE, _BELIEVED_SHARE = 0.5, 0.25
N_MUTANTS, MUTATION_RATE, MUTATION_STEP = 32, 0.2, 0.15
_MIN_FINISHED = 4
# How often a proposal is announced while another worker comes to the same at the same moment.
_ANNOUNCEMENTS = 2


class CQRSampler(DelegatingSampler):
    """Sampler by conformalized quantile regression, with no language model.

    Calibrated quantiles of the objective are predicted for candidates, and the one with the
    largest expected improvement is evaluated next. The candidates come from the whole space, or
    are mutants of the best trial: each kind of search gets the share of the trials that it has
    earned in the study. The surrogate is an ensemble of a Gaussian process, boosted trees and
    what is believed beforehand (by default, usual values of well-known hyperparameters),
    calibrated out of fold; each member weighs what its errors earn.
    The method as published by Salinas et al. 2023, "Optimizing Hyperparameters with Conformal
    Quantile Regression", is ``surrogate="gbt"`` with ``multi_fidelity="last"``: boosted quantile
    regression with a split-conformal correction, and Thompson sampling.

    The sampler reads all it knows from the study's storage. It learns where evaluations fail,
    makes the values of pruned trials comparable, and models conditional parameters jointly. Where
    it is the study's own sampler, every trial carries the user attributes ``llm:source`` and
    ``llm:rationale``: where it comes from, and what was expected of it.

    .. testcode::

        import optuna
        from optuna_llm import CQRSampler


        def objective(trial: optuna.Trial) -> float:
            x = trial.suggest_float("x", -10, 10)
            return (x - 2) ** 2


        study = optuna.create_study(sampler=CQRSampler(seed=1))
        study.optimize(objective, n_trials=15)

    Args:
        search_space: Distributions of the parameters, where they are known beforehand. Others
            are added as trials ask for them.
        surrogate: ``"ensemble"``, or ``"gbt"`` for the published method: gradient-boosted
            quantile regression with split-conformal correction (needs the extra ``scikit-learn``);
            or ``"classifier"``, which uses the order of the trials only (BORE: see
            :mod:`optuna_llm.surrogate.density_ratio`; needs the same).
        acquisition: ``"ei"``: expected improvement; ``"ts"``: quantiles drawn independently
            (Thompson sampling, the published rule); ``"lcb"``: the 0.2 quantile. By default
            ``"ei"``, and ``"ts"`` for ``surrogate="gbt"``. With ``"classifier"`` there are
            ``"ei"``, which weighs good trials by how good they are, and ``"pi"``, which does not.
        n_startup_trials: Number of trials before the surrogate is used, running ones included
            as soon as four have finished. They form a Latin hypercube.
        n_candidates: How many configurations compete for a trial that is sought everywhere.
            ``"ensemble"`` draws half of them around the best trials, half as many again around
            the most promising of these, and a quarter as many from each belief; ``"gbt"`` draws
            all of them uniformly.
        multi_fidelity: What the intermediate values of pruned and running trials tell.
            ``"aligned"``: they are carried up to the last step by the changes that other trials
            have shown; ``"last"``: the last value counts, at whatever step (the published rule);
            ``"ignore"``: only complete trials count. Choose ``"ignore"`` where reported values
            are not the course of the objective, as with ``WilcoxonPruner``.
        known_good: Configurations to start with, one for each of the first trials not enqueued.
            Missing parameters are sampled. A value that is not legal is an error where
            ``search_space`` tells, else a warning. One that fails is tried once more.
        prior: Usual values of well-known hyperparameters, found by name (see
            :class:`~optuna_llm.prior.EmbeddedPrior`), or an :class:`optuna_llm.Prior` with your
            own in front. The first trial after ``known_good`` takes them as they are, the others
            of the start-up vary them, and the surrogate weighs them against results. False for a
            search that knows nothing beforehand, as the published method does by default.
        knowledge: What else is known: each is asked where good values lie (see
            :class:`~optuna_llm.expectations.knowledge.Knowledge`), which is weighed likewise.
        sources: Earlier studies, in all forms that :func:`optuna_llm.warm_start` takes; ``"auto"``
            for those of the same family in the study's storage. What they say is a belief, too: it
            counts as far as the study's own trials agree, so that a study of something else is
            left aside after a few. The first trials are those of ``warm_start``, if you call it.
        n_trials: How many trials the study will have, where that is known: towards its end more
            of them are sought near the best one, and the last tenth explores nothing for later
            and repeats contenders of a noisy objective.
        noisy: Whether the objective returns other values for the same parameters. None: as far as
            a repetition in the study has shown it. One that has only ever agreed with its
            repetitions is never repeated. See :func:`optuna_llm.best_configuration`.
        independent_sampler: Sampler of parameters that no trial has had yet and of start-up
            trials; by default they vary the usual values, or are uniform without ``prior``.
        seed: Seed of the random numbers. Together with the number of a trial it fixes the
            proposal, so that workers with equal seeds still differ.

    Raises:
        ConfigurationError: An argument is wrong; the message says which and why.
        MissingExtraError: The surrogate needs scikit-learn, which is not installed.
    """

    def __init__(
        self,
        *,
        search_space: Mapping[str, BaseDistribution] | None = None,
        surrogate: Surrogate = "ensemble",
        acquisition: Literal["ei", "ts", "lcb", "pi"] | None = None,
        n_startup_trials: int = 8,
        n_candidates: int = 2048,
        multi_fidelity: MultiFidelity = "aligned",
        known_good: Sequence[Mapping[str, Any]] | None = None,
        prior: bool | EmbeddedPrior | None = None,
        knowledge: Sequence[Knowledge] = (),
        sources: Any = None,
        n_trials: int | None = None,
        noisy: bool | None = None,
        independent_sampler: BaseSampler | None = None,
        seed: int | None = None,
    ) -> None:
        check_choice("surrogate", surrogate, get_args(Surrogate))
        own = ("ei", "pi") if surrogate == "classifier" else ("ei", "ts", "lcb")
        check_choice("acquisition", acquisition, (None, *own))
        check_choice("multi_fidelity", multi_fidelity, get_args(MultiFidelity))
        super().__init__("independent_sampler", independent_sampler)
        self._given = Given(checked_space(search_space), known_good, is_whole=False)
        chosen = acquisition or ("ts" if surrogate == "gbt" else "ei")
        # What good trials weigh is the classifier's business, which has one utility.
        self._acquisition: Acquisition = "ei" if chosen == "pi" else chosen
        self._n_startup_trials = checked_count("n_startup_trials", n_startup_trials, 0)
        self._n_candidates = checked_count("n_candidates", n_candidates, 2)
        self._chosen = ChosenSurrogate(surrogate, multi_fidelity, weighs=chosen == "ei")
        if prior is None:
            # The published method knows nothing beforehand.
            prior = surrogate != "gbt"
        self._prior: EmbeddedPrior | None = None
        if not isinstance(prior, bool | np.bool_):
            self._prior = checked_prior("prior", prior)
        elif prior:
            self._prior = EmbeddedPrior()
        usual = [] if self._prior is None else [UsualValues(self._prior)]
        self._knowledge: tuple[Knowledge, ...] = (*usual, *checked_knowledge(knowledge))
        self._earlier = EarlierStudies.of(sources)
        self._n_trials = None if n_trials is None else checked_count("n_trials", n_trials, 1)
        self._noisy = None if noisy is None else checked_flag("noisy", noisy)
        self._rng = RandomStreams(checked_seed(seed))
        self._start = StartUp(self._given, self._prior, self._n_startup_trials, self._rng)

    # ---- Optuna's hooks

    def _after_own(self, study: Study, trial: FrozenTrial, state: TrialState) -> None:
        """Say who proposed a trial that asked for no proposal, and what of a design was run."""
        position = self._start.position(study, trial)
        if study.sampler is self:
            self._given.compare(study, trial, state, 0 if position is None else position + 1)
        if trial.params and SOURCE_KEY not in trial.user_attrs:
            self._label(study, trial, "enqueued", enqueued_rationale(trial))
        elif position is not None and position < len(self._given.known_good):
            known = self._given.rationale(position, trial)
            source: Source = "base" if known is None else "prior"
            self._label(study, trial, source, known or self._given.nothing_run(position))

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return every parameter known so far, conditional ones included."""
        return dict(self._history(study, trial).parameters)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose one joint configuration; nothing during start-up."""
        history = self._history(study, trial)
        known = {n: d for n, d in search_space.items() if not d.single()}
        space = SearchSpace(known, history.search_space().optional & known.keys())
        n_finished = len(history.complete) + len(history.pruned)
        n_begun, n_startup = n_finished + len(history.running), self._n_startup_trials
        is_startup = n_finished < max(min(n_startup, _MIN_FINISHED), 1) or n_begun < n_startup
        position = self._start.position(study, trial)
        is_known = self._start.is_known(position, self._inner)
        for _ in range(_ANNOUNCEMENTS):
            if len(space) == 0 or is_startup or is_known:
                params, source, why = self._start.proposal(history, space, position, self._inner)
                expected = Expected()
            else:
                params, why, expected = self._propose(study, history, space, trial)
                source = "base"
            # Where nobody has asked for a parameter yet, it may be another one than announced.
            params = {name: value for name, value in params.items() if name in history.asked}
            announced = Announcement.native(space.distributions, params)
            # What is said of the sampler's own choice does not hold of a user's.
            told = Expected() if fixed_params(trial) else expected
            write_parts(study, trial, Attendance.here(trial), announced, told)
            before, history = history, self._history(study, trial)
            if not is_overtaken(params, space, before, history):
                break
        self._label(study, trial, source, why)
        return params

    def _value(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Return one value: of the starting design, of the independent sampler, or uniform."""
        return self._start.value(study, trial, name, distribution, self._inner)

    # ---- what it says of its trials

    def _label(self, study: Study, trial: FrozenTrial, source: Source, why: str) -> None:
        """Say who proposed a trial and why, unless this is the base of a sampler that says so."""
        if study.sampler is self:
            if fixed_params(trial) and source != "enqueued":
                source, why = "enqueued", enqueued_rationale(trial, why)
            Origin(source, why).label(study, trial)

    # ---- the method

    @one_blas_thread
    def _propose(
        self, study: Study, history: History, space: SearchSpace, trial: FrozenTrial
    ) -> tuple[dict[str, Any], str, Expected]:
        """Return a joint configuration, and what is expected of it in words and in numbers."""
        beliefs = self._beliefs(study, history, space)
        rng = functools.partial(self._rng, trial.number)
        surrogate = self._chosen.fitted(history, space, rng, beliefs)
        if not surrogate.trials:
            return {}, "No trial has a value to learn from.", Expected()
        may_repeat = self._may_repeat(history, trial)
        reach, pool = self._competition(history, surrogate, beliefs, trial, may_repeat)
        chosen = pool.order[0]
        features = pool.features[[chosen]]
        if may_repeat:
            again = surrogate.contender(float(surrogate.log_improvement(features)[0]))
            if again is not None:
                return self._repetition(history, surrogate, space, again)
        why = self._chosen.told(history, surrogate, features)
        if reach == "local":
            why = f"Near the best trial. {why}"
        expected = Expected()
        if self._chosen.name != "gbt":
            expected = replace(surrogate.expected(features, history), reach=reach)
        # Values of parameters expected to be inactive are kept, in case they are asked for.
        return space.configuration(pool.coordinates[chosen]), why, expected

    def _competition(
        self,
        history: History,
        surrogate: StudySurrogate,
        beliefs: Sequence[Belief],
        trial: FrozenTrial,
        may_repeat: bool,
    ) -> tuple[Reach, Pool]:
        """Return the candidates that compete for a trial, and where they were looked for.

        A trial is a mutant of the best one as often as such trials have earned it, else the best
        of candidates from everywhere. Every tenth is chosen for what it may teach: it takes the
        choice that was tried least, and the lowest of quantiles drawn at random (Thompson
        sampling).
        """
        rng, space = self._rng(trial.number, "candidates"), surrogate.space
        fixed = space.coordinates([{**fixed_params(trial), **trial.params}])[0]
        known = np.vstack([surrogate.coordinates, surrogate.pending])
        domain, parents = surrogate.encoding.domain, surrogate.parents
        judge = Judge(surrogate, self._acquisition, fixed, self._n_startup_trials, rng)
        is_published = self._chosen.name == "gbt"
        turn = self._rng(trial.number, "reach").random()
        # On a front no single trial is the best, and to repeat one the best of all is compared.
        has_local = not (is_published or history.is_multi_objective or may_repeat)
        share = local_share(history, self._n_trials) if has_local else 0.0
        if not is_published and self._explores(history, trial):
            fixed = domain.with_neglected_choice(fixed, known, rng)
            # A classifier has no quantiles to draw; any candidate may teach something.
            explore: Acquisition = "random" if self._chosen.name == "classifier" else "ts"
            judge = Judge(surrogate, explore, fixed, self._n_startup_trials, rng)
        elif turn < share:
            mutants = domain.mutants(
                parents[0], N_MUTANTS, rng, rate=MUTATION_RATE, step=MUTATION_STEP
            )
            pool = judge(mutants, known)
            if len(pool):
                return "local", pool
        drawn = self._candidates(domain, parents, beliefs, rng)
        pool = judge(drawn, known)
        if len(pool) == 0:
            # Everything has been tried: what is best is tried again.
            return "global", judge(drawn, known[:0])
        if not is_published and judge.acquisition not in ("ts", "random"):
            pool = refined(pool, judge, known, self._n_candidates, rng)
        return "global", pool

    def _candidates(
        self,
        domain: Domain,
        parents: np.ndarray,
        beliefs: Sequence[Belief],
        rng: np.random.Generator,
    ) -> np.ndarray:
        if self._chosen.name == "gbt":
            return domain.uniform(self._n_candidates, rng)
        n_around = round(_AROUND_SHARE * self._n_candidates)
        n_believed = round(_BELIEVED_SHARE * self._n_candidates)
        believed = [b.sample(n_believed, rng) for b in beliefs]
        uniform = domain.uniform(self._n_candidates - n_around, rng)
        return np.vstack([uniform, domain.around(parents, n_around, rng), *believed])

    def _explores(self, history: History, trial: FrozenTrial) -> bool:
        is_last_part = spent_share(history, self._n_trials) >= _LAST_PART
        return not is_last_part and (trial.number + 1) % _EXPLORED_EVERY == 0

    def _may_repeat(self, history: History, trial: FrozenTrial) -> bool:
        """Whether the trial may go to a configuration that was tried before: at the end only."""
        near_end = spent_share(history, self._n_trials) >= _LAST_PART
        if not near_end or history.is_multi_objective or fixed_params(trial):
            return False
        proven = is_noisy(history.complete)
        return proven is not False and (self._noisy if self._noisy is not None else bool(proven))

    def _repetition(
        self, history: History, surrogate: StudySurrogate, space: SearchSpace, other: Observation
    ) -> tuple[dict[str, Any], str, Expected]:
        """Return what another trial has run, to learn whether its value was luck."""
        params = {n: v for n, v in other.params.items() if n in space.distributions}
        features = surrogate.features([params])
        expected = self._chosen.told(history, surrogate, features)
        why = f"Repeats trial {other.number}, to tell what is good from luck. {expected}"
        return params, why, surrogate.expected(features, history)

    def _beliefs(self, study: Study, history: History, space: SearchSpace) -> list[Belief]:
        """Return what is believed of the space, as far as anything is."""
        found = [k.belief(space, history) for k in self._knowledge]
        if self._earlier is not None:
            found.append(self._earlier.belief(study, space, history))
        return [belief for belief in found if belief is not None]

    # ---- what it stands on

    def _history(self, study: Study, trial: FrozenTrial) -> History:
        return History.from_study(study, trial, self._given.search_space)
