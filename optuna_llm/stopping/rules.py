"""Rules that say when a study is done; each is a small object, and any of several may decide.

A rule is asked only where a study may stop at all (:mod:`optuna_llm.stopping.verdicts` says when),
and answers with a finding: whether it is fulfilled, and why, in a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any
from typing import Protocol

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.study import CENTRAL_LEVELS
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import is_number
from optuna_llm.space.numbers import whole_number
from optuna_llm.stopping.error import Error
from optuna_llm.stopping.error import error_of_best
from optuna_llm.stopping.error import spread
from optuna_llm.stopping.remaining import Remaining
from optuna_llm.stopping.remaining import loss_of
from optuna_llm.surrogate.quantile import QuantileEnsemble


@dataclass(frozen=True)
class Finding:
    """What a rule finds.

    Attributes:
        done: Whether nothing is left to do.
        sentence: Why, for people.
        left: What the rule expects of further trials, where it expects anything.
        worth: What that is held against.
    """

    done: bool
    sentence: str
    left: float | None = None
    worth: float | None = None


_ALL_TRIED = Finding(True, "every configuration has been tried.", 0.0)


class Rule(Protocol):
    """Says whether a study is done."""

    at_once: bool
    """Whether it also counts during start-up and before a quarter of the budget."""

    def __call__(self, remaining: Remaining) -> Finding:
        """Return what the rule finds."""
        ...


@dataclass(frozen=True)
class ExpectedImprovement:
    """Done when the next trial is expected to bring less than is worth a trial.

    What it is expected to bring is the largest expected improvement of many candidates, times
    the share of such promises that the newest trials have kept
    (:mod:`optuna_llm.stopping.remaining`).

    Args:
        worth: The smallest improvement that is worth a trial, in the objective's units. By default
            a share of the standard error of the best trial (see :attr:`share`), where that is
            known, else 0.3 % of the interquartile range of the better half of the trials.
        patience: After so many trials in a row it must be less.
        share: Of the standard error, what one trial must be expected to bring.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    worth: float | None = None
    patience: int = 3
    share: float = 0.05
    at_once = False

    def __post_init__(self) -> None:
        if self.worth is not None:
            _check_positive("worth", self.worth)
        checked_count("patience", self.patience)
        _check_positive("share", self.share)

    def __call__(self, remaining: Remaining) -> Finding:
        """Return what the rule finds."""
        if len(remaining.pool) == 0:
            return _ALL_TRIED
        worth = self._worth(remaining)
        left = remaining.expected
        shown = f"the next trial is expected to bring {format_number(left)}"
        limit = f"{format_number(worth.value)}, {worth.reason}"
        if left >= worth.value:
            return Finding(False, f"{shown}, no less than {limit}.", left, worth.value)
        for n in range(1, self.patience):
            earlier = remaining.before(n)
            if earlier.expected >= self._worth(earlier).value:
                since = "after one trial" if n == 1 else f"after {n} trials in a row"
                return Finding(
                    False,
                    f"{shown}, less than {limit}, but only {since}, not {self.patience}.",
                    left,
                    worth.value,
                )
        return Finding(True, f"{shown}, less than {limit}.", left, worth.value)

    def _worth(self, remaining: Remaining) -> Error:
        if self.worth is not None:
            return Error(self.worth, "what a trial is worth")
        error = error_of_best(remaining)
        if error is None:
            return spread(remaining)
        return Error(self.share * error.value, f"{self.share:.0%} of {error.reason}")


@dataclass(frozen=True)
class RegretBound:
    """Done when a bound on the regret is below the error of the best value (Makarova et al. 2022).

    The regret is bounded by the lowest upper confidence bound of what was evaluated minus the
    lowest lower one of all candidates, at mean +- sqrt(beta) deviations, where beta is a fifth of
    2 ln(m t^2 pi^2 / (6 delta)) for m candidates after t trials.

    Args:
        error: The error of the estimate, in units of the objective. By default that of the
            best trial by its folds or by repeats, else the rule never stops.
        delta: Probability that the bound does not hold.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    error: float | None = None
    delta: float = 0.1
    at_once = False

    def __post_init__(self) -> None:
        if self.error is not None:
            _check_positive("error", self.error)
        _check_positive("delta", self.delta)

    def __call__(self, remaining: Remaining) -> Finding:
        """Return what the rule finds."""
        error = error_of_best(remaining) if self.error is None else Error(self.error, "as given")
        if error is None:
            return Finding(
                False,
                "the error of the best value is not known; leave the scores of the folds in"
                " the user attribute llm:scores, or give error=.",
            )
        regret = self._bound(remaining)
        shown = f"the regret is at most {format_number(regret)} (with probability"
        shown += f" {1 - self.delta:g})"
        relation = "less than" if regret < error.value else "not less than"
        return Finding(
            regret < error.value,
            f"{shown}, {relation} {format_number(error.value)}, {error.reason}.",
            regret,
            error.value,
        )

    def _bound(self, remaining: Remaining) -> float:
        surrogate, pool = remaining.surrogate, remaining.pool
        known = surrogate.encode(surrogate.coordinates[surrogate.violation == 0])
        m, t = len(pool) + len(known), len(surrogate.trials)
        beta = 0.4 * math.log(m * t**2 * math.pi**2 / (6 * self.delta))

        model = surrogate.regressor

        def bound(features: np.ndarray, side: int) -> float:
            low, middle, high = model.predict_scaled(features, CENTRAL_LEVELS, noise=False).T
            return float((middle + side * math.sqrt(beta) * (high - low) / 2).min())

        upper, lower = bound(known, 1), bound(np.vstack([known, pool.features]), -1)
        return float(model.in_units(np.array([upper - lower]), upper)[0])


@dataclass(frozen=True)
class Patience:
    """Done when so many trials in a row have not improved on the best one.

    Args:
        trials: How many finished trials.
        least: By how much a trial must improve to count, in units of the objective.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    trials: int = 20
    least: float = 0.0
    at_once = False

    def __post_init__(self) -> None:
        checked_count("trials", self.trials)
        if not is_number(self.least) or not self.least >= 0:
            raise ConfigurationError(f"least={self.least!r:.80} must be a number, 0 or more.")

    def __call__(self, remaining: Remaining) -> Finding:
        """Return what the rule finds."""
        last, best = remaining.feasible[0].number, loss_of(remaining.feasible[0])
        for o in remaining.feasible:
            if loss_of(o) < best - self.least:
                last, best = o.number, loss_of(o)
        idle = sum(
            o.number > last for o in remaining.history.observations if o.state.is_finished()
        )
        sentence = f"trial {last} was the last to improve on the best, {idle} trials ago"
        limit = f"the patience is {self.trials} trials."
        return Finding(idle >= self.trials, f"{sentence}; {limit}", None, None)


