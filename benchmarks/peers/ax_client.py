"""Ax (Bakshy et al. 2018), by its client: Gaussian processes of BoTorch, as it chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import logging
from typing import Any

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig
from ax.api.configs import RangeParameterConfig
import torch

from benchmarks.peers.worker import Parameter
from benchmarks.peers.worker import Peer


_METRIC = "loss"


class Ax(Peer):
    """``Client`` with its defaults: the method ``fast``. The other one takes minutes a trial."""

    def __init__(self, space: Sequence[Parameter], seed: int, n_trials: int) -> None:
        logging.getLogger("ax").setLevel(logging.ERROR)
        # Later points draw from torch's global random numbers.
        torch.manual_seed(seed)
        self._client = Client(random_seed=seed)
        parameters: list[Any] = []
        for p in space:
            if p.kind == "categorical":
                values = list(p.choices)
                parameters.append(
                    ChoiceParameterConfig(name=p.name, values=values, parameter_type="str")
                )
            else:
                parameters.append(
                    RangeParameterConfig(
                        name=p.name,
                        bounds=(p.low, p.high),
                        parameter_type="int" if p.kind == "int" else "float",
                        scaling="log" if p.log else "linear",
                    )
                )
        self._client.configure_experiment(parameters=parameters)
        self._client.configure_optimization(objective=f"-{_METRIC}")
        self._client.configure_generation_strategy(initialization_random_seed=seed)
        self._index: dict[int, int] = {}

    def propose(self, number: int) -> Mapping[str, Any]:
        """Return its next trial."""
        ((index, params),) = self._client.get_next_trials(max_trials=1).items()
        self._index[number] = index
        return dict(params)

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Complete the trial."""
        index = self._index.pop(number, None)
        if index is None:
            index = self._client.attach_trial(parameters=params)
        self._client.complete_trial(trial_index=index, raw_data={_METRIC: loss})

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Mark the trial as failed."""
        if number in self._index:
            self._client.mark_trial_failed(trial_index=self._index.pop(number))


build = Ax
