"""Retuning: tasks that have been tuned before, on less data, elsewhere, or in another space.

The rest of a name says what the earlier studies were, and of which task: ``grow-knn-wine``,
``others-lcbench-3945``.

grow: a model of scikit-learn or XGBoost on a tenth, a quarter and half of the rows (four stages,
    the setting of Hellan et al. 2023, "Obeying the Order").
others: four other instances of the same YAHPO scenario, of the same list.
changed: the same four, in a space where one parameter is missing, one is there that has become
    constant, one has another name, ranges lie lower, and a choice is missing.
unrelated: two studies of a loss that has nothing to do with the task: the distance from a random
    configuration.
hostile: the studies of ``others`` or ``grow`` with the sign of every value turned.
"""

from __future__ import annotations

from collections.abc import Mapping
import functools
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.suites.scikit import Training
from benchmarks.suites.yahpo import Yahpo
from benchmarks.task import Report
from benchmarks.task import Task
from optuna_llm import CQRSampler
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.search_space import SearchSpace


_N_TRIALS = 25
_STAGES = (0.1, 0.25, 0.5)
_N_UNRELATED = 2
# Other instances than the tasks', those of either list for its own tasks only.
_OTHERS = {
    "lcbench": (
        ("7593", "167168", "189873", "168908", "3945"),
        ("126026", "146212", "167149", "168330", "189908", "34539"),
    ),
    "rbv2_xgboost": (("1501", "40499", "16", "12"), ("54", "1461", "1590", "40975", "1067")),
}
# What has changed in the spaces since: a parameter that was constant, one that has become so, one
# of another name, and one with a lower range.
_CHANGES = {
    "lcbench": ("max_dropout", "num_layers", ("learning_rate", "lr"), "max_units"),
    "rbv2_xgboost": ("colsample_bylevel", "alpha", ("eta", "learning_rate"), "max_depth"),
}
_MISSING_CHOICE = "dart"


