"""Tune a scikit-learn pipeline: which scaler, which classifier, and the parameters of that one.

pip install scikit-learn
python examples/sklearn_pipeline.py
"""

from __future__ import annotations

import optuna
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from optuna_llm import LLMSampler
from optuna_llm import Task


X, y = load_wine(return_X_y=True)
SCALERS = {"standard": StandardScaler(), "minmax": MinMaxScaler(), "none": "passthrough"}


def objective(trial: optuna.Trial) -> float:
    """Return the accuracy of a cross-validation; each classifier asks for its own parameters."""
    scaler = trial.suggest_categorical("scaler", list(SCALERS))
    if trial.suggest_categorical("classifier", ["svm", "logistic_regression"]) == "svm":
        classifier = SVC(
            C=trial.suggest_float("svm_C", 1e-3, 1e3, log=True),
            gamma=trial.suggest_float("svm_gamma", 1e-5, 10.0, log=True),
        )
    else:
        classifier = LogisticRegression(
            C=trial.suggest_float("logistic_regression_C", 1e-4, 1e4, log=True), max_iter=2000
        )
    pipeline = Pipeline([("scaler", SCALERS[scaler]), ("classifier", classifier)])
    return cross_val_score(pipeline, X, y, cv=5, error_score="raise").mean()


if __name__ == "__main__":
    task = Task(text="178 wines, 13 numeric features, 3 classes", metric="accuracy of 5 folds")
    study = optuna.create_study(
        direction="maximize",
        sampler=LLMSampler(task=task, seed=0),  # with a model: LLMSampler("gpt-5-mini", ...)
    )
    study.optimize(objective, n_trials=25)
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
