"""Well-known models, really trained on real tables, with ranges as users write them.

A task ``knowledge/svm-chile`` is a model on a table of :mod:`benchmarks.suites.real_tables`. They
measure what is known beforehand: usual values, relations, portfolios. The loss is that of
:mod:`benchmarks.suites.scikit`, the mean of three folds of at most 400 rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.suites import real_tables
from benchmarks.suites.scikit import Model
from benchmarks.suites.scikit import Training
from benchmarks.suites.scikit import build_elastic
from benchmarks.suites.scikit import build_forest
from benchmarks.suites.scikit import build_neighbours
from benchmarks.suites.scikit import build_svm
from benchmarks.suites.scikit import build_xgboost
from benchmarks.task import search_reference


_N_ROWS = 400


def _lightgbm(params: Mapping[str, Any], classes: bool) -> Any:
    import lightgbm

    kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
    fixed = {"subsample_freq": 1, "n_jobs": 1, "random_state": 0, "verbosity": -1}
    return kind(**params, **fixed)


def _logistic(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(**params, solver="saga", max_iter=100, random_state=0)
    return make_pipeline(StandardScaler(), model)


def _network(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from benchmarks.suites.network import NetworkClassifier
    from benchmarks.suites.network import NetworkRegressor

    kind = NetworkClassifier if classes else NetworkRegressor
    return make_pipeline(StandardScaler(), kind(**params))


MODELS = {
    "xgboost": Model(
        {
            "n_estimators": IntDistribution(20, 300),
            "learning_rate": FloatDistribution(1e-3, 0.5, log=True),
            "max_depth": IntDistribution(1, 12),
            "min_child_weight": FloatDistribution(0.1, 30.0, log=True),
            "gamma": FloatDistribution(1e-4, 10.0, log=True),
            "subsample": FloatDistribution(0.3, 1.0),
            "colsample_bytree": FloatDistribution(0.3, 1.0),
            "reg_lambda": FloatDistribution(1e-3, 100.0, log=True),
            "reg_alpha": FloatDistribution(1e-4, 10.0, log=True),
        },
        build_xgboost,
    ),
    "lightgbm": Model(
        {
            "n_estimators": IntDistribution(20, 300),
            "learning_rate": FloatDistribution(1e-3, 0.5, log=True),
            "num_leaves": IntDistribution(2, 128, log=True),
            "min_child_samples": IntDistribution(1, 100, log=True),
            "subsample": FloatDistribution(0.3, 1.0),
            "colsample_bytree": FloatDistribution(0.3, 1.0),
            "reg_lambda": FloatDistribution(1e-6, 100.0, log=True),
            "reg_alpha": FloatDistribution(1e-6, 10.0, log=True),
        },
        _lightgbm,
    ),
    "forest": Model(
        {
            "n_estimators": IntDistribution(10, 100, log=True),
            "max_depth": IntDistribution(2, 32, log=True),
            "max_features": FloatDistribution(0.05, 1.0),
            "min_samples_leaf": IntDistribution(1, 40, log=True),
            "min_samples_split": IntDistribution(2, 40, log=True),
        },
        build_forest,
    ),
    "svm": Model(
        {
            "kernel": CategoricalDistribution(["linear", "rbf", "poly"]),
            "C": FloatDistribution(1e-3, 1e3, log=True),
            "gamma": FloatDistribution(1e-5, 10.0, log=True),
            "degree": IntDistribution(2, 5),
        },
        build_svm,
        {"gamma": ("kernel", ("rbf", "poly")), "degree": ("kernel", ("poly",))},
    ),
    "elastic": Model(
        {
            "alpha": FloatDistribution(1e-5, 10.0, log=True),
            "l1_ratio": FloatDistribution(0.0, 1.0),
        },
        build_elastic,
    ),
    "logistic": Model(
        {
            "C": FloatDistribution(1e-4, 1e4, log=True),
            "l1_ratio": FloatDistribution(0.0, 1.0),
            "class_weight": CategoricalDistribution([None, "balanced"]),
        },
        _logistic,
    ),
    "knn": Model(
        {
            "n_neighbors": IntDistribution(1, 100, log=True),
            "weights": CategoricalDistribution(["uniform", "distance"]),
            "p": FloatDistribution(1.0, 4.0),
        },
        build_neighbours,
    ),
    "network": Model(
        {
            "optimizer": CategoricalDistribution(["adamw", "sgd"]),
            "lr": FloatDistribution(1e-5, 0.3, log=True),
            "batch_size": IntDistribution(16, 256, log=True),
            "weight_decay": FloatDistribution(1e-6, 0.1, log=True),
            "n_layers": IntDistribution(1, 4),
            "n_units": IntDistribution(16, 256, log=True),
            "dropout": FloatDistribution(0.0, 0.6),
        },
        _network,
    ),
}


class OnTable(Training):
    """A model on a table."""

    def __init__(self, name: str) -> None:
        self.name = name
        model, _, self._table = name.partition("/")[2].partition("-")
        if model not in MODELS or self._table not in real_tables.TABLES:
            raise UnknownTaskError(
                f"the form is knowledge/svm-chile; models: {', '.join(MODELS)};"
                f" tables: {', '.join(real_tables.TABLES)}"
            )
        self._model = MODELS[model]
        self.space = self._model.space
        self.conditions = self._model.conditions

    @property
    def data(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Features (n, d), target (n,), and whether the target is a class."""
        return real_tables.load(self._table, _N_ROWS)

    def find_reference(self) -> Reference:
        """Find the best known loss by 100 random configurations and 60 local moves."""
        return search_reference(self, n_random=100, n_rounds=6, n_parents=5, n_children=2)


def load(name: str) -> OnTable:
    """Load one task by its name, such as ``knowledge/svm-chile``."""
    return OnTable(name)