@dataclass(frozen=True)
class Target:
    """Done as soon as a value is reached, whatever was announced.

    Args:
        value: As the objective returns it.

    Raises:
        ConfigurationError: It is no finite number.
    """

    value: float
    at_once = True

    def __post_init__(self) -> None:
        if not is_number(self.value) or not math.isfinite(self.value):
            raise ConfigurationError(f"value={self.value!r:.80} must be a finite number.")

    def __call__(self, remaining: Remaining) -> Finding:
        """Return what the rule finds."""
        best = loss_of(remaining.best)
        reached = best <= remaining.sign * self.value
        shown = f"{format_number(remaining.sign * best)} of trial {remaining.best.number}"
        relation = "reaches" if reached else "does not reach"
        return Finding(reached, f"the {shown} {relation} {format_number(self.value)}.")


@dataclass(frozen=True)
class Cost:
    """Done when no candidate is expected to bring as much as it costs (Xie et al. 2026).

    What a candidate costs is predicted from what the trials have cost.

    Args:
        price: What a unit of cost is worth, in units of the objective: with the default costs,
            what a second is worth.
        attribute: The user attribute in which a trial says what it has cost; by default its
            duration in seconds counts.
        patience: After so many trials in a row it must be so.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    price: float
    attribute: str | None = None
    patience: int = 3
    at_once = False

    def __post_init__(self) -> None:
        _check_positive("price", self.price)
        checked_count("patience", self.patience)
        if self.attribute is not None and not isinstance(self.attribute, str):
            raise ConfigurationError(f"attribute={self.attribute!r:.80} must be a text.")

    def __call__(self, remaining: Remaining) -> Finding:
        """Return what the rule finds."""
        if len(remaining.pool) == 0:
            return _ALL_TRIED
        found = self._best(remaining)
        if found is None:
            where = self.attribute or "their durations"
            return Finding(False, f"what trials cost is not known by {where}.")
        gain, cost = found
        sentence = (
            f"the most profitable trial is expected to bring {format_number(gain)} and to cost"
            f" {format_number(cost)}."
        )
        done = gain < cost
        for n in range(1, self.patience) if done else ():
            earlier = self._best(remaining.before(n))
            done = done and earlier is not None and earlier[0] < earlier[1]
        return Finding(done, sentence, gain, cost)

    def _best(self, remaining: Remaining) -> tuple[float, float] | None:
        """Return gain and cost, in units of the objective, of the most profitable candidate."""
        known = [(o, c) for o in remaining.feasible if (c := self._cost(o.trial)) is not None]
        if not known or len(remaining.pool) == 0:
            return None
        surrogate = remaining.surrogate
        features = surrogate.features([o.params for o, _ in known])
        model = QuantileEnsemble(seed=0).fit(features, np.log([c for _, c in known]))
        costs = self.price * np.exp(model.mean(remaining.pool.features))
        gains = remaining.improvements * min(remaining.kept, 1.0)
        best = int(np.argmax(np.where(remaining.pool.acceptable, gains / costs, -1.0)))
        return float(gains[best]), float(costs[best])

    def _cost(self, trial: Any) -> float | None:
        cost = trial.user_attrs.get(self.attribute) if self.attribute else None
        if self.attribute is None and trial.duration is not None:
            cost = trial.duration.total_seconds()
        return float(cost) if is_number(cost) and 0 < cost < math.inf else None


def _check_positive(name: str, value: Any) -> None:
    if not is_number(value) or not 0 < value < math.inf:
        raise ConfigurationError(f"{name}={value!r:.80} must be a positive number.")


def checked_count(name: str, value: Any) -> int:
    """Return a whole number from 1 on, or raise ConfigurationError."""
    number = whole_number(value)
    if number is None or number < 1:
        raise ConfigurationError(f"{name}={value!r:.80} must be a whole number from 1 on.")
    return number
