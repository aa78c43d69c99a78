"""Tasks for rules that stop: what a trial is told, with its folds, and what it is worth on a test.

A model of the suite ``scikit`` is cross-validated on one half of its data; the other half is the
test. A table is its own test: with noise, the loss without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
import warnings

import numpy as np

from benchmarks.suites.scikit import Training
from benchmarks.tasks import load
from benchmarks.variants import Variant


DEVELOPMENT = (
    "sklearn/tree-digits",
    "sklearn/tree-diabetes",
    "sklearn/svm-diabetes",
    "sklearn/sgd-diabetes",
    "sklearn/forest-diabetes",
    "xgboost/diabetes",
    "hpobench/credit_g",
    "hpobench-noisy/car",
    "hpolib/naval_propulsion",
    "nasbench201/cifar10",
)
REPORT = (
    "sklearn/tree-breast_cancer",
    "sklearn/tree-friedman1",
    "sklearn/svm-breast_cancer",
    "sklearn/svm-friedman1",
    "sklearn/sgd-breast_cancer",
    "sklearn/sgd-friedman1",
    "xgboost/breast_cancer",
    "xgboost/friedman1",
    "hpobench/vehicle",
    "hpobench-noisy/segment",
    "hpolib/protein_structure",
    "nasbench201/cifar100",
)
_N_FOLDS = 5


@dataclass(frozen=True)
class Result:
    """What came of a trial.

    Attributes:
        value: What the sampler is told; lower is better.
        folds: The value of each fold, none where there are no folds.
        test: What the configuration is worth, on the same scale.
    """

    value: float
    folds: tuple[float, ...]
    test: float


def evaluate(name: str, params: Mapping[str, Any], rng: np.random.Generator) -> Result:
    """Evaluate a configuration of a task."""
    task = load(name)
    if isinstance(task, Training):
        return _trained(task, params)
    variant = task if isinstance(task, Variant) else Variant(task)
    test = variant.loss(params)
    noise = variant.noise * (variant.median - variant.best) * rng.standard_normal()
    return Result(test + float(noise), (), test)


def _trained(task: Training, params: Mapping[str, Any]) -> Result:
    from sklearn.model_selection import cross_val_score
    from sklearn.model_selection import train_test_split

    features, target, classes = task.data
    model = task.model(params)
    scoring = task.scoring(model)
    known, unseen, known_target, unseen_target = train_test_split(
        features, target, test_size=0.5, random_state=0, stratify=target if classes else None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Configurations that do not converge are part of it.
        scores = cross_val_score(
            model, known, known_target, scoring=scoring, cv=_N_FOLDS, error_score="raise"
        )
        model.fit(known, known_target)
        from sklearn.metrics import get_scorer

        test = get_scorer(scoring)(model, unseen, unseen_target)
    offset = float(scoring == "accuracy")
    folds = tuple(float(offset - s) for s in scores)
    return Result(float(np.mean(folds)), folds, float(offset - test))
