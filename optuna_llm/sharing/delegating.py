"""A sampler with another one inside: what both have to hear of every trial."""

from __future__ import annotations

import abc
from collections.abc import Callable
from collections.abc import Sequence
import functools
from typing import TYPE_CHECKING
from typing import Any

from optuna.samplers import BaseSampler

from optuna_llm.errors import redact
from optuna_llm.history.failure import write_failure
from optuna_llm.history.settings import Settings
from optuna_llm.history.settings import made_with
from optuna_llm.sharing.checks import check_sampler
from optuna_llm.sharing.per_study import PerStudy


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial
    from optuna.trial import TrialState


class DelegatingSampler(BaseSampler, abc.ABC):
    """A sampler that lets another one propose in its place at times.

    What it is made with is taken down, and kept in every study that it runs.

    Attributes:
        settings: What it was made with.

    Args:
        name: Name of the argument that the other sampler is.
        inner: The other one, if there is any. It sees every trial begin and end.

    Raises:
        ConfigurationError: It is no sampler.
    """

    settings: Settings

    def __init_subclass__(cls, **options: Any) -> None:
        """Have the constructor of every kind of sampler take down what it is called with."""
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _taking_down(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, name: str, inner: BaseSampler | None) -> None:
        self._kept: PerStudy[bool] = PerStudy()
        if inner is not None:
            check_sampler(name, inner)
        self._inner = inner

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Keep the settings in the study; forward to the inner sampler."""
        # A study that was deleted may have left its id to a new one, which begins with trial 0.
        is_inner = isinstance(study.sampler, DelegatingSampler) and study.sampler is not self
        if not is_inner and (trial.number == 0 or not self._kept.get(study)):
            self.settings.keep(study, trial.number)
            self._kept.set(study, True)
        if self._inner is not None:
            self._inner.before_trial(study, trial)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of one parameter that the joint proposal leaves out."""
        return self._value(study, trial, param_name, param_distribution)

    @abc.abstractmethod
    def _value(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Return the value of one parameter."""

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Write how a trial failed, if it did, and what it was; forward to the inner sampler."""
        write_failure(study, trial, state, redact)
        self._after_own(study, trial, state)
        if self._inner is not None:
            self._inner.after_trial(study, trial, state, values)

    def _after_own(self, study: Study, trial: FrozenTrial, state: TrialState) -> None:
        """Do what this sampler has to do at the end of a trial."""

    def reseed_rng(self) -> None:
        """Reseed the inner sampler; own proposals differ by the numbers of their trials."""
        if self._inner is not None:
            self._inner.reseed_rng()


def _taking_down(initialise: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that takes down its arguments, unless that of a subclass has."""

    @functools.wraps(initialise)
    def taking_down(self: DelegatingSampler, *given: Any, **named: Any) -> None:
        if "settings" not in vars(self):
            self.settings = made_with(self, taking_down, given, named)
        initialise(self, *given, **named)

    return taking_down
