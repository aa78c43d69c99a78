"""Google's Vizier, by its default algorithm (Song et al. 2024): a Gaussian process, UCB-PE."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jax
from vizier import algorithms
from vizier import pyvizier
from vizier._src.algorithms.designers.gp_ucb_pe import VizierGPUCBPEBandit

from benchmarks.peers.worker import Parameter
from benchmarks.peers.worker import Peer


_METRIC = "loss"


class Vizier(Peer):
    """``VizierGPUCBPEBandit`` with its defaults."""

    def __init__(self, space: Sequence[Parameter], seed: int, n_trials: int) -> None:
        problem = pyvizier.ProblemStatement()
        root = problem.search_space.root
        for p in space:
            scale = pyvizier.ScaleType.LOG if p.log else pyvizier.ScaleType.LINEAR
            if p.kind == "categorical":
                root.add_categorical_param(p.name, list(p.choices))
            elif p.kind == "int":
                root.add_int_param(p.name, int(p.low), int(p.high), scale_type=scale)
            else:
                root.add_float_param(p.name, p.low, p.high, scale_type=scale)
        goal = pyvizier.ObjectiveMetricGoal.MINIMIZE
        problem.metric_information.append(pyvizier.MetricInformation(_METRIC, goal=goal))
        self._designer = VizierGPUCBPEBandit(problem, rng=jax.random.PRNGKey(seed))
        self._running: dict[int, Any] = {}

    def propose(self, number: int) -> Mapping[str, Any]:
        """Return its suggestion, with its knowledge of those that still run."""
        (suggestion,) = self._designer.suggest(1)
        self._running[number] = suggestion.to_trial(number + 1)
        params: Mapping[str, Any] = suggestion.parameters.as_dict()
        return params

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Complete the trial."""
        self._complete(number, params, pyvizier.Measurement({_METRIC: loss}), None)

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Complete the trial as infeasible."""
        self._complete(number, params, pyvizier.Measurement(), "failed")

    def _complete(
        self, number: int, params: dict[str, Any], measured: Any, reason: str | None
    ) -> None:
        trial = self._running.pop(number, None)
        if trial is None:
            trial = pyvizier.Trial(id=number + 1, parameters=params)
        trial.complete(measured, infeasibility_reason=reason)
        self._designer.update(
            algorithms.CompletedTrials([trial]),
            algorithms.ActiveTrials(list(self._running.values())),
        )


build = Vizier
