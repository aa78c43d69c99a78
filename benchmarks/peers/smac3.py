"""SMAC (Lindauer et al. 2022), by its facade for hyperparameters: random forests, log EI."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.peers.ask_tell import AskTellSampler


if TYPE_CHECKING:
    from benchmarks.samplers import Study


class SmacSampler(AskTellSampler):
    """``HyperparameterOptimizationFacade`` with its defaults, asked and told."""

    def __init__(self, study: Study) -> None:
        from ConfigSpace import ConfigurationSpace
        from smac import HyperparameterOptimizationFacade
        from smac import Scenario

        super().__init__(study)
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        self._config_space = ConfigurationSpace(seed=study.seed)
        self._config_space.add([_hyperparameter(n, d) for n, d in self._space.items()])
        scenario = Scenario(
            self._config_space,
            deterministic=True,
            n_trials=study.n_trials,
            seed=study.seed,
            output_directory=self._folder.name,
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario,
            lambda config, seed=0: 0.0,  # It is never called.
            intensifier=HyperparameterOptimizationFacade.get_intensifier(
                scenario, max_config_calls=1
            ),
            overwrite=True,
            logging_level=False,
        )
        self._asked: dict[int, Any] = {}

    def propose(self, number: int) -> dict[str, Any]:
        """Return what SMAC asks for."""
        self._asked[number] = self._smac.ask()
        return dict(self._asked[number].config)

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Tell the cost."""
        from smac.runhistory import TrialValue

        self._smac.tell(self._info(number, params), TrialValue(cost=loss), save=False)

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Tell that it crashed."""
        from smac.runhistory import StatusType
        from smac.runhistory import TrialValue

        value = TrialValue(cost=float("inf"), status=StatusType.CRASHED)
        self._smac.tell(self._info(number, params), value, save=False)

    def _info(self, number: int, params: dict[str, Any]) -> Any:
        from ConfigSpace import Configuration
        from smac.runhistory import TrialInfo

        if number in self._asked:
            return self._asked.pop(number)
        return TrialInfo(Configuration(self._config_space, values=params), seed=0)


def _hyperparameter(name: str, distribution: BaseDistribution) -> Any:
    from ConfigSpace import Categorical
    from ConfigSpace import Float
    from ConfigSpace import Integer

    if isinstance(distribution, CategoricalDistribution):
        return Categorical(name, list(distribution.choices))
    kind = Integer if isinstance(distribution, IntDistribution) else Float
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return kind(name, (distribution.low, distribution.high), log=distribution.log)
