"""Variants of any task: what makes tuning hard beside the search itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
import zlib

import numpy as np

from benchmarks.task import Reference
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from optuna_llm.space import SearchSpace


# Where the two coordinates of the failing corner sum up to more, it fails: a quarter of a square.
_FAILING_SUM = 2 - 0.5**0.5
_NOISE = 0.1
_N_WORKERS = 16


class Variant(Task):
    """A task as it is; the variants change what is said below.

    Attributes:
        noise: Standard deviation of the noise on what the sampler is told.
        n_workers: Number of simulated workers; the durations of trials are log-normal.
        prunes: Whether Hyperband stops trials by their intermediate losses.
    """

    noise = 0.0
    n_workers = 1
    prunes = False
    label = ""

    def __init__(self, task: Task) -> None:
        self.task = task
        suite, _, rest = task.name.partition("/")
        self.name = f"{suite}-{self.label}/{rest}"
        self.space = task.space
        self.conditions = task.conditions
        self.n_steps = task.n_steps

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of the task."""
        return self.task.loss(params, report)

    def find_reference(self) -> Reference:
        """Return the scale of the task."""
        return self.task.reference


class Failures(Variant):
    """A quarter of the space raises, as a configuration that runs out of memory does.

    It is the corner of two hyperparameters, drawn by the task's name among those that do not hold
    the best known configuration; so the regrets of both variants compare.
    """

    label = "failures"

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
        space = SearchSpace({n: self.space[n] for n in self._corner})
        (row,) = space.coordinates([params])
        # The middle of a choice's share of the unit interval.
        units = np.where(space.n_choices > 0, (row + 0.5) / np.maximum(space.n_choices, 1), row)
        far = np.array(list(self._corner.values()))
        return bool(np.where(far, units, 1 - units).sum() > _FAILING_SUM)


class Noisy(Variant):
    """The sampler is told a noisy loss.

    The standard deviation is a tenth of the distance from the best to the median. What counts is
    the true loss of the configuration that looks best.
    """

    label = "noisy"
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


VARIANTS = {kind.label: kind for kind in (Failures, Noisy, Parallel, Pruned)}
