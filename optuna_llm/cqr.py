"""CQRSampler: optimisation by conformalized quantile regression."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import get_args
import zlib

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.encoding import Encoding
from optuna_llm.errors import ConfigurationError
from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.provenance import SOURCE_KEY
from optuna_llm.provenance import Source
from optuna_llm.provenance import decode_params
from optuna_llm.provenance import encode_params
from optuna_llm.provenance import write_label
from optuna_llm.rationale import expectation
from optuna_llm.space import SearchSpace
from optuna_llm.surrogate.acquisition import even_levels
from optuna_llm.surrogate.acquisition import log_expected_improvement
from optuna_llm.surrogate.acquisition import lower_confidence_bound
from optuna_llm.surrogate.acquisition import thompson_sampling
from optuna_llm.surrogate.activity import Activity
from optuna_llm.surrogate.feasibility import Feasibility
from optuna_llm.surrogate.feasibility import accepted_risk
from optuna_llm.surrogate.fidelity import aligned_values
from optuna_llm.surrogate.fidelity import last_values
from optuna_llm.surrogate.quantile import ConformalQuantileTrees
from optuna_llm.surrogate.quantile import QuantileEnsemble
from optuna_llm.surrogate.quantile import select_rows
from optuna_llm.surrogate.targets import chebyshev


if TYPE_CHECKING:
    from optuna import Study


Surrogate = Literal["ensemble", "gbt"]
Acquisition = Literal["mixed", "ei", "ts", "lcb"]
MultiFidelity = Literal["aligned", "last", "ignore"]

PROPOSAL_KEY = "cqr:proposal"
_MAX_ROWS = 500
_MAX_PRUNED_AWAITED = 50
_TS_LEVELS = even_levels(5)
_EI_LEVELS = np.array([0.16, 0.5, 0.84])
_LCB_LEVELS = np.array([0.2, 0.8])
_TS_SHARE = 0.1
_RANDOM_WEIGHT_SHARE = 0.5
_LOCAL_SHARE = 0.5
_N_REFINED = 8
_REFINING_STEPS = ((0.01, 0.15), (0.003, 0.075))
_MIN_FINISHED = 4
_CONSTRAINT_RISK = 0.25


class CQRSampler(BaseSampler):
    """Sampler by conformalized quantile regression, with no language model.

    Calibrated quantiles of the objective are predicted for candidates drawn uniformly and around
    the best trials, and the candidate with the largest expected improvement is evaluated next.
    The surrogate is an ensemble of a Gaussian process and boosted trees, calibrated out of fold.
    One trial in ten takes the lowest of quantiles drawn at random instead (Thompson sampling).
    The method as published by Salinas et al. 2023, "Optimizing Hyperparameters with Conformal
    Quantile Regression", is ``surrogate="gbt"`` with ``multi_fidelity="last"``: boosted quantile
    regression with a split-conformal correction, and Thompson sampling.

    The sampler reads all it knows from the study's storage. Beyond what built-in samplers do, it
    learns from failed trials where evaluations fail and avoids those regions, makes the values of
    pruned trials comparable before it ranks them, and models the parameters of conditional
    spaces jointly, inactive ones as missing. Where it is the study's own sampler, not part of
    another one, every trial carries the user attributes ``llm:source`` and ``llm:rationale``:
    where it comes from, and what was expected of it.

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
            quantile regression with split-conformal correction (imports scikit-learn).
        acquisition: ``"ei"``: expected improvement; ``"ts"``: quantiles drawn independently
            (Thompson sampling, the published rule); ``"lcb"``: the 0.2 quantile; ``"mixed"``:
            one trial in ten by ``"ts"``, at random, which leaves basins where ``"ei"`` would
            stay, the others by ``"ei"``. By default ``"mixed"``, and ``"ts"`` for
            ``surrogate="gbt"``.
        n_startup_trials: Number of trials before the surrogate is used, running ones included
            as soon as four have finished. They form a Latin hypercube.
        n_candidates: Number of configurations that compete for each trial. ``"ensemble"`` draws
            half of them around the best trials, and half as many again around the most promising
            of these; ``"gbt"`` draws all of them uniformly.
        multi_fidelity: What the intermediate values of pruned and running trials tell.
            ``"aligned"``: they are carried up to the last step by the changes that other trials
            have shown; ``"last"``: the last value counts, at whatever step (the published rule);
            ``"ignore"``: only complete trials count. Choose ``"ignore"`` where reported values
            are not the course of the objective, as with ``WilcoxonPruner``.
        known_good: Configurations to start with: the k-th is the trial number k, counted from 0.
            Missing parameters are sampled, illegal values ignored.
        prior: Start from usual values of well-known hyperparameters, found by name (see
            :class:`~optuna_llm.prior.EmbeddedPrior`): the first trial after ``known_good`` takes
            them as they are, every other start-up trial varies them.
        independent_sampler: Sampler of parameters that no trial has had yet and of start-up
            trials; uniform by default.
        seed: Seed of the random numbers. Together with the number of a trial it fixes the
            proposal, so that workers with equal seeds still differ.

    Raises:
        ConfigurationError: An argument is wrong; the message says which and why.
    """

    def __init__(
        self,
        *,
        search_space: Mapping[str, BaseDistribution] | None = None,
        surrogate: Surrogate = "ensemble",
        acquisition: Acquisition | None = None,
        n_startup_trials: int = 8,
        n_candidates: int = 2048,
        multi_fidelity: MultiFidelity = "aligned",
        known_good: Sequence[Mapping[str, Any]] = (),
        prior: bool = False,
        independent_sampler: BaseSampler | None = None,
        seed: int | None = None,
    ) -> None:
        for name, value, allowed in (
            ("surrogate", surrogate, get_args(Surrogate)),
            ("acquisition", acquisition, (None, *get_args(Acquisition))),
            ("multi_fidelity", multi_fidelity, get_args(MultiFidelity)),
        ):
            if value not in allowed:
                raise ConfigurationError(f"{name}={value!r} must be one of {list(allowed)}.")
        if n_startup_trials < 0:
            raise ConfigurationError(f"n_startup_trials={n_startup_trials} must not be negative.")
        if n_candidates < 2:
            raise ConfigurationError(f"n_candidates={n_candidates} must be at least 2.")
        self._search_space = dict(search_space or {})
        self._surrogate: Surrogate = surrogate
        self._acquisition: Acquisition = acquisition or ("ts" if surrogate == "gbt" else "mixed")
        self._n_startup_trials = n_startup_trials
        self._n_candidates = n_candidates
        self._multi_fidelity: MultiFidelity = multi_fidelity
        self._known_good = [dict(configuration) for configuration in known_good]
        self._prior = EmbeddedPrior() if prior else None
        self._independent_sampler = independent_sampler
        self._seed = seed
        self._entropy: int | None = seed

    # ---- Optuna's hooks

    def reseed_rng(self) -> None:
        """Reseed the independent sampler; the numbers of trials tell own proposals apart."""
        if self._independent_sampler is not None:
            self._independent_sampler.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Forward to the independent sampler."""
        if self._independent_sampler is not None:
            self._independent_sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Label a trial that asked for no proposal, and forward to the independent sampler."""
        if trial.params and SOURCE_KEY not in trial.user_attrs:
            why = "Every parameter was given with enqueue_trial or has a single value."
            self._label(study, trial, "enqueued", why)
        if self._independent_sampler is not None:
            self._independent_sampler.after_trial(study, trial, state, values)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return every parameter known so far, conditional ones included."""
        return dict(self._history(study, trial).search_space().distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose one joint configuration; nothing during start-up."""
        space = SearchSpace({n: d for n, d in search_space.items() if not d.single()})
        history = self._history(study, trial)
        n_finished = len(history.complete) + len(history.pruned)
        is_startup = (
            n_finished < max(min(self._n_startup_trials, _MIN_FINISHED), 1)
            or n_finished + len(history.running) < self._n_startup_trials
        )
        if len(space) == 0 or is_startup or trial.number < len(self._known_good):
            self._label(study, trial, *self._startup_label(trial.number))
            return {}
        params, why = self._propose(history, space, trial)
        # While this was computed another worker may have come to the same.
        now = self._history(study, trial)
        finished = {o.number for o in history.observations if o.state.is_finished()}
        others = [_announced(o, now) for o in now.observations if o.number not in finished]
        if params and others and space.duplicates(params, space.coordinates(others)):
            params, why = self._propose(now, space, trial)
        self._label(study, trial, "base", why)
        if params:
            entry: Any = {"trial": trial.number, "params": encode_params(space, params)}
            study._storage.set_trial_system_attr(trial._trial_id, PROPOSAL_KEY, entry)
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return one value: of the starting design, of the independent sampler, or uniform."""
        rng = self._rng(trial, param_name)
        encoding = Encoding(SearchSpace({param_name: param_distribution}))
        if trial.number < len(self._known_good):
            known = encoding.space.repair(self._known_good[trial.number]).params
            if param_name in known:
                return known[param_name]
        turn = trial.number - len(self._known_good)
        if self._prior is not None and self._is_turn_of_prior(turn):
            others = {**self._search_space, **trial.distributions}
            if turn == 0:
                return self._prior.default_value(param_name, param_distribution, others)
            return self._prior.sample_value(param_name, param_distribution, rng, others)
        if self._independent_sampler is not None:
            return self._independent_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        unit = self._stratum(trial.number, param_name, rng)
        return encoding.configuration(encoding.domain.at(np.array([[unit]]))[0])[param_name]

    def _stratum(self, number: int, name: str, rng: np.random.Generator) -> float:
        """Return a number in [0, 1] such that the start-up trials form a Latin hypercube.

        Of as many equal intervals as there are start-up trials, each trial of a block of as many
        has its own, in an order drawn for each parameter.
        """
        n = max(self._n_startup_trials, 1)
        block, place = divmod(number, n)
        order = np.random.default_rng([*self._key(block, name), n]).permutation(n)
        return float((order[place] + rng.random()) / n)

    def _is_turn_of_prior(self, turn: int) -> bool:
        return self._prior is not None and 0 <= turn < self._n_startup_trials and turn % 2 == 0

    # ---- what it says of its trials

    def _label(self, study: Study, trial: FrozenTrial, source: Source, why: str) -> None:
        """Say who proposed a trial and why, unless this is the base of a sampler that says so."""
        if study.sampler is self:
            write_label(study, trial, source, why)

    def _startup_label(self, number: int) -> tuple[Source, str]:
        n_known, turn = len(self._known_good), number - len(self._known_good)
        if turn < 0:
            return "prior", f"Known good configuration {number + 1} of {n_known}, from the user."
        if self._is_turn_of_prior(turn):
            near = "" if turn == 0 else "near "
            return "prior", f"Start-up: {near}the usual values, where parameters have any."
        other = self._independent_sampler
        drawn = "from a Latin hypercube" if other is None else f"by {other}"
        return "base", f"Start-up: drawn {drawn}, as too little is known yet."

    # ---- the method

    def _propose(
        self, history: History, space: SearchSpace, trial: FrozenTrial
    ) -> tuple[dict[str, Any], str]:
        """Return a joint configuration, and in one sentence what is expected of it."""
        rng = self._rng(trial)
        encoding = Encoding(space)
        observed, y, awaited = self._targets(history, rng)
        if len(y) == 0:
            return {}, "No trial has a value to learn from."
        rows = select_rows(y, _MAX_ROWS, rng)
        observed, y = [observed[i] for i in rows], y[rows]
        coordinates = encoding.coordinates([o.params for o in observed])
        pending = encoding.coordinates([_announced(o, history) for o in awaited])
        known = np.vstack([coordinates, pending])

        activity = Activity(coordinates, encoding.domain.n_choices)
        violation = np.array([o.violation for o in observed])
        parents = self._parents(coordinates, y, violation)
        fixed = encoding.coordinates([_fixed_params(trial, space)])[0]
        X = encoding.features(coordinates)
        model = self._fitted(X, y, encoding.features(pending), rng)
        feasibility = self._feasibility(history, observed, encoding, rng)
        # Only what is allowed can be improved on, if anything is.
        incumbents = X[violation == violation.min()]
        acquisition = self._acquisition
        if acquisition == "mixed":
            acquisition = "ts" if rng.random() < _TS_SHARE else "ei"

        def judged(drawn: np.ndarray, known: np.ndarray) -> _Judged:
            whole = np.where(np.isnan(fixed), drawn, fixed)
            candidates = activity.apply(whole)
            new = ~_repeated(candidates, known)
            features = encoding.features(candidates[new])
            probability = feasibility.probability(features)
            utility = _utility(acquisition, model, features, incumbents, probability, rng)
            return _Judged(whole[new], features, utility, probability)

        drawn = self._candidates(encoding, parents, rng)
        pool = judged(drawn, known)
        if len(pool) == 0:
            pool = judged(drawn, known[:0])
        risk = self._accepted_risk(history)
        if self._surrogate == "ensemble" and acquisition != "ts":
            for steps in _REFINING_STEPS:
                best = pool.whole[pool.order(risk)[:_N_REFINED]]
                n_around = self._n_candidates // 4
                around = encoding.domain.around(best, n_around, rng, steps=steps)
                pool = pool.joined(judged(around, known))
        chosen = pool.order(risk)[0]
        expected = model.predict(pool.features[[chosen]], _TS_LEVELS)[0]
        why = expectation(history, _TS_LEVELS, expected, of_violation=bool(violation.min() > 0))
        # Values of parameters expected to be inactive are kept, in case they are asked for.
        return encoding.configuration(pool.whole[chosen]), why

    def _targets(
        self, history: History, rng: np.random.Generator
    ) -> tuple[list[Observation], np.ndarray, list[Observation]]:
        """Return trials with a value to learn from, these values, and trials to be awaited."""
        observed, awaited = list(history.complete), list(history.running)
        if self._multi_fidelity == "ignore":
            # Their values say nothing, but the same again would be pruned again.
            awaited += history.pruned[-_MAX_PRUNED_AWAITED:]
        else:
            observed += [o for o in (*history.pruned, *awaited) if o.intermediate_values]
            awaited = [o for o in awaited if not o.intermediate_values]
        if observed and all(o.violation > 0 for o in observed):
            # Nothing is feasible yet: look for what comes closest.
            y = np.array([o.violation for o in observed])
        elif history.is_multi_objective:
            weights = rng.dirichlet(np.ones(len(history.directions)))
            values = np.array([o.values for o in observed], dtype=float)
            y = chebyshev(values.reshape(-1, len(weights)), weights)
        else:
            curves = [o.intermediate_values for o in observed]
            final = [None if o.values is None else o.values[0] for o in observed]
            align = last_values if self._multi_fidelity == "last" else aligned_values
            y = align(curves, final)
        return observed, y, awaited

    @staticmethod
    def _parents(coordinates: np.ndarray, y: np.ndarray, violation: np.ndarray) -> np.ndarray:
        """Return the best tenth of the rows, at least four, feasible ones first."""
        order = np.lexsort((y, violation))
        return coordinates[order[: max(4, len(y) // 10)]]

    def _candidates(
        self, encoding: Encoding, parents: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        n_local = 0 if self._surrogate == "gbt" else round(_LOCAL_SHARE * self._n_candidates)
        return np.vstack(
            [
                encoding.domain.uniform(self._n_candidates - n_local, rng),
                encoding.domain.around(parents, n_local, rng),
            ]
        )

    def _fitted(
        self, X: np.ndarray, y: np.ndarray, pending: np.ndarray, rng: np.random.Generator
    ) -> QuantileEnsemble | ConformalQuantileTrees:
        seed = int(rng.integers(2**31))
        if self._surrogate == "gbt":
            return ConformalQuantileTrees(seed=seed).fit(X, y, pending)
        # Where both members are wrong about the same basin, another mixture of them leaves it.
        weight = float(rng.random()) if rng.random() < _RANDOM_WEIGHT_SHARE else None
        return QuantileEnsemble(seed=seed, weight=weight).fit(X, y, pending)

    def _accepted_risk(self, history: History) -> float:
        if not history.failed:
            return _CONSTRAINT_RISK
        failed = {o.number: True for o in history.failed}
        failed |= {o.number: False for o in (*history.complete, *history.pruned)}
        return accepted_risk(failed[n] for n in sorted(failed)[self._n_startup_trials :])

    def _feasibility(
        self,
        history: History,
        observed: Sequence[Observation],
        encoding: Encoding,
        rng: np.random.Generator,
    ) -> Feasibility:
        infeasible = [o for o in observed if o.violation > 0]
        model = Feasibility(seed=int(rng.integers(2**31)))
        if not history.failed and not infeasible:
            return model
        rows = [_announced(o, history) for o in history.failed[-_MAX_ROWS:]]
        rows += [o.params for o in observed]
        failed = [True] * (len(rows) - len(observed)) + [o.violation > 0 for o in observed]
        return model.fit(encoding.features(encoding.coordinates(rows)), np.array(failed))

    # ---- what it stands on

    def _history(self, study: Study, trial: FrozenTrial) -> History:
        return History.from_study(study, trial, self._search_space)

    def _rng(self, trial: FrozenTrial, name: str = "") -> np.random.Generator:
        return np.random.default_rng(self._key(trial.number, name))

    def _key(self, number: int, name: str) -> list[int]:
        if self._entropy is None:
            self._entropy = int(np.random.SeedSequence().generate_state(1)[0])
        return [self._entropy, number, zlib.crc32(name.encode())]


@dataclass(frozen=True)
class _Judged:
    """Candidates, shape (m, parameters) and (m, features), and what is thought of them, (m,)."""

    whole: np.ndarray
    features: np.ndarray
    utility: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.whole)

    def joined(self, other: _Judged) -> _Judged:
        """Return both together."""
        own, others = vars(self).values(), vars(other).values()
        return _Judged(*(np.concatenate(both) for both in zip(own, others, strict=True)))

    def order(self, risk: float) -> np.ndarray:
        """Return the best first; those with a higher risk to fail last, if not all have it."""
        safe = self.probability >= min(1 - risk, float(self.probability.max()))
        return np.argsort(np.where(safe, -self.utility, np.inf), kind="stable")


def _utility(
    acquisition: Acquisition,
    model: QuantileEnsemble | ConformalQuantileTrees,
    features: np.ndarray,
    incumbents: np.ndarray,
    probability: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return what each of the candidates (m, features) promises, shape (m,)."""
    if acquisition == "ts":
        return thompson_sampling(model.predict_scaled(features, _TS_LEVELS), rng)
    if acquisition == "lcb":
        return lower_confidence_bound(model.predict_scaled(features, _LCB_LEVELS))
    # Under noise the lowest observed value was lucky; the lowest predicted one is not.
    incumbent = float(model.predict_scaled(incumbents, _EI_LEVELS)[:, 1].min())
    quantiles = model.predict_scaled(features, _EI_LEVELS, noise=False)
    improvement = log_expected_improvement(quantiles, _EI_LEVELS, incumbent)
    return np.asarray(improvement + np.log(probability))


def _announced(o: Observation, history: History) -> dict[str, Any]:
    """Return the parameters of a trial, also those proposed to it but not asked for (yet)."""
    entry = o.trial.system_attrs.get(PROPOSAL_KEY)
    proposed: dict[str, Any] = {}
    if isinstance(entry, dict) and entry.get("trial") == o.number:
        proposed = decode_params(history.distributions, entry.get("params", {}))
    return {**proposed, **o.params}


def _fixed_params(trial: FrozenTrial, space: SearchSpace) -> dict[str, Any]:
    """Return what is already decided about the current trial."""
    fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    return {name: value for name, value in fixed.items() if name in space.distributions}


def _repeated(candidates: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Say which candidates (m, parameters) equal a known row, or one another."""
    rows = np.nan_to_num(np.round(np.vstack([known, candidates]), 4), nan=-1.0) + 0.0
    _, first = np.unique(rows, axis=0, return_index=True)
    repeated = np.ones(len(rows), dtype=bool)
    repeated[first] = False
    return repeated[len(known) :]
