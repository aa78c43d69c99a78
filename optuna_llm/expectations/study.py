"""The surrogate of a study: what its trials teach about configurations not yet tried."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import TYPE_CHECKING
from typing import Any
import zlib

import numpy as np

from optuna_llm.expectations.constraints import constraint_models
from optuna_llm.expectations.constraints import finite
from optuna_llm.expectations.constraints import violations
from optuna_llm.expectations.recalibration import has_unit
from optuna_llm.expectations.recalibration import recalibration_by
from optuna_llm.history.expected import Expected
from optuna_llm.history.losses import MultiFidelity
from optuna_llm.history.losses import known_and_awaited
from optuna_llm.history.losses import losses_of
from optuna_llm.space.encoding import Encoding
from optuna_llm.surrogate.acquisition import log_expected_improvement
from optuna_llm.surrogate.activity import Activity
from optuna_llm.surrogate.feasibility import Feasibility
from optuna_llm.surrogate.feasibility import accepted_risk
from optuna_llm.surrogate.online import Recalibration
from optuna_llm.surrogate.quantile import QuantileEnsemble
from optuna_llm.surrogate.regressor import QuantileRegressor
from optuna_llm.surrogate.table import sample_rows


if TYPE_CHECKING:
    from typing_extensions import Self

    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation
    from optuna_llm.space.search_space import SearchSpace


MAX_ROWS = 500
BEST_SHARE = 0.25
CENTRAL_LEVELS = np.array([0.16, 0.5, 0.84])
_TINY = 1e-300
# A classifier of failures is believed from here on, against a constant rate.
_BELIEVED = 0.5


class StudySurrogate:
    """What the trials of a study teach: losses, failures, constraints, and what is active.

    Each model is fitted when it is first asked, and once. Losses are regressed; each constraint is
    regressed, too, so that a value tells how far its border is; failures are classified, as far
    as parameters explain them.

    Args:
        space: The parameters.
        trials: Trials whose losses are known; of more than 500 a quarter are the best feasible
            ones, the others are drawn.
        losses: Theirs, shape (n,), lower is better.
        awaited: Trials under way.
        failures: Trials that failed, interrupted ones excepted.
        seed: Seed of all models.
        regressor: The model of the losses; by default a :class:`QuantileEnsemble`.
        best_share: Share of the best among more than 500 trials.
        recalibration: What earlier predictions of such losses have been worth.

    Attributes:
        space: The parameters.
        encoding: Their features.
        trials: Those that count.
        losses: Theirs.
        coordinates: Of the trials that count, shape (n, parameters).
        pending: Coordinates of the trials under way, shape (p, parameters).
        violation: By how much each trial breaks its constraints in all, shape (n,): 0 where it
            meets them, infinite where one is not known.
    """

    def __init__(
        self,
        space: SearchSpace,
        trials: Sequence[Observation],
        losses: np.ndarray,
        *,
        awaited: Sequence[Observation] = (),
        failures: Sequence[Observation] = (),
        seed: int,
        regressor: QuantileRegressor | None = None,
        best_share: float = BEST_SHARE,
        recalibration: Recalibration | None = None,
    ) -> None:
        self.space = space
        self.encoding = Encoding(space)
        self._names = sorted({name for o in trials for name in o.constraints})
        violation = violations(trials, self._names)
        self._seed = seed
        # By value alone, what breaks a constraint would crowd out the best that meets it.
        place = np.empty(len(trials))
        place[np.lexsort((losses, violation))] = np.arange(len(trials))
        rows, self._weights = sample_rows(
            place, MAX_ROWS, self._rng("rows"), best_share=best_share
        )
        self.trials = [trials[i] for i in rows]
        self.losses = losses[rows]
        self.violation = violation[rows]
        self.coordinates = space.coordinates([o.params for o in self.trials])
        self.pending = self._begun([o.params for o in awaited])
        self._features = self.encoding.features(self.coordinates)
        self._pending = self.encoding.features(self.pending)
        self._failures = failures
        self._recalibration = recalibration or Recalibration()
        self._risks: dict[Feasibility, tuple[np.ndarray, np.ndarray]] = {}
        self._regressor = regressor or QuantileEnsemble(seed=self._stream("losses"))

    @classmethod
    def of(
        cls,
        history: History,
        space: SearchSpace,
        *,
        seed: int,
        weights: Sequence[float] | np.ndarray = (),
        multi_fidelity: MultiFidelity = "aligned",
        regressor: QuantileRegressor | None = None,
        best_share: float = BEST_SHARE,
    ) -> Self:
        """Return the surrogate of a study, which may have no trial with a loss yet.

        Args:
            history: The study.
            space: The parameters.
            seed: Seed of all models.
            weights: Of the objectives, where there are several.
            multi_fidelity: What trials that were stopped have lost.
            regressor: The model of the losses.
            best_share: Share of the best among more than 500 trials.
        """
        trials, awaited = known_and_awaited(history, multi_fidelity)
        losses = losses_of(trials, weights, multi_fidelity=multi_fidelity)
        return cls(
            space,
            trials,
            losses,
            awaited=awaited,
            failures=history.failures_of_parameters,
            seed=seed,
            regressor=regressor,
            best_share=best_share,
            recalibration=recalibration_by(trials, losses) if has_unit(history) else None,
        )

    # ---- features

    @functools.cached_property
    def _activity(self) -> Activity:
        return Activity(self.coordinates, self.encoding.domain.n_choices)

    def features(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the features (m, f) of native configurations."""
        return self.encode(self.space.coordinates(configurations))

    def encode(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the features (m, f) of coordinates (m, parameters).

        Values of parameters that such a configuration would not have are left out.
        """
        return self.encoding.features(self.active(coordinates))

    def active(self, coordinates: np.ndarray) -> np.ndarray:
        """Return coordinates (m, parameters) with NaN for what a configuration would not have."""
        # What a trial lacks that never is inactive, was added to the study later.
        always = [name not in self.space.optional for name in self.space.names]
        return np.where(always, coordinates, self._activity.apply(coordinates))

    def _begun(self, proposals: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the coordinates (m, parameters) of trials that run, or have failed."""
        # Their proposals also name what is inactive: alone that would tell them from the others.
        return self.active(self.space.coordinates(proposals))

    @functools.cached_property
    def _failed(self) -> np.ndarray:
        """Features of the trials that failed, the newest ones: shape (k, f)."""
        failures = self._failures[-MAX_ROWS:]
        return self.encoding.features(self._begun([o.intended for o in failures]))

    # ---- the losses

    @property
    def order(self) -> np.ndarray:
        """Places of the trials from best to worst, shape (n,), feasible ones before others."""
        return np.lexsort((self.losses, self.violation))

    @property
    def parents(self) -> np.ndarray:
        """Coordinates of the best tenth of the trials, at least four: (k, parameters)."""
        order = self.order
        return np.asarray(self.coordinates[order[: max(4, len(order) // 10)]])

    @property
    def has_feasible(self) -> bool:
        """Whether any trial has met all constraints."""
        return bool((self.violation == 0).any())

    @functools.cached_property
    def regressor(self) -> QuantileRegressor:
        """The model of the losses, fitted."""
        return self._regressor.fit(self._features, self.losses, self._pending, self._weights)

    def quantiles(
        self, features: np.ndarray, levels: Sequence[float] | np.ndarray, *, noise: bool = True
    ) -> np.ndarray:
        """Return quantiles (m, levels) of the losses at features (m, f).

        With ``noise`` they are calibrated for new evaluations, exchangeable with the trials, else
        of their expectation.
        """
        return self.regressor.predict(features, levels, noise=noise)

    def told(self, features: np.ndarray, levels: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return quantiles (m, levels) of new evaluations at features (m, f), as people are told.

        They are corrected by what came of earlier predictions, for the trials of an optimiser are
        not exchangeable.
        """
        return self._recalibration.quantiles(self.regressor.predict_distribution(features), levels)

    def told_each(self, features: np.ndarray, levels: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return :meth:`told` at features (1, f) of each loss with a model: (models, levels)."""
        return self.told(features, levels)

    def expected(self, features: np.ndarray, history: History) -> Expected:
        """Return what is expected at features (1, f), uncorrected, for the record of a trial.

        Args:
            features: Of the trial.
            history: The study. Where its losses have no unit there is nothing to record.
        """
        if not has_unit(history):
            return Expected()
        return Expected.rounded(self.regressor.predict_distribution(features)[0])

    @functools.cached_property
    def incumbent(self) -> float | None:
        """The lowest loss predicted of a trial that met all constraints, on the model's scale.

        Under noise the lowest observed value was lucky; the lowest predicted one is not. None
        while nothing has met the constraints.
        """
        feasible = self._features[self.violation == 0]
        return _lowest(self.regressor, feasible) if len(feasible) else None

    def log_improvement(self, features: np.ndarray) -> np.ndarray:
        """Return the logarithm of the expected improvement at features (m, f): shape (m,).

        That of the loss where all constraints are met; of the violation while nothing meets them.
        """
        model, incumbent = self.regressor, self.incumbent
        if incumbent is None:
            model, incumbent = self._violation_model
        quantiles = model.predict_scaled(features, CENTRAL_LEVELS, noise=False)
        return np.asarray(log_expected_improvement(quantiles, CENTRAL_LEVELS, incumbent))

    def gain(self, utility: np.ndarray) -> np.ndarray:
        """Return what a :meth:`utility` (m,) is in units of the losses, shape (m,).

        It is 0 while nothing has met the constraints.
        """
        if self.incumbent is None:
            return np.zeros(len(utility))
        return self.regressor.in_units(np.exp(utility), self.incumbent)

    def contender(self, left: float) -> Observation | None:
        """Return the trial whose repetition helps most to choose the best one at last.

        It is one of the complete and feasible trials. None pays where the noise is not clearly
        there, or while it is smaller than what a new configuration is expected to gain.

        Args:
            left: The logarithm of that gain, as of :meth:`log_improvement`.
        """
        model = self.regressor
        whole = np.array([o.values is not None for o in self.trials], dtype=bool)
        rows = np.flatnonzero(whole & (self.violation == 0))
        if not isinstance(model, QuantileEnsemble) or not model.noise_is_clear or len(rows) == 0:
            return None
        places = np.nan_to_num(np.round(self.coordinates[rows], 4), nan=-1.0)
        rows = rows[np.unique(places, axis=0, return_index=True)[1]]
        gain, noise = model.repetition(self._features[rows])
        return self.trials[rows[np.argmax(gain)]] if np.log(noise) > left else None

    @functools.cached_property
    def _violation_model(self) -> tuple[QuantileRegressor, float]:
        """A regression of the violation, and the lowest one that it predicts of a trial."""
        model = QuantileEnsemble(seed=self._stream("violation"))
        model.fit(self._features, finite(self.violation), self._pending)
        return model, _lowest(model, self._features)

    # ---- constraints

    @property
    def has_constraints(self) -> bool:
        """Whether any trial has set a constraint."""
        return bool(self._names)

    @functools.cached_property
    def _constraints(self) -> list[QuantileEnsemble | Feasibility]:
        return constraint_models(
            self._names, self.trials, self._features, self._pending, self._stream
        )

    def log_feasible(self, features: np.ndarray) -> np.ndarray:
        """Return the log-probability that all constraints are met at features (m, f): (m,)."""
        logs = np.zeros(len(features))
        for model in self._constraints:
            if isinstance(model, Feasibility):
                logs += np.log1p(-self._risk(model, features))
            else:
                logs += model.log_probability(features, 0.0)
        return logs

    # ---- failures

    @functools.cached_property
    def _feasibility(self) -> Feasibility:
        model = Feasibility(seed=self._stream("failures"))
        if not self._failures:
            return model
        outcome = np.arange(len(self._failed) + len(self.trials)) < len(self._failed)
        return model.fit(np.vstack([self._failed, self._features]), outcome)

    def log_success(self, features: np.ndarray) -> np.ndarray:
        """Return the log-probability not to fail at features (m, f): shape (m,)."""
        model = self._feasibility
        success = 1 - model.believed(self._risk(model, features))
        return np.asarray(np.log(np.maximum(success, _TINY)))

    def will_fail(self, features: np.ndarray) -> np.ndarray:
        """Say where (m,) parameters make a failure more likely than a success."""
        if self._feasibility.explained < _BELIEVED:
            return np.zeros(len(features), dtype=bool)
        return np.asarray(self._risk(self._feasibility, features) > 0.5)

    def acceptable(self, features: np.ndarray, n_design: int = 0) -> np.ndarray:
        """Say where (m,) the risk is acceptable; if it is nowhere, where it is least.

        Of the risk to fail only what parameters explain counts: where a constant rate of failure
        explains as much, everything is acceptable. A constraint that tells no distance is to be
        met rather than broken: as far as it is broken, it says nothing of where it is met.

        Args:
            features: Shape (m, f).
            n_design: Number of trials at the beginning that no model has proposed.
        """
        models = [(m, _BELIEVED) for m in self._constraints if isinstance(m, Feasibility)]
        if self._feasibility.explained >= _BELIEVED:
            failed = {o.number: True for o in self._failures}
            failed |= {o.number: False for o in self.trials}
            outcomes = [failed[n] for n in sorted(failed)][n_design:]
            limit = accepted_risk(outcomes, self._feasibility.unexplained_rate)
            models.append((self._feasibility, limit))
        found = np.ones(len(features), dtype=bool)
        for model, limit in models:
            risk = self._risk(model, features)
            found &= risk <= max(limit, float(risk.min(initial=1.0)))
        return found

    def _risk(self, model: Feasibility, features: np.ndarray) -> np.ndarray:
        """Return a classifier's risks (m,) at features (m, f); of one array it is asked once.

        Utility, acceptance and vetoes of the same candidates all begin with them.
        """
        asked, risk = self._risks.get(model, (None, features))
        if asked is not features:
            risk = model.risk(features)
            self._risks[model] = features, risk
        return risk

    # ---- all together

    def utility(self, features: np.ndarray) -> np.ndarray:
        """Return the log expected improvement of a success that meets all constraints: (m,)."""
        utility = self.log_improvement(features) + self.log_success(features)
        # A border that nothing has reached says little; only what comes closer counts then.
        if self.has_feasible:
            utility = utility + self.log_feasible(features)
        return np.asarray(utility)

    def _stream(self, name: str) -> int:
        return int(self._rng(name).integers(2**31))

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(name.encode())])


def _lowest(model: QuantileRegressor, features: np.ndarray) -> float:
    """Return the lowest central prediction at features (n, f), on the model's own scale."""
    return float(model.predict_scaled(features, CENTRAL_LEVELS)[:, 1].min())
