"""The base sampler of a hybrid one: asked without a trace in the storage, and never fatal."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import optuna

from optuna_llm.errors import ConfigurationError
from optuna_llm.sharing.base_point import BasePoint
from optuna_llm.sharing.base_point import ask


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from optuna_llm.prior import EmbeddedPrior
    from optuna_llm.sharing.proposal import Turn
    from optuna_llm.sharing.streams import RandomStreams


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


class Base:
    """A sampler of Optuna's, or the user's own, that takes turns with a proposer.

    Args:
        sampler: The sampler.
        stand_in: Where its values are taken from when it fails.
        rng: Random numbers for that.
        is_strict: Whether its errors are raised in mid-study, too.
    """

    def __init__(
        self, sampler: BaseSampler, stand_in: EmbeddedPrior, rng: RandomStreams, is_strict: bool
    ) -> None:
        self._sampler = sampler
        self._stand_in = stand_in
        self._rng = rng
        self._is_strict = is_strict
        self._failed_at = -1

    def __str__(self) -> str:
        return str(self._sampler)

    def point(self, turn: Turn, ahead: int = 0) -> BasePoint:
        """Return its joint proposal; what that lacks it samples independently.

        Args:
            turn: The trial.
            ahead: 1 for what it would propose next, after this trial.

        Raises:
            ConfigurationError: It cannot optimise several objectives.
        """
        known = turn.space.distributions
        try:
            return ask(self._sampler, turn.study, turn.trial, known, ahead)
        except Exception as error:
            if isinstance(error, ValueError) and turn.history.is_multi_objective:
                raise ConfigurationError(
                    f"base_sampler={self} cannot optimise {len(turn.history.directions)}"
                    f" objectives ({error}); pass one that can, such as TPESampler or GPSampler."
                ) from error
            self._report(error, turn.trial, is_first=turn.position == 0)
            return BasePoint()

    def whole_point(self, turn: Turn) -> BasePoint:
        """Return its joint proposal together with what it samples independently.

        For that it is asked for one value after the other, as in a trial that has those that are
        decided.
        """
        point = self.point(turn)
        trial = copy.copy(turn.trial)
        whole = dict(point.params)
        for name, distribution in turn.space.distributions.items():
            if name not in whole:
                whole[name] = self.value(turn.study, trial, name, distribution)
            trial.params = {**trial.params, name: whole[name]}
            trial.distributions = {**trial.distributions, name: distribution}
        return replace(point, params=whole)

    def value(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Return what it samples independently; near the usual value if it fails."""
        try:
            return self._sampler.sample_independent(study, trial, name, distribution)
        except Exception as error:
            self._report(error, trial, is_first=trial.number == 0)
            rng = self._rng(trial.number, f"in place of the base: {name}")
            return self._stand_in.sample_value(name, distribution, rng, trial.distributions)

    def _report(self, error: Exception, trial: FrozenTrial, *, is_first: bool) -> None:
        """Warn of an error once a trial; raise it where the user is to see it at once."""
        if self._is_strict or is_first:
            raise error
        if trial.number != self._failed_at:
            _logger.warning(
                f"{self} failed at trial {trial.number} and proposes nothing:"
                f" {type(error).__name__}: {error}"
            )
        self._failed_at = trial.number
