"""Regressions whose best settings lie inside their ranges, fitted in milliseconds.

A task ``interior/kernel-friedman2`` is a model on a data set that scikit-learn generates. Tables
and YAHPO's surrogates have most of their optima in corners, because their ranges were cut there;
here every range goes well beyond what works, in both directions. The loss is the root mean squared
error on 600 rows, in units of the target's standard deviation, and at most 3.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import functools
from typing import Any
import warnings

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.task import Condition
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import search_reference


_N_TRAIN = 150
_N_TEST = 600
_N_USELESS = 3
_NOISE = 0.3
_WORST = 3.0


@dataclass(frozen=True)
class _Model:
    """A model: its search space, and how it is built from a configuration."""

    space: dict[str, BaseDistribution]
    build: Callable[[Mapping[str, Any]], Any]
    conditions: dict[str, Condition] = field(default_factory=dict)


def _kernel(params: Mapping[str, Any]) -> Any:
    from sklearn.kernel_ridge import KernelRidge

    return KernelRidge(**params)


def _neighbours(params: Mapping[str, Any]) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline

    power = params.get("weight_power", 0.0)
    model = KNeighborsRegressor(
        n_neighbors=params["n_neighbors"],
        p=params["p"],
        weights=lambda distances: (distances + 1e-9) ** -power,
    )
    if params["reduce"] == "none":
        return model
    return make_pipeline(PCA(params["n_components"], random_state=0), model)


_MODELS = {
    "kernel": _Model(
        {
            "kernel": CategoricalDistribution(["poly", "laplacian", "rbf"]),
            "alpha": FloatDistribution(1e-6, 1e4, log=True),
            "gamma": FloatDistribution(1e-5, 1e3, log=True),
            "degree": IntDistribution(1, 9),
            "coef0": FloatDistribution(1e-3, 1e4, log=True),
        },
        _kernel,
        {"degree": ("kernel", ("poly",)), "coef0": ("kernel", ("poly",))},
    ),
    "neighbours": _Model(
        {
            "n_neighbors": IntDistribution(1, 120, log=True),
            "p": FloatDistribution(0.3, 12.0, log=True),
            "weight_power": FloatDistribution(0.0, 12.0),
            "reduce": CategoricalDistribution(["none", "pca"]),
            "n_components": IntDistribution(1, 7),
        },
        _neighbours,
        {"n_components": ("reduce", ("pca",))},
    ),
}
_DATASETS = ("friedman1", "friedman2", "friedman3")


class Interior(Task):
    """A model on a data set."""

    def __init__(self, name: str) -> None:
        self.name = name
        model, _, self._dataset = name.partition("/")[2].partition("-")
        if model not in _MODELS or self._dataset not in _DATASETS:
            raise UnknownTaskError(
                f"the form is interior/kernel-friedman2; models: {', '.join(_MODELS)};"
                f" data sets: {', '.join(_DATASETS)}"
            )
        self._model = _MODELS[model]
        self.space = self._model.space
        self.conditions = self._model.conditions

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the error on rows that the model has not seen."""
        X, y = _data(self._dataset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ill-conditioned fits are part of it.
            model = self._model.build(params).fit(X[:_N_TRAIN], y[:_N_TRAIN])
            error = float(np.sqrt(np.mean((model.predict(X[_N_TRAIN:]) - y[_N_TRAIN:]) ** 2)))
        return min(error, _WORST) if np.isfinite(error) else _WORST

    def find_reference(self) -> Reference:
        """Find the best known loss by 1,000 random configurations and local moves."""
        return search_reference(self, n_random=1000, n_rounds=40, n_parents=5, n_children=8)


def load(name: str) -> Interior:
    """Load one task by its name, such as ``interior/kernel-friedman2``."""
    return Interior(name)


@functools.cache
def _data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised features, some of them useless, and a noisy target."""
    from sklearn import datasets

    n = _N_TRAIN + _N_TEST
    X, y = getattr(datasets, f"make_{name}")(n, noise=0.0, random_state=0)
    rng = np.random.default_rng(0)
    X = np.hstack([X, rng.random((n, _N_USELESS))])
    y = (y - y.mean()) / y.std() + _NOISE * rng.standard_normal(n)
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
