"""Random studies: every kind of distribution, objective and interruption, together."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import math
from random import Random
from typing import Any
from typing import Literal
import zlib

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from optuna.trial import create_trial

from tests.faults.hostile import PIECES
from tests.faults.legal import suggest


FOREIGN = "foreign"

_CHOICES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 0.5, 1.0, math.inf, -math.inf, 10**20, "", " ", "1", "None"),
    *("true", "adam", "Adam", "a,b", "x" * 400, "é\n", "<b>", "0=adam", *PIECES[:40:3]),
)
_NAMES = (
    *("lr", "LR", "max_depth", "n layers", "é", "x" * 300, "params", "reason", "a.b/c", "1", "x"),
    *("learning_rate", "weight_decay", "batch_size", "dropout", '"quoted"', "{}", "opt\nimizer"),
)
_EXTREME = (0.0, 1e-300, 5e-324, 1e-12, 1.0, 1e6, 1e15, 1e300)
_VALUES = (math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 1e-320)


def random_distribution(rng: Random) -> BaseDistribution:
    kind = rng.choice(("float", "log", "step", "int", "int log", "int step", "choice", "choice"))
    if kind == "choice":
        return CategoricalDistribution(rng.sample(_CHOICES, rng.randint(1, 6)))
    if kind.startswith("int"):
        log = kind == "int log"
        low = rng.choice((1, 7) if log else (-(2**40), -5, 0, 1, 7))
        high = low + rng.choice((0, 1, 2, 9, 100, 2**45))
        return IntDistribution(
            low, high, log=log, step=rng.choice((2, 3, 7)) if "step" in kind else 1
        )
    if kind == "log":
        low = rng.choice([e for e in _EXTREME if e > 0])
        return FloatDistribution(low, low * rng.choice((1.0, 1.0001, 10.0, 1e5)), log=True)
    low = rng.choice((-1, 1)) * rng.choice(_EXTREME[:-1])
    high = low + rng.choice((0.0, 1e-9, 0.3, 1.0, 1e4))
    if kind == "float":
        return FloatDistribution(low, high)
    step = rng.choice((0.1, 0.25, 1e-3))
    low = rng.choice((-0.7, 0.0, 0.1, 3.0))
    return FloatDistribution(low, low + step * rng.choice((1, 3, 10, 1234)), step=step)


def moved(rng: Random, distribution: BaseDistribution) -> BaseDistribution:
    """Return a distribution of the same kind with another range; choices must stay."""
    if isinstance(distribution, IntDistribution):
        low = distribution.low + rng.randint(0, 3)
        high = max(low, distribution.high + rng.randint(-2, 4))
        return IntDistribution(low, high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        width = distribution.high - distribution.low
        low = distribution.low + rng.random() * 0.4 * width
        high = max(low, distribution.high + (rng.random() - 0.3) * width)
        if math.isfinite(high):
            return FloatDistribution(low, high, log=distribution.log)
    return distribution


class RandomStudy:
    """One study, decided by a seed.

    Args:
        seed: Everything follows from it.
        make_sampler: Makes the sampler from the random numbers and the announced search space.
    """

    def __init__(
        self,
        seed: int,
        make_sampler: Callable[[Random, dict[str, BaseDistribution] | None], BaseSampler],
    ) -> None:
        self._rng = rng = Random(seed)
        names = rng.sample(_NAMES, rng.randint(1, 6))
        self.space = {name: random_distribution(rng) for name in names}
        self._moves = rng.random() < 0.3
        # A parameter that is only asked for where the first one takes a certain value.
        self._gated = set(rng.sample(names[1:], len(names) // 2)) if rng.random() < 0.4 else set()
        self._n_objectives = rng.choice((1, 1, 1, 2, 3))
        self._constrained = rng.random() < 0.3
        self._trouble = rng.choice((0.0, 0.2, 0.9))
        announced = rng.choice((None, self.space, dict([next(iter(self.space.items()))])))
        if announced and rng.random() < 0.3:
            announced = {n: moved(rng, d) for n, d in announced.items()}
        directions: list[Literal["minimize", "maximize"]] = ["minimize", "maximize"]
        pruner = rng.choice(
            (
                None,
                optuna.pruners.MedianPruner(n_startup_trials=1),
                optuna.pruners.HyperbandPruner(min_resource=1, max_resource=4),
            )
        )
        self.study = optuna.create_study(
            directions=rng.choices(directions, k=self._n_objectives),
            pruner=pruner,
            sampler=make_sampler(rng, announced),
        )

    def run(self) -> None:
        """Run it to its end."""
        rng, study = self._rng, self.study
        with contextlib.suppress(StopIteration):
            for _ in range(rng.randint(4, 14)):
                if rng.random() < 0.15:
                    study.enqueue_trial(self._some_params(), skip_if_exists=rng.random() < 0.5)
                if rng.random() < 0.1:
                    self._add_foreign_trial()
                if rng.random() < 0.1:
                    study.ask()  # A worker that dies before it asks for anything.
                if rng.random() < 0.2:
                    trial = study.ask()
                    for name in self.space:
                        suggest(trial, name, self.space[name])
                    if rng.random() < 0.7:
                        study.tell(trial, state=TrialState.FAIL)
                else:
                    study.optimize(self._objective, n_trials=1, catch=(ArithmeticError,))

    def _some_params(self) -> dict[str, Any]:
        rng = self._rng
        random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=rng.randint(0, 9)))
        params = random.ask(self.space).params
        chosen = {n: v for n, v in params.items() if rng.random() < 0.6}
        return {**chosen, "never_asked_for": 1} if rng.random() < 0.2 else chosen

    def _add_foreign_trial(self) -> None:
        params = self._some_params()
        distributions = {n: self.space[n] for n in params if n in self.space}
        known = {n: params[n] for n in distributions}
        values = [self._value() for _ in range(self._n_objectives)]
        foreign = create_trial(
            params=known, distributions=distributions, values=values, user_attrs={FOREIGN: True}
        )
        self.study.add_trial(foreign)

    def _value(self) -> float:
        rng = self._rng
        return rng.choice(_VALUES) if rng.random() < self._trouble / 3 else rng.gauss(0, 1)

    def _objective(self, trial: optuna.Trial) -> Any:
        rng = self._rng
        if rng.random() < self._trouble / 8:
            raise ZeroDivisionError("before anything is asked for")
        gate = None
        for place, (name, distribution) in enumerate(self.space.items()):
            if name in self._gated and gate:
                continue
            asked = moved(rng, distribution) if self._moves else distribution
            value = suggest(trial, name, asked)
            if place == 0:
                gate = zlib.crc32(str(value).encode()) % 2
        if self._constrained:
            trial.set_constraint("c", rng.choice((-1.0, 0.0, 1e-9, 5.0, math.inf)))
        if self._n_objectives == 1 and rng.random() < 0.5:
            for step in rng.sample(range(1, 9), 3):
                trial.report(math.nan if rng.random() < self._trouble / 4 else self._value(), step)
                if trial.should_prune():
                    raise optuna.TrialPruned
        if rng.random() < self._trouble / 2:
            if rng.random() < 0.5:
                raise OverflowError(rng.choice(PIECES))
            return math.nan if self._n_objectives == 1 else [math.nan] * self._n_objectives
        values = [self._value() for _ in range(self._n_objectives)]
        return values[0] if self._n_objectives == 1 else values
