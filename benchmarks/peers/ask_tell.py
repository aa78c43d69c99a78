"""The common part of the adapters: a search with a flat space of its own, asked and told."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from optuna_llm.prior import EmbeddedPrior


if TYPE_CHECKING:
    from optuna.study import Study as OptunaStudy
    from optuna.trial import FrozenTrial

    from benchmarks.samplers import Study


class AskTellSampler(BaseSampler, ABC):
    """A peer that knows the whole space beforehand.

    These peers have no conditional parameters: they propose a value for every parameter, and
    what is inactive is left out. A trial that was enqueued is told like any other.
    """

    def __init__(self, study: Study) -> None:
        self._space = study.task.space
        self._default = EmbeddedPrior().default(study.task.space)
        self._independent = RandomSampler(seed=study.seed)
        self._proposed: dict[int, dict[str, Any]] = {}

    @abstractmethod
    def propose(self, number: int) -> dict[str, Any]:
        """Return a value of every parameter for a trial."""

    @abstractmethod
    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Take the result of a trial, whether it was proposed or not."""

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Take notice of a trial without a result."""

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        return self._space

    def sample_relative(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the peer's proposal; an enqueued trial needs none."""
        if "fixed_params" in trial.system_attrs:
            return {}
        proposed = self.propose(trial.number)
        params = {n: _native(d, proposed[n]) for n, d in self._space.items()}
        self._proposed[trial.number] = params
        return params

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw at random what an enqueued trial leaves open."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the peer the result."""
        params = {**self._default, **self._proposed.pop(trial.number, {}), **trial.params}
        if state == TrialState.COMPLETE and values is not None:
            self.observe(trial.number, params, values[0])
        else:
            self.fail(trial.number, params)


def _native(distribution: BaseDistribution, value: Any) -> Any:
    """Return a peer's value as Optuna wants it: of its own type, and inside the range."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[distribution.choices.index(value)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    number = int(value) if isinstance(distribution, IntDistribution) else float(value)
    return min(max(number, distribution.low), distribution.high)
