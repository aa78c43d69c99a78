"""Tune a classifier; with a key or a local model named in OPTUNA_LLM_MODEL, a model takes part."""

from __future__ import annotations

import optuna
import optunahub
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score


features, labels = load_breast_cancer(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    model = HistGradientBoostingClassifier(
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 1.0, log=True),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 2, 64, log=True),
        l2_regularization=trial.suggest_float("l2_regularization", 1e-3, 100.0, log=True),
        max_iter=30,
    )
    scores = cross_val_score(model, features, labels, cv=3, scoring="neg_log_loss")
    return float(-scores.mean())


if __name__ == "__main__":
    module = optunahub.load_module("samplers/llm_sampler")
    task = module.Task(
        text="569 rows, 30 numeric features, 2 classes",
        model="scikit-learn HistGradientBoostingClassifier",
        metric="log-loss",
        n_trials=12,
    )
    study = optuna.create_study(sampler=module.LLMSampler(task=task, seed=0))
    study.optimize(objective, n_trials=12)
    for trial in study.trials:
        attributes = trial.user_attrs
        print(f"{trial.value:.4f}  {attributes['llm:source']:8}  {attributes['llm:rationale']}")
