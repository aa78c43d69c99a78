"""What every task of every suite is: a search space, a loss to minimise, and a known scale."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks import references
from benchmarks.references import Reference
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.search_space import SearchSpace


# Takes a step from 1 on and the loss after it; may raise optuna.TrialPruned.
Report = Callable[[int, float], None]
# The parent of a conditional parameter, and the parent's values with which it is active.
Condition = tuple[str, tuple[Any, ...]]


class UnavailableError(RuntimeError):
    """A task or a sampler cannot be used on this machine; the message says what is missing."""


class Task(ABC):
    """A loss to minimise over real hyperparameter names and values, maybe under constraints.

    Attributes:
        name: ``suite/task``.
        space: Every parameter, the conditional ones too; parents before children.
        conditions: The condition of each conditional parameter.
        n_steps: Number of intermediate losses that are reported; 0 for none.
        n_objectives: Number of losses.
    """

    name: str
    space: dict[str, BaseDistribution]
    conditions: Mapping[str, Condition] = {}
    n_steps = 0
    n_objectives = 1

    @abstractmethod
    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of a configuration."""

    def results(
        self, params: Mapping[str, Any], report: Report | None = None
    ) -> tuple[float, ...]:
        """Return the loss, or those of several objectives."""
        return (self.loss(params, report),)

    def front_loss(self, losses: Sequence[tuple[float, ...]]) -> float:
        """Return what counts of a study with several objectives, lower is better.

        Args:
            losses: Those of the feasible trials so far.
        """
        raise NotImplementedError

    def constraints(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the constraints of a configuration by name; a positive one is broken."""
        return {}

    def is_feasible(self, params: Mapping[str, Any]) -> bool:
        """Whether a configuration breaks no constraint."""
        return all(value <= 0 for value in self.constraints(params).values())

    @abstractmethod
    def find_reference(self) -> Reference:
        """Compute the scale of the regret; the same in every call."""

    @functools.cached_property
    def reference(self) -> Reference:
        """The scale of the regret: as it was computed once, if it was."""
        return references.known().get(self.name) or self.find_reference()

    @property
    def suite(self) -> str:
        """The suite's name."""
        return self.name.partition("/")[0]

    @property
    def best(self) -> float:
        """The smallest loss known."""
        return self.reference.best

    @property
    def median(self) -> float:
        """The median loss of configurations drawn uniformly."""
        return self.reference.median

    def regret(self, loss: float) -> float:
        """Normalise a loss: 0 for the best known, 1 for the median configuration."""
        return self.reference.regret(loss)

    def ask(self, trial: optuna.Trial) -> dict[str, Any]:
        """Suggest every active parameter."""
        params: dict[str, Any] = {}
        for name, distribution in self.space.items():
            if self._is_active(name, params):
                params[name] = _suggest(trial, name, distribution)
        return params

    def active(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what is inactive in a configuration."""
        kept: dict[str, Any] = {}
        for name in self.space:
            if self._is_active(name, kept):
                kept[name] = params[name]
        return kept

    def default(self) -> dict[str, Any]:
        """Return the usual configuration of the embedded prior, as someone would enqueue it."""
        return self.active(EmbeddedPrior().default(self.space))

    def draw(self, rng: np.random.Generator, n: int) -> list[dict[str, Any]]:
        """Draw ``n`` configurations uniformly."""
        drawn = []
        for row in rng.random((n, len(self.space))):
            places = zip(self.space.items(), row, strict=True)
            drawn.append(self.active({name: _value(d, unit) for (name, d), unit in places}))
        return drawn

    def _is_active(self, name: str, params: Mapping[str, Any]) -> bool:
        if name not in self.conditions:
            return True
        parent, values = self.conditions[name]
        return params.get(parent) in values


def search_reference(
    task: Task,
    losses: Callable[[list[dict[str, Any]]], np.ndarray] | None = None,
    *,
    n_random: int,
    n_rounds: int,
    n_parents: int,
    n_children: int,
) -> Reference:
    """Find a task's scale by random search, and then by local search around the best.

    Args:
        task: The task.
        losses: Returns the loss of each configuration; infinite for one that does not count. By
            default the task is asked one by one, and an infeasible configuration does not count.
        n_random: Number of configurations drawn.
        n_rounds: Number of rounds of local search.
        n_parents: Number of best configurations that are moved in each round.
        n_children: Number of moves of each.
    """

    def one_by_one(configurations: list[dict[str, Any]]) -> np.ndarray:
        return np.array([task.loss(c) if task.is_feasible(c) else np.inf for c in configurations])

    losses = losses or one_by_one
    rng = np.random.default_rng(0)
    drawn = task.draw(rng, n_random)
    values = losses(drawn)
    median = float(np.median(values[np.isfinite(values)]))
    order = np.argsort(values)[:n_parents]
    pool, best = [drawn[i] for i in order], values[order]
    for _ in range(n_rounds):
        children = [moved(task, c, rng) for c in pool for _ in range(n_children)]
        pool, best = pool + children, np.concatenate([best, losses(children)])
        order = np.argsort(best, kind="stable")[:n_parents]
        pool, best = [pool[i] for i in order], best[order]
    return Reference(float(best[0]), median, pool[0])


def moved(task: Task, params: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Move about four numbers in ten by up to a tenth of their range; keep the categories."""
    space = SearchSpace({n: task.space[n] for n in params})
    (units,) = space.coordinates([params])
    categories = [isinstance(d, CategoricalDistribution) for d in space.distributions.values()]
    moves = ~np.array(categories) & (rng.random(len(units)) < 0.4)
    steps = 0.1 * rng.random(len(units)) * rng.normal(size=len(units))
    return space.configuration(np.where(moves, np.clip(units + steps, 0.0, 1.0), units))


def _value(distribution: BaseDistribution, unit: float) -> Any:
    """Return the native value at a number in [0, 1); each category owns an equal share."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(unit * len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return from_unit(distribution, unit)


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
