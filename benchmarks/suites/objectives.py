"""Tasks with several objectives: the error of a model beside what the model costs.

``objectives/lcbench-3945-size`` is the error and the size of a network of YAHPO's lcbench;
``objectives/hpolib-protein_structure-time-size`` has three objectives;
``objectives/nasbench201-cifar10-latency-within-size`` has a limit on the size, which a quarter of
the space keeps to. Costs are looked up in tables or counted, and never timed, so that a task gives
the same again.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import re
from typing import Any

import numpy as np
from optuna._hypervolume import compute_hypervolume

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.suites import scikit
from benchmarks.suites import tables
from benchmarks.suites import yahpo
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import moved
from optuna_llm.history.pareto import is_on_front


# The share of the space that keeps to a limit.
_SHARE = 0.25
# The reference point lies so far beyond the worst values on the best known front.
_BEYOND = 0.1

# Takes configurations, n of them, and returns metrics (n, metrics), lower is better.
Measure = Callable[[Sequence[Mapping[str, Any]]], np.ndarray]


class _Source:
    """What is trained, and what is known of each training.

    Attributes:
        task: The task of the error alone: its space and conditions.
        metrics: Names of what is measured, the error first.
        measure: Measures configurations.
        n_random: Configurations drawn to find the best front; 0 where all can be listed.
        n_rounds: Rounds of local search from there.
        n_children: Moves in each round.
    """

    def __init__(
        self,
        task: Task,
        metrics: Sequence[str],
        measure: Measure,
        n_random: int = 0,
        n_rounds: int = 0,
        n_children: int = 0,
    ) -> None:
        self.task = task
        self.metrics = tuple(metrics)
        self.measure = measure
        self.n_random = n_random
        self.n_rounds = n_rounds
        self.n_children = n_children

    def sample(self, n: int) -> list[dict[str, Any]]:
        """Return all configurations where they can be listed, else ``n`` drawn ones."""
        if isinstance(self.task, tables.Table):
            return [self.task.configuration(i) for i in range(self.task.losses.size)]
        return self.task.draw(np.random.default_rng(0), n)


_TABULATED = {
    "hpobench": {"error": "val_acc", "time": "train_time"},
    "hpolib": {"error": "val_loss", "time": "train_time", "size": "model_size"},
    "nasbench201": {
        "error": "val_acc",
        "time": "train_time",
        "latency": "latency",
        "size": "model_size",
    },
}


def _weights(params: Mapping[str, Any]) -> float:
    """Weights between the hidden layers of a funnel, whose last layer has 16 units."""
    units = np.linspace(params["max_units"], 16, params["num_layers"] + 1).round()
    return float(units[:-1] @ units[1:])


def _visited(params: Mapping[str, Any]) -> float:
    """Nodes that a prediction visits at most; a linear model counts as one."""
    return float(params["nrounds"] * params.get("max_depth", 0) or 1)


# Of each scenario the targets by column, the accuracy as the error, and what is counted.
_OF_YAHPO: dict[str, tuple[dict[str, int], str, Callable[[Mapping[str, Any]], float]]] = {
    "lcbench": ({"error": 1, "cross_entropy": 2}, "size", _weights),
    "rbv2_xgboost": ({"error": 0, "log_loss": 5}, "latency", _visited),
}


def _tabulated(suite: str, dataset: str) -> _Source:
    task = tables.load(f"{suite}/{dataset}")
    names = _TABULATED[suite]
    costs = [tables.measured(f"{suite}/{dataset}", m) for m in list(names.values())[1:]]
    columns = np.stack([task.losses, *costs], axis=-1)

    def measure(configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        return np.array([columns[task.index(c)] for c in configurations])

    return _Source(task, list(names), measure)


def _of_yahpo(scenario: str, instance: str) -> _Source:
    task = yahpo.load(f"yahpo/{scenario}/{instance}")
    columns, counted, count = _OF_YAHPO[scenario]

    def measure(configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        outputs = task.outputs(configurations)[:, list(columns.values())]
        return np.column_stack(
            [-outputs[:, 0], outputs[:, 1:], [count(c) for c in configurations]]
        )

    return _Source(task, [*columns, counted], measure, 20_000, n_rounds=40, n_children=500)


def _tree(dataset: str) -> _Source:
    """A decision tree that is really trained; its costs are its nodes and its depth."""
    task = scikit.load(f"sklearn/tree-{dataset}")

    @functools.lru_cache(16)
    def train(items: tuple[tuple[str, Any], ...]) -> tuple[float, ...]:
        loss, models = task.fit(dict(items))
        costs = [(m.tree_.node_count, m.get_depth()) for m in models]
        return (loss, *np.mean(costs, axis=0).tolist())

    def measure(configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        return np.array([train(tuple(c.items())) for c in configurations])

    names = ("error", "size", "latency")
    return _Source(task, names, measure, 400, n_rounds=20, n_children=20)


_SOURCES: dict[str, Callable[[str], _Source]] = {
    **{suite: functools.partial(_tabulated, suite) for suite in _TABULATED},
    **{scenario: functools.partial(_of_yahpo, scenario) for scenario in _OF_YAHPO},
    "tree": _tree,
}


class Objectives(Task):
    """The error and one cost or more, all to be minimised, maybe within a limit of another cost.

    What counts is the hypervolume that the feasible trials dominate, in units of the best known
    front: each objective from its best value there (0) to its worst (1), up to a reference point
    a tenth beyond.
    """

    def __init__(
        self, name: str, source: _Source, costs: Sequence[str], limited: str | None
    ) -> None:
        self.name = name
        self.space, self.conditions = source.task.space, source.task.conditions
        self._source = source
        self._columns = [0, *(source.metrics.index(c) for c in costs)]
        self.n_objectives = len(self._columns)
        self._limited = limited
        if limited is not None:
            column = self._measured(source.sample(1000))[:, source.metrics.index(limited)]
            # Somebody's limit is a cost that a configuration has.
            self.limit = float(np.quantile(column, _SHARE, method="lower"))

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the error."""
        return self.results(params)[0]

    def results(
        self, params: Mapping[str, Any], report: Report | None = None
    ) -> tuple[float, ...]:
        """Return the error and the costs."""
        return tuple(self._measured([params])[0, self._columns].tolist())

    def constraints(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the share by which the limit is exceeded, where there is one."""
        if self._limited is None:
            return {}
        found = self._measured([params])[0, self._source.metrics.index(self._limited)]
        return {self._limited: float(found) / self.limit - 1}

    def front_loss(self, losses: Sequence[tuple[float, ...]]) -> float:
        """Return minus the hypervolume of the losses of feasible configurations."""
        best, worst = np.array(self.reference.ideal), np.array(self.reference.worst)
        return _front_loss(np.array(losses).reshape(-1, self.n_objectives), best, worst)

    def find_reference(self) -> Reference:
        """List all configurations, or draw some and move those on their front."""
        rng = np.random.default_rng(0)
        pool = self._source.sample(self._source.n_random)
        pool, values = self._front(pool)
        for _ in range(self._source.n_rounds):
            parents = rng.integers(len(pool), size=self._source.n_children)
            children = [moved(self._source.task, pool[i], rng) for i in parents]
            pool, values = self._front([*pool, *children])
        best, worst = values.min(axis=0), values.max(axis=0)
        loss = _front_loss(values, best, worst)
        # Nothing found has no hypervolume; so the regret is the share that is missing.
        knee = pool[int(np.argmin(((values - best) / (worst - best)).max(axis=1)))]
        return Reference(loss, 0.0, knee, tuple(best.tolist()), tuple(worst.tolist()))

    def _front(
        self, configurations: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], np.ndarray]:
        """Return the feasible configurations that no other one dominates, and their losses."""
        found = self._measured(configurations)
        feasible = np.ones(len(found), dtype=bool)
        if self._limited is not None:
            feasible = found[:, self._source.metrics.index(self._limited)] <= self.limit
        rows = np.flatnonzero(feasible)
        values = found[rows][:, self._columns]
        _, first = np.unique(values, axis=0, return_index=True)
        first = first[is_on_front(values[first])]
        return [configurations[i] for i in rows[first]], values[first]

    def _measured(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        return self._source.measure(configurations)


def _front_loss(values: np.ndarray, best: np.ndarray, worst: np.ndarray) -> float:
    """Return minus the hypervolume of losses (n, objectives)."""
    units = (values - best) / (worst - best)
    corner = np.full(len(best), 1 + _BEYOND)
    return -float(compute_hypervolume(units[(units < corner).all(axis=1)], corner))


def load(name: str) -> Objectives:
    """Load one task by its name, such as ``objectives/lcbench-3945-size``."""
    what, _, limited = name.partition("/")[2].partition("-within-")
    kind, dataset, *costs = (*what.split("-"), "", "")[: max(what.count("-") + 1, 2)]
    if kind not in _SOURCES or not re.fullmatch(r"[\w.]+", dataset):
        raise UnknownTaskError(
            f"the form is objectives/lcbench-3945-size, with one of {', '.join(_SOURCES)}"
        )
    source = _SOURCES[kind](dataset)
    wanted = [*costs, *([limited] if limited else [])]
    if not costs or "error" in wanted or not set(wanted) <= set(source.metrics):
        raise UnknownTaskError(f"the costs of {kind} are {', '.join(source.metrics[1:])}")
    return Objectives(name, source, costs, limited or None)
