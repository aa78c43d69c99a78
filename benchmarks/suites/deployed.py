"""Models to deploy: the smallest error that fits into a memory and answers in time.

Both are counts, never measured times: of weights and operations, layers, nodes of trees.
``constrained/hpobench-credit_g`` is a table of :mod:`benchmarks.suites.tables`,
``constrained/forest-diabetes`` a model of :mod:`benchmarks.suites.scikit` that is really trained.
A constraint is the share by which a limit is exceeded.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import functools
import itertools
from typing import Any

import numpy as np

from benchmarks.references import Reference
from benchmarks.suites import scikit
from benchmarks.suites import tables
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import search_reference


# What a model costs: its memory and its latency.
Costs = tuple[float, float]

# Features and classes (1 for a number) of the tables' data sets.
_SHAPES = {
    "credit_g": (20, 2),
    "vehicle": (18, 4),
    "phoneme": (5, 2),
    "parkinsons_telemonitoring": (20, 1),
    "protein_structure": (9, 1),
}
# The cell of NAS-Bench-201: the nodes that its six operations join.
_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
# Weights for each pair of channels, and layers one after another.
_OPERATIONS = {
    "none": (0, -np.inf),
    "skip_connect": (0, 0),
    "avg_pool_3x3": (0, 1),
    "nor_conv_1x1": (1, 2),
    "nor_conv_3x3": (9, 3),
}
# The share of a table's configurations that meet each limit.
_SHARE = 0.15
# Operations that tanh takes where relu takes one.
_TANH = 20


def _hpobench(params: Mapping[str, Any], shape: tuple[int, int]) -> Costs:
    """Numbers held in training by Adam with a batch; multiplications of a prediction."""
    width, depth = params["width"], params["depth"]
    weights = width * (sum(shape) + (depth - 1) * width)
    return 4 * weights + 2 * params["batch_size"] * depth * width, weights


def _hpolib(params: Mapping[str, Any], shape: tuple[int, int]) -> Costs:
    """Numbers held in training by Adam with a batch; operations of a prediction."""
    units = [params["n_units_1"], params["n_units_2"]]
    sizes = [shape[0], *units, shape[1]]
    weights = sum((a + 1) * b for a, b in itertools.pairwise(sizes))
    kinds = [params["activation_fn_1"], params["activation_fn_2"]]
    activations = sum(u * (_TANH if k == "tanh" else 1) for u, k in zip(units, kinds, strict=True))
    return 4 * weights + 2 * params["batch_size"] * sum(units), weights + activations


def _nasbench201(params: Mapping[str, Any]) -> Costs:
    """Weights of the cell for each pair of channels; its longest chain of layers."""
    operations = [_OPERATIONS[params[f"Op{i}"]] for i in range(len(_EDGES))]
    longest = [0.0, -np.inf, -np.inf, -np.inf]
    for (start, end), (_, layers) in zip(_EDGES, operations, strict=True):
        longest[end] = max(longest[end], longest[start] + layers)
    return sum(weights for weights, _ in operations), max(longest[-1], 0.0)


def _forest(model: Any, features: np.ndarray) -> Costs:
    """Nodes; nodes that a prediction visits."""
    visited = model.decision_path(features)[0].sum() / len(features)
    return sum(tree.tree_.node_count for tree in model.estimators_), float(visited)


def _xgboost(model: Any, features: np.ndarray) -> Costs:
    """Nodes; the sum of the trees' depths."""
    trees = [tree.splitlines() for tree in model.get_booster().get_dump()]
    depths = [max(line.count("\t") for line in tree) + 1 for tree in trees]
    return sum(map(len, trees)), sum(depths)


def _excess(costs: Costs, limits: Costs) -> dict[str, float]:
    (memory, latency), (most_memory, most_latency) = costs, limits
    return {"memory": memory / most_memory - 1, "latency": latency / most_latency - 1}


class DeployedTable(tables.Table):
    """A table whose limits are met by 15 % of its configurations each."""

    def __init__(self, name: str) -> None:
        suite, _, dataset = name.partition("/")[2].partition("-")
        table = tables.load(f"{suite}/{dataset}")
        super().__init__(name, table.grid, table.losses)
        count: Callable[[Mapping[str, Any]], Costs] = _nasbench201
        if suite != "nasbench201":
            kind = _hpobench if suite == "hpobench" else _hpolib
            count = functools.partial(kind, shape=_SHAPES[dataset])
        points = itertools.product(*self.grid.values())
        costs = np.array(
            [count(dict(zip(self.grid, p, strict=True))) for p in points], dtype=float
        )
        # Somebody's limit is a cost that a configuration has.
        self.limits: Costs = tuple(np.quantile(costs, _SHARE, axis=0, method="lower").tolist())
        self._costs = costs.reshape(*self.losses.shape, 2)

    def constraints(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return by how much memory and latency exceed their limits."""
        return _excess(tuple(self._costs[self.index(params)].tolist()), self.limits)

    def find_reference(self) -> Reference:
        """Read the best and the median feasible loss off the whole table."""
        feasible = (self._costs <= self.limits).all(axis=-1)
        best = int(np.argmin(np.where(feasible, self.losses, np.inf)))
        found = self.losses[feasible]
        return Reference(float(found.min()), float(np.median(found)), self.configuration(best))


class DeployedModel(scikit.Training):
    """A trained model; its costs are the means over the folds."""

    def __init__(self, name: str, limits: Costs) -> None:
        what = name.partition("/")[2]
        kind, _, dataset = what.partition("-")
        super().__init__(f"xgboost/{dataset}" if kind == "xgboost" else f"sklearn/{what}")
        self.name = name
        self.limits = limits
        self._count = _xgboost if kind == "xgboost" else _forest
        # The loss and the costs come from the same training.
        self._trained = functools.lru_cache(16)(self._train)

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the mean loss of three folds."""
        return self._trained(tuple(params.items()))[0]

    def constraints(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return by how much memory and latency exceed their limits."""
        return _excess(self._trained(tuple(params.items()))[1], self.limits)

    def find_reference(self) -> Reference:
        """Find the best known feasible loss by 500 random configurations and 240 local moves."""
        return search_reference(self, n_random=500, n_rounds=30, n_parents=4, n_children=2)

    def _train(self, items: tuple[tuple[str, Any], ...]) -> tuple[float, Costs]:
        loss, models = self.fit(dict(items))
        costs = np.mean([self._count(model, self.features) for model in models], axis=0)
        return loss, tuple(costs.tolist())


_TABLES = (
    "hpobench-credit_g",
    "hpobench-phoneme",
    "hpobench-vehicle",
    "hpolib-parkinsons_telemonitoring",
    "hpolib-protein_structure",
    "nasbench201-cifar10",
    "nasbench201-cifar100",
)
# Nodes, and nodes one after another, that about an eighth of the configurations keep to.
_LIMITS: dict[str, Costs] = {
    "forest-diabetes": (150, 70),
    "xgboost-diabetes": (200, 75),
    "forest-friedman1": (150, 70),
    "xgboost-breast_cancer": (130, 70),
}
NAMES = (*_TABLES, *_LIMITS)


def load(name: str) -> Task:
    """Load one of NAMES, such as ``constrained/forest-diabetes``."""
    what = name.partition("/")[2]
    return DeployedModel(name, _LIMITS[what]) if what in _LIMITS else DeployedTable(name)
