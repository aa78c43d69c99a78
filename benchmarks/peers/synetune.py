"""Syne Tune's CQR (Salinas et al. 2023) and BORE (Tiao et al. 2021), by their own schedulers."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.peers.ask_tell import AskTellSampler


if TYPE_CHECKING:
    from benchmarks.samplers import Study


_METRIC = "loss"


class SyneTuneSampler(AskTellSampler):
    """A scheduler of ``syne_tune.optimizer.baselines`` with its defaults.

    Args:
        study: The study that it is for.
        scheduler: The name of its class.
    """

    def __init__(self, study: Study, *, scheduler: str) -> None:
        from syne_tune.optimizer import baselines

        super().__init__(study)
        # CQR draws from numpy's global random numbers.
        np.random.seed(study.seed)
        self._scheduler = getattr(baselines, scheduler)(
            config_space={n: _domain(d) for n, d in self._space.items()},
            metric=_METRIC,
            do_minimize=True,
            random_seed=study.seed,
        )

    def propose(self, number: int) -> dict[str, Any]:
        """Return what the scheduler suggests."""
        config: dict[str, Any] = self._scheduler.suggest().config
        return config

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Complete the trial."""
        self._scheduler.on_trial_complete(_trial(number, params), {_METRIC: loss})

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Report an error."""
        self._scheduler.on_trial_error(_trial(number, params))


def _trial(number: int, params: dict[str, Any]) -> Any:
    from syne_tune.backend.trial_status import Trial

    return Trial(number, params, datetime.datetime.now())


def _domain(distribution: BaseDistribution) -> Any:
    from syne_tune import config_space

    if isinstance(distribution, CategoricalDistribution):
        return config_space.choice(list(distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    name = "randint" if isinstance(distribution, IntDistribution) else "uniform"
    kind = getattr(config_space, f"log{name}" if distribution.log else name)
    return kind(distribution.low, distribution.high)
