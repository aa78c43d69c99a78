"""Variants of any task: what makes tuning hard beside the search itself."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import Any
import zlib

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from optuna_llm.space.numbers import to_unit


# Where the two coordinates of the failing corner sum up to more, it fails: a quarter of a square.
_FAILING_SUM = 2 - 0.5**0.5
_NOISE = 0.1
_N_WORKERS = 16
# The numbers among which those of interrupted trials are drawn: while the search is under way.
_INTERRUPTED = range(8, 41)


class Variant(Task):
    """A task as it is; the variants change what is said below.

    Attributes:
        noise: Standard deviation of the noise on what the sampler is told.
        n_workers: Number of simulated workers; the durations of trials are log-normal.
        prunes: Whether Hyperband stops trials by their intermediate losses.
        reports: Whether each trial reports its loss once as soon as it has begun, long before its
            constraints are known.
        is_of_one_objective: Whether it means nothing where there are several.
    """

    noise = 0.0
    n_workers = 1
    prunes = False
    reports = False
    label = ""
    is_of_one_objective = False

    def __init__(self, task: Task) -> None:
        self.task = task
        suite, _, rest = task.name.partition("/")
        self.name = f"{suite}-{self.label}/{rest}"
        self.space = task.space
        self.conditions = task.conditions
        self.n_steps = task.n_steps
        self.n_objectives = task.n_objectives
        if task.n_objectives > 1 and self.is_of_one_objective:
            raise UnavailableError(f"{task.name} has several objectives, {self.label} takes one")

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of the task."""
        return self.task.loss(params, report)

    def results(
        self, params: Mapping[str, Any], report: Report | None = None
    ) -> tuple[float, ...]:
        """Return the losses of the task."""
        if self.n_objectives > 1:
            return self.task.results(params, report)
        return super().results(params, report)

    def front_loss(self, losses: Sequence[tuple[float, ...]]) -> float:
        """Return what counts of a study of the task."""
        return self.task.front_loss(losses)

    def constraints(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the constraints of the task."""
        return self.task.constraints(params)

    def find_reference(self) -> Reference:
        """Return the scale of the task."""
        return self.task.reference

    def is_interrupted(self, seed: int, number: int) -> bool:
        """Whether a trial of the study with this seed fails, whatever its parameters are."""
        return False


class Failures(Variant):
    """A quarter of the space raises, as a configuration that runs out of memory does.

    It is the corner of two hyperparameters, drawn by the task's name among those that do not hold
    the best known configuration; so the regrets of both variants compare.
    """

    label = "failures"
    is_of_one_objective = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        rng = np.random.default_rng(zlib.crc32(task.name.encode()))
        always = [n for n in task.space if n not in task.conditions]
        best = task.reference.configuration
        while True:
            self._corner = {
                str(n): bool(rng.integers(2)) for n in rng.choice(always, 2, replace=False)
            }
            if not self._fails(best):
                break

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of the task.

        Raises:
            MemoryError: The configuration is in the failing corner.
        """
        if self._fails(params):
            raise MemoryError(f"out of memory: {' and '.join(self._corner)} do not fit together")
        return self.task.loss(params, report)

    def _fails(self, params: Mapping[str, Any]) -> bool:
        units = np.array([_unit(self.space[n], params[n]) for n in self._corner])
        far = np.array(list(self._corner.values()))
        return bool(np.where(far, units, 1 - units).sum() > _FAILING_SUM)


def _unit(distribution: BaseDistribution, value: Any) -> float:
    """Return the place of a value in [0, 1]; of a choice, the middle of its share."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return to_unit(distribution, value)


class Noisy(Variant):
    """The sampler is told a noisy loss.

    The standard deviation is a tenth of the distance from the best to the median. What counts is
    the true loss of the configuration that looks best.
    """

    label = "noisy"
    is_of_one_objective = True
    noise = _NOISE


class Parallel(Variant):
    """Sixteen workers: proposals are made before earlier results are known."""

    label = "parallel"
    n_workers = _N_WORKERS


class Pruned(Variant):
    """Hyperband stops trials by their intermediate losses; a stopped trial has no value."""

    label = "pruned"
    prunes = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if not task.n_steps:
            raise UnavailableError(f"{task.name} has no intermediate losses to prune by")


class FourWorkers(Variant):
    """Four workers: proposals are made before earlier results are known."""

    label = "workers-4"
    n_workers = 4


class Reported(Variant):
    """Each trial reports its loss as soon as it has begun; its constraints are set at its end."""

    label = "reported"
    reports = True
    is_of_one_objective = True


class ReportedByFourWorkers(Reported):
    """Four workers whose trials report their loss before their constraints are known."""

    label = "reported-workers-4"
    n_workers = 4


class Interrupted(Variant):
    """A few trials fail as one does whose machine is taken away; the study's seed says which.

    All samplers meet these failures at the same trial numbers, and the parameters say nothing of
    them. What a failed trial cost is lost.

    Args:
        task: The task.
        n_interrupted: How many of the trials between 8 and 40 fail.
    """

    def __init__(self, task: Task, n_interrupted: int) -> None:
        self.label = f"interrupted-{n_interrupted}"
        self._n_interrupted = n_interrupted
        super().__init__(task)

    def is_interrupted(self, seed: int, number: int) -> bool:
        """Whether the trial is one of those drawn."""
        rng = np.random.default_rng([seed, 8])
        return number in rng.choice(_INTERRUPTED, self._n_interrupted, replace=False)


class Flaky(Variant):
    """Each trial fails with some probability, by the study's seed and the trial's number alone.

    The trials that fail at a small rate fail at a larger one too.

    Args:
        task: The task.
        rate: The probability.
    """

    def __init__(self, task: Task, rate: float) -> None:
        self.label = f"flaky-{rate}"
        self._rate = rate
        super().__init__(task)

    def is_interrupted(self, seed: int, number: int) -> bool:
        """Whether the lot falls on the trial."""
        return bool(np.random.default_rng([seed, number, 9]).random() < self._rate)


_KINDS = (Failures, Noisy, Parallel, FourWorkers, Pruned, Reported, ReportedByFourWorkers)

VARIANTS: dict[str, Callable[[Task], Variant]] = {
    **{kind.label: kind for kind in _KINDS},
    **{f"interrupted-{n}": functools.partial(Interrupted, n_interrupted=n) for n in (1, 3)},
    **{f"flaky-{rate}": functools.partial(Flaky, rate=rate) for rate in (0.05, 0.1, 0.2)},
}
