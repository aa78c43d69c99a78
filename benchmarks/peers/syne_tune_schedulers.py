"""Syne Tune's CQR (Salinas et al. 2023) and BORE (Tiao et al. 2021), by their own schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import datetime
from typing import Any

import numpy as np
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer import baselines

from benchmarks.peers.worker import Parameter
from benchmarks.peers.worker import Peer


_METRIC = "loss"


class SyneTune(Peer):
    """A scheduler of ``syne_tune.optimizer.baselines`` with its defaults.

    Args:
        space: All parameters.
        seed: Of its random numbers.
        n_trials: Not used.
        scheduler: The name of its class.
    """

    def __init__(
        self, space: Sequence[Parameter], seed: int, n_trials: int, *, scheduler: str
    ) -> None:
        # CQR draws from numpy's global random numbers.
        np.random.seed(seed)
        self._scheduler = getattr(baselines, scheduler)(
            config_space={p.name: _domain(p) for p in space},
            metric=_METRIC,
            do_minimize=True,
            random_seed=seed,
        )

    def propose(self, number: int) -> Mapping[str, Any]:
        """Return what the scheduler suggests."""
        config: Mapping[str, Any] = self._scheduler.suggest().config
        return config

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Complete the trial."""
        self._scheduler.on_trial_complete(_trial(number, params), {_METRIC: loss})

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Report an error."""
        self._scheduler.on_trial_error(_trial(number, params))


def _trial(number: int, params: dict[str, Any]) -> Trial:
    return Trial(number, params, datetime.datetime.now())


def _domain(p: Parameter) -> Any:
    if p.kind == "categorical":
        return config_space.choice(list(p.choices))
    name = "randint" if p.kind == "int" else "uniform"
    return getattr(config_space, f"log{name}" if p.log else name)(p.low, p.high)


build = SyneTune
