"""The surrogate that a user has chosen by its name, and what it expects, in words."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optuna_llm.expectations.in_words import expectation
from optuna_llm.expectations.in_words import likeness
from optuna_llm.expectations.objectives import kind_of_surrogate
from optuna_llm.expectations.order import OrderSurrogate
from optuna_llm.expectations.pool import THOMPSON_LEVELS
from optuna_llm.expectations.study import BEST_SHARE
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.extras import check_extra
from optuna_llm.history.history import History
from optuna_llm.history.losses import MultiFidelity
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.surrogate.belief import Belief
from optuna_llm.surrogate.published_cqr import ConformalQuantileTrees
from optuna_llm.surrogate.quantile import QuantileEnsemble
from optuna_llm.surrogate.regressor import QuantileRegressor


Surrogate = Literal["ensemble", "gbt", "classifier"]

# With several objectives, half of the trials mix the members of the surrogate at random.
_RANDOM_WEIGHT_SHARE = 0.5


@dataclass(frozen=True)
class ChosenSurrogate:
    """A kind of surrogate, as a sampler's arguments describe it.

    Attributes:
        name: ``ensemble``; ``gbt``, the published method; ``classifier``, for order alone.
        multi_fidelity: What trials that were stopped have lost.
        weighs: Whether a classifier weighs good trials by how good they are.

    Raises:
        MissingExtraError: It needs scikit-learn, which is not installed.
    """

    name: Surrogate
    multi_fidelity: MultiFidelity
    weighs: bool

    def __post_init__(self) -> None:
        """Look for what only some surrogates need, before a trial is run."""
        if self.name != "ensemble":
            check_extra("sklearn", extra="scikit-learn", need=f'surrogate="{self.name}" needs')

    def fitted(
        self,
        history: History,
        space: SearchSpace,
        rng: Callable[[str], np.random.Generator],
        beliefs: Sequence[Belief],
    ) -> StudySurrogate:
        """Return the surrogate of a study, with a random weighting of several objectives.

        Args:
            history: The study.
            space: The parameters.
            rng: Random numbers of the trial, a stream for each purpose.
            beliefs: What is believed beforehand.
        """
        seed = int(rng("surrogate").integers(2**31))
        weights: Sequence[float] | np.ndarray = ()
        mixture = None
        if history.is_multi_objective:
            weights = rng("weights").dirichlet(np.ones(len(history.directions)))
            # Where all members neglect the same part of the front, another mixture does not.
            mix = rng("mixture")
            if mix.random() < _RANDOM_WEIGHT_SHARE:
                mixture = mix.dirichlet(np.ones(2 + len(beliefs)))
        if self.name == "classifier":
            order = OrderSurrogate.of(
                history, space, seed=seed, weights=weights, multi_fidelity=self.multi_fidelity
            )
            order.weighted = order.weighted and self.weighs
            return order
        is_published = self.name == "gbt"
        regressor: QuantileRegressor
        if is_published:
            regressor = ConformalQuantileTrees(seed=seed)
        else:
            regressor = QuantileEnsemble(seed=seed, beliefs=beliefs, member_weights=mixture)
        kind = StudySurrogate if is_published else kind_of_surrogate(history)
        return kind.of(
            history,
            space,
            seed=seed,
            weights=weights,
            multi_fidelity=self.multi_fidelity,
            regressor=regressor,
            # The published method knows no weights, which would make up for a choice by value.
            best_share=0.0 if is_published else BEST_SHARE,
        )

    def told(self, history: History, surrogate: StudySurrogate, features: np.ndarray) -> str:
        """Return in words what the fitted surrogate expects at features (1, f)."""
        if isinstance(surrogate, OrderSurrogate):
            return likeness(history, surrogate.probability(features))
        # The published method knows no correction along the search.
        predict = surrogate.quantiles if self.name == "gbt" else surrogate.told_each
        expected = predict(features, THOMPSON_LEVELS)
        feasible = None
        if surrogate.has_constraints:
            feasible = float(np.exp(surrogate.log_feasible(features))[0])
        return expectation(history, THOMPSON_LEVELS, expected, feasible=feasible)
