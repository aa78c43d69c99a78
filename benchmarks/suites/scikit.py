"""Models of XGBoost and scikit-learn, really trained, on scikit-learn's own data sets.

A task ``sklearn/svm-digits`` is a model on a data set. The loss is the mean of three folds:
log-loss for classes (the share of errors for models without probabilities), the root mean
squared error in units of the target's standard deviation for numbers.
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


_N_FOLDS = 3
_DATASETS = ("breast_cancer", "diabetes", "digits", "friedman1", "iris", "wine")


@dataclass(frozen=True)
class Model:
    """A model: its search space, and how it is built from a configuration for a kind of target."""

    space: dict[str, BaseDistribution]
    build: Callable[[Mapping[str, Any], bool], Any]
    conditions: dict[str, Condition] = field(default_factory=dict)


def build_xgboost(params: Mapping[str, Any], classes: bool) -> Any:
    import xgboost

    kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
    return kind(**params, n_jobs=1, random_state=0)


def build_svm(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.svm import SVR

    kind = SVC if classes else SVR
    return make_pipeline(StandardScaler(), kind(**params, max_iter=20_000))


def build_sgd(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.linear_model import SGDClassifier
    from sklearn.linear_model import SGDRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kind = SGDClassifier if classes else SGDRegressor
    loss = {"loss": "log_loss"} if classes else {}
    return make_pipeline(StandardScaler(), kind(**loss, **params, max_iter=50, random_state=0))


def build_mlp(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kind = MLPClassifier if classes else MLPRegressor
    own = {**params, "hidden_layer_sizes": (params["hidden_units"],) * params["num_layers"]}
    del own["hidden_units"], own["num_layers"]
    return make_pipeline(StandardScaler(), kind(**own, max_iter=15, random_state=0))


def build_elastic(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.linear_model import ElasticNet
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if classes:
        model = SGDClassifier(loss="log_loss", penalty="elasticnet", **params, random_state=0)
    else:
        model = ElasticNet(**params)
    return make_pipeline(StandardScaler(), model)


def build_neighbours(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kind = KNeighborsClassifier if classes else KNeighborsRegressor
    return make_pipeline(StandardScaler(), kind(**params, n_jobs=1))


def build_forest(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.ensemble import RandomForestRegressor

    kind = RandomForestClassifier if classes else RandomForestRegressor
    return kind(**params, n_jobs=1, random_state=0)


def build_tree(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree import DecisionTreeRegressor

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    return kind(**params, random_state=0)


def build_boosting(params: Mapping[str, Any], classes: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.ensemble import HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(**params, random_state=0)


_MODELS = {
    "xgboost": Model(
        {
            "learning_rate": FloatDistribution(1e-3, 1.0, log=True),
            "n_estimators": IntDistribution(10, 200, log=True),
            "max_depth": IntDistribution(1, 12),
            "min_child_weight": FloatDistribution(0.1, 30.0, log=True),
            "subsample": FloatDistribution(0.2, 1.0),
            "colsample_bytree": FloatDistribution(0.2, 1.0),
            "reg_lambda": FloatDistribution(1e-3, 100.0, log=True),
            "reg_alpha": FloatDistribution(1e-3, 10.0, log=True),
        },
        build_xgboost,
    ),
    "svm": Model(
        {
            "kernel": CategoricalDistribution(["rbf", "poly", "linear"]),
            "C": FloatDistribution(1e-3, 1e3, log=True),
            "gamma": FloatDistribution(1e-5, 10.0, log=True),
            "degree": IntDistribution(2, 5),
        },
        build_svm,
        {"gamma": ("kernel", ("rbf", "poly")), "degree": ("kernel", ("poly",))},
    ),
    "sgd": Model(
        {
            "penalty": CategoricalDistribution(["l2", "l1", "elasticnet"]),
            "alpha": FloatDistribution(1e-7, 1.0, log=True),
            "learning_rate": CategoricalDistribution(["optimal", "invscaling", "constant"]),
            "l1_ratio": FloatDistribution(0.0, 1.0),
            "eta0": FloatDistribution(1e-5, 1.0, log=True),
        },
        build_sgd,
        {
            "l1_ratio": ("penalty", ("elasticnet",)),
            "eta0": ("learning_rate", ("invscaling", "constant")),
        },
    ),
    "mlp": Model(
        {
            "learning_rate_init": FloatDistribution(1e-4, 0.1, log=True),
            "batch_size": IntDistribution(8, 256, log=True),
            "hidden_units": IntDistribution(8, 128, log=True),
            "num_layers": IntDistribution(1, 3),
            "alpha": FloatDistribution(1e-7, 1.0, log=True),
            "activation": CategoricalDistribution(["relu", "tanh", "logistic"]),
        },
        build_mlp,
    ),
    "elastic": Model(
        {
            "alpha": FloatDistribution(1e-3, 100.0, log=True),
            "l1_ratio": FloatDistribution(0.0, 1.0),
        },
        build_elastic,
    ),
    "knn": Model(
        {
            "n_neighbors": IntDistribution(1, 25, log=True),
            "weights": CategoricalDistribution(["uniform", "distance"]),
            "p": FloatDistribution(1.0, 4.0),
        },
        build_neighbours,
    ),
    "forest": Model(
        {
            "n_estimators": IntDistribution(10, 200, log=True),
            "max_depth": IntDistribution(1, 30, log=True),
            "max_features": FloatDistribution(0.05, 1.0),
            "min_samples_leaf": IntDistribution(1, 50, log=True),
            "min_samples_split": IntDistribution(2, 50, log=True),
        },
        build_forest,
    ),
    "tree": Model(
        {
            "max_depth": IntDistribution(1, 30, log=True),
            "max_leaf_nodes": IntDistribution(2, 500, log=True),
            "min_samples_leaf": IntDistribution(1, 50, log=True),
            "min_samples_split": IntDistribution(2, 50, log=True),
            "max_features": FloatDistribution(0.05, 1.0),
            "ccp_alpha": FloatDistribution(1e-5, 0.1, log=True),
        },
        build_tree,
    ),
    "histgb": Model(
        {
            "learning_rate": FloatDistribution(1e-3, 1.0, log=True),
            "max_iter": IntDistribution(10, 200, log=True),
            "max_leaf_nodes": IntDistribution(2, 64, log=True),
            "min_samples_leaf": IntDistribution(1, 50, log=True),
            "l2_regularization": FloatDistribution(1e-6, 100.0, log=True),
        },
        build_boosting,
    ),
}


class Training(Task):
    """A model on a data set.

    Args:
        name: ``suite/task``.
        share: The share of the rows that there are so far, in an order that is the same always.
    """

    def __init__(self, name: str, share: float = 1.0) -> None:
        self.name = name
        suite, _, what = name.partition("/")
        model, _, dataset = (
            f"xgboost-{what}".partition("-") if suite == "xgboost" else (what.partition("-"))
        )
        models = ["xgboost"] if suite == "xgboost" else [m for m in _MODELS if m != "xgboost"]
        if model not in models or dataset not in _DATASETS:
            raise UnknownTaskError(
                "the form is xgboost/diabetes or sklearn/svm-digits; "
                f"models: {', '.join(models)}; data sets: {', '.join(_DATASETS)}"
            )
        self._model = _MODELS[model]
        self._dataset = dataset
        self._share = share
        self.space = self._model.space
        self.conditions = self._model.conditions

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the mean loss of three folds."""
        return self.fit(params)[0]

    def fit(self, params: Mapping[str, Any]) -> tuple[float, list[Any]]:
        """Return the mean loss of three folds, and the model of each."""
        from sklearn.model_selection import cross_validate

        features, target, classes = self.data
        model = self.model(params)
        scoring = self.scoring(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Configurations that do not converge are part of it.
            found = cross_validate(
                model,
                features,
                target,
                scoring=scoring,
                cv=_folds(classes),
                error_score="raise",
                return_estimator=True,
            )
        loss = float((scoring == "accuracy") - found["test_score"].mean())
        return loss, list(found["estimator"])

    def model(self, params: Mapping[str, Any]) -> Any:
        """Return the untrained model of a configuration."""
        return self._model.build(params, self.data[2])

    def scoring(self, model: Any) -> str:
        """Return how a model is scored, by scikit-learn's name of it; higher is better."""
        if not self.data[2]:
            return "neg_root_mean_squared_error"
        return "neg_log_loss" if hasattr(model, "predict_proba") else "accuracy"

    @property
    def data(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Features (n, d), target (n,), and whether the target is a class."""
        features, target, classes = _data(self._dataset)
        if self._share < 1:
            n = round(self._share * len(target))
            rows = np.random.default_rng(0).permutation(len(target))[:n]
            features, target = features[rows], target[rows]
        return features, target, classes

    @property
    def features(self) -> np.ndarray:
        """The data set's features, shape (n, d)."""
        return self.data[0]

    def find_reference(self) -> Reference:
        """Find the best known loss by 100 random configurations and 60 local moves."""
        return search_reference(self, n_random=100, n_rounds=15, n_parents=4, n_children=1)


def load(name: str) -> Training:
    """Load one task by its name, such as ``sklearn/svm-digits`` or ``xgboost/diabetes``."""
    return Training(name)


@functools.cache
def _data(name: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return features, target, and whether the target is a class."""
    from sklearn import datasets

    if name == "friedman1":
        features, target = datasets.make_friedman1(500, noise=1.0, random_state=0)
    else:
        features, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    classes = name not in ("diabetes", "friedman1")
    return features, target if classes else (target - target.mean()) / target.std(), classes


def _folds(classes: bool) -> Any:
    from sklearn.model_selection import KFold
    from sklearn.model_selection import StratifiedKFold

    kind = StratifiedKFold if classes else KFold
    return kind(_N_FOLDS, shuffle=True, random_state=0)
