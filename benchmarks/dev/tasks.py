"""Objectives of three suites, in two lists: defaults are chosen on DEVELOPMENT only.

The surrogates of YAHPO Gym (Pfisterer et al. 2022, https://github.com/slds-lmu/yahpo_data) are
read from the folder that the environment variable ``OPTUNA_LLM_DATA`` names; the tables come from
``benchmarks.tasks``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks import tasks as tables


YAHPO_DEVELOPMENT = tuple(
    [f"lcbench/{i}" for i in (3945, 7593, 167168, 189873, 168908, 189354)]
    + [f"rbv2_xgboost/{i}" for i in (12, 1501, 40499, 16)]
)
YAHPO_REPORT = tuple(
    [f"lcbench/{i}" for i in (34539, 126026, 146212, 167149, 168330, 189908)]
    + [f"rbv2_xgboost/{i}" for i in (54, 1067, 1461, 1590, 40975, 41163)]
)
DEVELOPMENT = YAHPO_DEVELOPMENT + tables.DEVELOPMENT
REPORT = YAHPO_REPORT + tables.REPORT

_N_REFERENCE = 20_000
_NUMBERS = {
    "lcbench": [
        "epoch",
        "batch_size",
        "learning_rate",
        "momentum",
        "weight_decay",
        "num_layers",
        "max_units",
        "max_dropout",
    ],
    "rbv2_xgboost": [
        "nrounds",
        "eta",
        "gamma",
        "lambda",
        "alpha",
        "subsample",
        "max_depth",
        "min_child_weight",
        "colsample_bytree",
        "colsample_bylevel",
        "rate_drop",
        "skip_drop",
        "trainsize",
        "repl",
    ],
}
_CATEGORIES = {
    "lcbench": ["OpenML_task_id"],
    "rbv2_xgboost": ["task_id", "booster", "num.impute.selected.cpo"],
}
_FULL: dict[str, dict[str, Any]] = {
    "lcbench": {"epoch": 52},
    "rbv2_xgboost": {"trainsize": 1.0, "repl": 10},
}
# val_accuracy in percent; accuracy as a share.
_TARGET = {"lcbench": 1, "rbv2_xgboost": 0}


@dataclass(frozen=True)
class Objective:
    """A loss to minimise; ``regret`` is 0 for the best known configuration, 1 for the median."""

    name: str
    ask: Callable[[optuna.Trial], dict[str, Any]]
    loss: Callable[..., float]
    best: float
    median: float

    def __call__(self, trial: optuna.Trial) -> float:
        return self.loss(self.ask(trial))

    def regret(self, loss: float) -> float:
        return (loss - self.best) / (self.median - self.best)


class _Yahpo:
    """One instance of a YAHPO Gym scenario."""

    def __init__(self, scenario: str, instance: str) -> None:
        import onnxruntime

        root = os.environ.get("OPTUNA_LLM_DATA")
        if not root:
            raise SystemExit("Set OPTUNA_LLM_DATA to a folder that holds yahpo/lcbench and so on.")
        folder = Path(root) / "yahpo" / scenario
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options)
        self._codes = json.loads((folder / "encoding.json").read_text())
        space = json.loads((folder / "config_space.json").read_text())
        self._fixed = {**_FULL[scenario], _CATEGORIES[scenario][0]: instance}
        self._parameters = [
            h
            for h in space["hyperparameters"]
            if h["name"] not in {*self._fixed, "trainsize", "repl", "epoch"}
        ]
        self._conditions = {c["child"]: c for c in space["conditions"]}
        self._scenario = scenario

    def ask(self, trial: optuna.Trial) -> dict[str, Any]:
        params: dict[str, Any] = {}
        conditional = [h for h in self._parameters if h["name"] in self._conditions]
        always = [h for h in self._parameters if h["name"] not in self._conditions]
        for h in always + conditional:
            name = h["name"]
            condition = self._conditions.get(name)
            if condition:
                allowed = condition.get("values") or [condition["value"]]
                if params[condition["parent"]] not in allowed:
                    continue
            if h["type"] == "categorical":
                params[name] = trial.suggest_categorical(name, h["choices"])
            elif h["type"] == "uniform_int":
                params[name] = trial.suggest_int(name, h["lower"], h["upper"], log=h["log"])
            else:
                params[name] = trial.suggest_float(name, h["lower"], h["upper"], log=h["log"])
        return params

    def losses(self, configurations: list[dict[str, Any]]) -> np.ndarray:
        scenario = self._scenario
        rows = [{**self._fixed, **c} for c in configurations]
        categories = [
            [self._codes[n][r.get(n, "#na#")] for n in _CATEGORIES[scenario]] for r in rows
        ]
        numbers = [[r.get(n, 0) for n in _NUMBERS[scenario]] for r in rows]
        names = [i.name for i in self._session.get_inputs()]
        arrays = (np.array(categories, np.int32), np.array(numbers, np.float32))
        (output,) = self._session.run(None, dict(zip(names, arrays, strict=True)))
        return np.asarray(-output[:, _TARGET[scenario]], dtype=float)

    def loss(self, params: dict[str, Any], **fidelity: float) -> float:
        return float(self.losses([{**params, **fidelity}])[0])


@functools.cache
def load(name: str) -> Objective:
    """Load one objective by its name, such as ``lcbench/3945`` or ``hpobench/car``."""
    suite, _, instance = name.partition("/")
    if suite not in _NUMBERS:
        table = tables.load(name)

        def ask(trial: optuna.Trial) -> dict[str, Any]:
            return {n: trial._suggest(n, d) for n, d in table.space.items()}

        return Objective(name, ask, table.loss, table.best, table.median)
    yahpo = _Yahpo(suite, instance)
    best, median = _reference(yahpo)
    return Objective(name, yahpo.ask, yahpo.loss, best, median)


def _reference(yahpo: _Yahpo) -> tuple[float, float]:
    """Return the lowest loss that random search and then local search find, and the median."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [yahpo.ask(study.ask()) for _ in range(_N_REFERENCE)]
    losses = yahpo.losses(drawn)
    rng = np.random.default_rng(0)
    pool = [drawn[i] for i in np.argsort(losses)[:50]]
    best = yahpo.losses(pool)
    for _ in range(60):
        copies = [_perturbed(yahpo, c, rng) for c in pool for _ in range(20)]
        both, values = pool + copies, np.concatenate([best, yahpo.losses(copies)])
        order = np.argsort(values)[:50]
        pool, best = [both[i] for i in order], values[order]
    return float(best[0]), float(np.median(losses))


def _perturbed(
    yahpo: _Yahpo, configuration: dict[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    copy = dict(configuration)
    for h in yahpo._parameters:
        if h["name"] not in copy or h["type"] == "categorical" or rng.random() < 0.6:
            continue
        low, high = h["lower"], h["upper"]
        scale = np.log if h["log"] else lambda v: v
        step = rng.normal() * 0.1 * rng.random() * (scale(high) - scale(low))
        value = scale(copy[h["name"]]) + step
        value = float(np.clip(np.exp(value) if h["log"] else value, low, high))
        copy[h["name"]] = round(value) if h["type"] == "uniform_int" else value
    return copy
