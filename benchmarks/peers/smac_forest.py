"""SMAC (Lindauer et al. 2022), by its facade for hyperparameters: random forests, log EI.

With a prior also piBO (Hvarfner et al. 2022), whose acquisition a belief multiplies and fades.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math
import tempfile
from typing import Any

from ConfigSpace import Categorical
from ConfigSpace import Configuration
from ConfigSpace import ConfigurationSpace
from ConfigSpace import Float
from ConfigSpace import Integer
from ConfigSpace import Normal
from smac import HyperparameterOptimizationFacade
from smac import Scenario
from smac.acquisition.function import PriorAcquisitionFunction
from smac.runhistory import StatusType
from smac.runhistory import TrialInfo
from smac.runhistory import TrialValue

from benchmarks.peers.worker import Parameter
from benchmarks.peers.worker import Peer


class Smac(Peer):
    """``HyperparameterOptimizationFacade`` with its defaults, asked and told.

    Args:
        space: All parameters.
        seed: Of its random numbers.
        n_trials: How many there will be: it draws its first ones by a share of that.
        prior: Whether it believes in usual values, with the facade's own function for that.
    """

    def __init__(
        self, space: Sequence[Parameter], seed: int, n_trials: int, *, prior: bool = False
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        self._config_space = ConfigurationSpace(seed=seed)
        self._config_space.add([_hyperparameter(p, prior) for p in space])
        scenario = Scenario(
            self._config_space,
            deterministic=True,
            n_trials=n_trials,
            seed=seed,
            output_directory=self._folder.name,
        )
        facade = HyperparameterOptimizationFacade
        options: dict[str, Any] = {}
        if prior:
            # As in the package's example: the belief fades with a tenth of the trials.
            options["acquisition_function"] = PriorAcquisitionFunction(
                acquisition_function=facade.get_acquisition_function(scenario),
                decay_beta=n_trials / 10,
            )
        self._smac = facade(
            scenario,
            lambda config, seed=0: 0.0,  # It is never called.
            intensifier=facade.get_intensifier(scenario, max_config_calls=1),
            overwrite=True,
            logging_level=False,
            **options,
        )
        self._asked: dict[int, TrialInfo] = {}

    def propose(self, number: int) -> Mapping[str, Any]:
        """Return what SMAC asks for."""
        self._asked[number] = self._smac.ask()
        return dict(self._asked[number].config)

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Tell the cost."""
        self._smac.tell(self._info(number, params), TrialValue(cost=loss), save=False)

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Tell that it crashed."""
        value = TrialValue(cost=float("inf"), status=StatusType.CRASHED)
        self._smac.tell(self._info(number, params), value, save=False)

    def _info(self, number: int, params: dict[str, Any]) -> TrialInfo:
        if number in self._asked:
            return self._asked.pop(number)
        return TrialInfo(Configuration(self._config_space, values=params), seed=0)


def _hyperparameter(p: Parameter, prior: bool) -> Any:
    if p.kind == "categorical":
        weights = list(p.weights) if prior and p.weights else None
        return Categorical(p.name, list(p.choices), weights=weights)
    kind = Integer if p.kind == "int" else Float
    distribution = None
    if prior and p.spread:
        deviation = p.spread * (math.log(p.high / p.low) if p.log else p.high - p.low)
        # On a log scale ConfigSpace takes log(low + sigma) for the width.
        distribution = Normal(p.usual, math.exp(deviation) - p.low if p.log else deviation)
    return kind(p.name, (p.low, p.high), log=p.log, distribution=distribution, default=p.usual)


build = Smac
