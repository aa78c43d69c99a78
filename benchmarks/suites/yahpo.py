"""Surrogate benchmarks of YAHPO Gym (Pfisterer et al. 2022), from a folder that the user has.

The environment variable ``OPTUNA_LLM_DATA`` names a folder whose ``yahpo`` is a copy of
https://github.com/slds-lmu/yahpo_data: for each scenario an ONNX model, the search space and
the encoding of the categories. ``lcbench``: funnel-shaped networks, validation accuracy, with the
learning curve over 52 epochs. ``rbv2_*``: classifiers from R, accuracy, many spaces conditional.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import functools
import json
import os
from pathlib import Path
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
from benchmarks.task import UnavailableError
from benchmarks.task import search_reference


_BATCH = 1000


@dataclass(frozen=True)
class _Scenario:
    """How a scenario's model takes its input and gives its output.

    Attributes:
        categories: The categories in the model's order, the instance first.
        numbers: The numbers in the model's order.
        full: The values of the fidelity parameters for a full training.
        target: The column of the accuracy in the output.
        steps: The fidelity parameter that is a learning curve, if there is one.
    """

    categories: tuple[str, ...]
    numbers: tuple[str, ...]
    full: Mapping[str, float]
    target: int
    steps: str | None = None


def _rbv2(categories: str, numbers: str) -> _Scenario:
    return _Scenario(
        categories=("task_id", *categories.split(), "num.impute.selected.cpo"),
        numbers=(*numbers.split(), "trainsize", "repl"),
        full={"trainsize": 1.0, "repl": 10},
        target=0,
    )


_SCENARIOS = {
    "lcbench": _Scenario(
        categories=("OpenML_task_id",),
        numbers=(
            "epoch",
            "batch_size",
            "learning_rate",
            "momentum",
            "weight_decay",
            "num_layers",
            "max_units",
            "max_dropout",
        ),
        full={"epoch": 52},
        target=1,
        steps="epoch",
    ),
    "rbv2_xgboost": _rbv2(
        "booster",
        "nrounds eta gamma lambda alpha subsample max_depth min_child_weight colsample_bytree "
        "colsample_bylevel rate_drop skip_drop",
    ),
    "rbv2_svm": _rbv2("kernel", "cost gamma tolerance degree"),
    "rbv2_ranger": _rbv2(
        "respect.unordered.factors splitrule",
        "num.trees sample.fraction mtry.power min.node.size num.random.splits",
    ),
    "rbv2_rpart": _rbv2("", "cp maxdepth minbucket minsplit"),
    "rbv2_glmnet": _rbv2("", "alpha s"),
    "rbv2_aknn": _rbv2("distance", "k M ef ef_construction"),
}


class Yahpo(Task):
    """One instance of a scenario; the loss is minus its accuracy."""

    def __init__(self, name: str) -> None:
        self.name = name
        _, scenario, instance = (*name.split("/"), "")[:3]
        if scenario not in _SCENARIOS or name.count("/") != 2:
            raise UnknownTaskError(
                f"the form is yahpo/lcbench/3945, with one of {', '.join(_SCENARIOS)}"
            )
        self._scenario = _SCENARIOS[scenario]
        folder = _folder() / scenario
        if not folder.is_dir():
            raise UnavailableError(f"{folder} is not there: clone slds-lmu/yahpo_data as yahpo")
        self._session = _session(folder / "model.onnx")
        _check_widths(self._session, self._scenario, folder)
        self._codes = json.loads((folder / "encoding.json").read_text())
        instances = self._codes[self._scenario.categories[0]]
        if instance not in instances:
            known = ", ".join(i for i in instances if not i.startswith("#"))
            raise UnknownTaskError(f"the instances of {scenario} are {known}")
        self._fixed = {**self._scenario.full, self._scenario.categories[0]: instance}
        if self._scenario.steps is not None:
            self.n_steps = int(self._scenario.full[self._scenario.steps])
        found = json.loads((folder / "config_space.json").read_text())
        self.conditions = {
            c["child"]: (c["parent"], tuple(c.get("values") or [c["value"]]))
            for c in found["conditions"]
        }
        parameters = [h for h in found["hyperparameters"] if h["name"] not in self._fixed]
        parameters.sort(key=lambda h: h["name"] in self.conditions)
        self.space = {h["name"]: _distribution(h) for h in parameters}

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss of a full training, reporting the learning curve on the way."""
        if report is not None and self.n_steps:
            steps = range(1, self.n_steps + 1)
            curve = self._losses([{**params, self._scenario.steps or "": s} for s in steps])
            for step, value in zip(steps, curve.tolist(), strict=True):
                report(step, value)
        return float(self._losses([params])[0])

    def find_reference(self) -> Reference:
        """Find the best known loss by 20,000 random configurations and 60,000 local moves."""
        return search_reference(
            self, self._losses, n_random=20_000, n_rounds=60, n_parents=50, n_children=20
        )

    def _losses(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        return -self.outputs(configurations)[:, self._scenario.target]

    def outputs(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return all that the model says of configurations, shape (n, targets)."""
        batches = range(0, len(configurations), _BATCH)
        return np.concatenate([self._batch(configurations[i : i + _BATCH]) for i in batches])

    def _batch(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        rows = [{**self._fixed, **c} for c in configurations]
        # An inactive category has a code of its own; an inactive number is 0.
        categories = [
            [self._codes[n][r.get(n, "#na#")] for n in self._scenario.categories] for r in rows
        ]
        numbers = [[r.get(n, 0) for n in self._scenario.numbers] for r in rows]
        arrays = (np.array(categories, np.int32), np.array(numbers, np.float32))
        names = [i.name for i in self._session.get_inputs()]
        (output,) = self._session.run(None, dict(zip(names, arrays, strict=True)))
        return np.asarray(output, dtype=float)


def load(name: str) -> Yahpo:
    """Load one instance by its name, such as ``yahpo/lcbench/3945``."""
    return Yahpo(name)


def _folder() -> Path:
    root = os.environ.get("OPTUNA_LLM_DATA")
    if not root:
        raise UnavailableError("OPTUNA_LLM_DATA is not set: it names a folder that holds yahpo/")
    return Path(root) / "yahpo"


@functools.cache
def _session(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # The arena keeps the memory of the largest batch for good.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model, options)


def _check_widths(session: Any, scenario: _Scenario, folder: Path) -> None:
    widths = [i.shape[-1] for i in session.get_inputs()]
    expected = [len(scenario.categories), len(scenario.numbers)]
    if widths != expected:
        raise UnavailableError(
            f"{folder} takes {widths} categories and numbers, not {expected}: use the release of "
            "yahpo_data that benchmarks/README.md names"
        )


def _distribution(hyperparameter: Mapping[str, Any]) -> BaseDistribution:
    if hyperparameter["type"] == "categorical":
        return CategoricalDistribution(hyperparameter["choices"])
    low, high, log = (hyperparameter[k] for k in ("lower", "upper", "log"))
    if hyperparameter["type"] == "uniform_int":
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)