class Earlier(Task):
    """A task as it was tuned before: in a part of the space, under other names.

    Args:
        task: The task.
        constants: Parameters that were constant.
        names: Earlier names by today's.
        lower: A number whose range lay lower: it ended where 0.7 of today's lies.
        missing: A choice that did not exist.
    """

    def __init__(
        self,
        task: Task,
        constants: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        lower: str = "",
        missing: str = "",
    ) -> None:
        self.name = task.name
        self._task = task
        self._constants = dict(constants)
        self._names = dict(names or {})
        self.space = {
            self._names.get(name, name): _before(d, is_lower=name == lower, missing=missing)
            for name, d in task.space.items()
            if name not in constants
        }
        self.conditions = {
            self._names.get(child, child): condition
            for child, condition in task.conditions.items()
            if child not in constants and missing not in condition[1]
        }
        gone = [c for c, condition in task.conditions.items() if condition[1] == (missing,)]
        self.space = {n: d for n, d in self.space.items() if n not in gone}

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of the task."""
        today = {new: params[old] for new, old in self._names.items() if old in params}
        same = {n: v for n, v in params.items() if n not in self._names.values()}
        whole = {**self._constants, **same, **today}
        return self._task.loss({n: v for n, v in whole.items() if n in self._task.active(whole)})

    def find_reference(self) -> Reference:
        """Return the scale of the whole task."""
        return self._task.reference


def _before(distribution: BaseDistribution, *, is_lower: bool, missing: str) -> BaseDistribution:
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([c for c in distribution.choices if c != missing])
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if not is_lower:
        return distribution
    high = from_unit(distribution, 0.7)
    return type(distribution)(distribution.low, high, log=distribution.log)  # type: ignore[arg-type]


class Unrelated(Task):
    """The distance from a random configuration of a task's space.

    Args:
        task: The task.
        seed: Of the configuration.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self.name = task.name
        self.space = task.space
        self.conditions = task.conditions
        self._coordinates = SearchSpace(task.space)
        rng = np.random.default_rng([seed, 17])
        self._optimum = self._coordinates.coordinates(task.draw(rng, 1))[0]

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the distance."""
        row = self._coordinates.coordinates([params])
        return float(self._coordinates.distances(row, self._optimum)[0])

    def find_reference(self) -> Reference:
        """Nothing is measured in it."""
        raise NotImplementedError


class Retuned(Task):
    """A task of another suite, and the studies that have tuned it or its like before.

    Attributes:
        task: The task, in today's space.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        kind, _, what = name.partition("/")[2].partition("-")
        scenario, _, instance = what.partition("-")
        self._kind = kind
        self._what = what
        if kind not in ("grow", "others", "changed", "unrelated", "hostile"):
            raise UnknownTaskError(
                "the form is transfer/grow-knn-wine, transfer/others-lcbench-3945"
            )
        self._is_yahpo = scenario in _OTHERS
        if kind in ("others", "changed") and not self._is_yahpo:
            raise UnknownTaskError(f"{kind} is of {', '.join(_OTHERS)}")
        self.task: Task = (
            Yahpo(f"yahpo/{scenario}/{instance}") if self._is_yahpo else _training(what)
        )
        if kind == "changed":
            added, dropped, _, _ = _CHANGES[scenario]
            best = self.task.reference.configuration
            usual = self.task.default()
            self._added = {added: usual[added]}
            self.task = Earlier(self.task, {dropped: best.get(dropped, usual.get(dropped))})
        self.space = self.task.space
        self.conditions = self.task.conditions

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of the task."""
        return self.task.loss(params)

    def find_reference(self) -> Reference:
        """Return the scale of the task."""
        return self.task.reference

    @property
    def fixed(self) -> dict[str, Any]:
        """What a user could say: the constants of the earlier studies."""
        return dict(self._added) if self._kind == "changed" else {}

    def earlier(self, seed: int) -> list[optuna.Study]:
        """Return the earlier studies of one seed, oldest first."""
        return list(_earlier(self.name, seed))


@functools.lru_cache(maxsize=8)
def _earlier(name: str, seed: int) -> tuple[optuna.Study, ...]:
    task = Retuned(name)
    studies = [
        _tuned(one, seed, f"{task._what} {i}", is_turned=task._kind == "hostile")
        for i, one in enumerate(_tasks(task))
    ]
    return tuple(studies)


def _tasks(task: Retuned) -> list[Task]:
    """Return the tasks of the earlier studies, oldest first."""
    if task._kind == "unrelated":
        return [Unrelated(task.task, seed) for seed in range(_N_UNRELATED)]
    if not task._is_yahpo:
        return [_training(task._what, share) for share in _STAGES]
    scenario, _, instance = task._what.partition("-")
    (instances,) = [found for found in _OTHERS[scenario] if instance in found]
    tasks: list[Task] = [Yahpo(f"yahpo/{scenario}/{i}") for i in instances if i != instance]
    if task._kind == "changed":
        _, _, (new, old), lower = _CHANGES[scenario]
        tasks = [Earlier(t, task.fixed, {new: old}, lower, _MISSING_CHOICE) for t in tasks]
    return tasks


def _training(what: str, share: float = 1.0) -> Training:
    is_xgboost = what.startswith("xgboost-")
    name = f"xgboost/{what.removeprefix('xgboost-')}" if is_xgboost else f"sklearn/{what}"
    return Training(name, share)


def _tuned(task: Task, seed: int, name: str, *, is_turned: bool) -> optuna.Study:
    """Return a finished study of a task; with the sign of all values turned, if that is asked."""
    study = optuna.create_study(study_name=name, sampler=CQRSampler(seed=seed))
    study.optimize(lambda trial: task.loss(task.ask(trial)), n_trials=_N_TRIALS)
    if not is_turned:
        return study
    turned = optuna.create_study(study_name=name)
    for trial in study.trials:
        assert trial.values is not None
        trial.values = [-trial.values[0]]
        turned.add_trial(trial)
    return turned


def load(name: str) -> Retuned:
    """Load one task by its name, such as ``transfer/grow-knn-wine``."""
    return Retuned(name)
