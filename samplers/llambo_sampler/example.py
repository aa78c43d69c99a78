"""Tune a support vector machine; OPTUNA_LLM_MODEL or a provider's key names the language model."""

from __future__ import annotations

import optuna
import optunahub
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC


features, labels = load_digits(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    model = SVC(
        C=trial.suggest_float("C", 1e-3, 1e3, log=True),
        gamma=trial.suggest_float("gamma", 1e-6, 1.0, log=True),
        kernel=trial.suggest_categorical("kernel", ["rbf", "poly", "sigmoid"]),
    )
    return float(cross_val_score(model, features[:600], labels[:600], cv=3).mean())


if __name__ == "__main__":
    module = optunahub.load_module("samplers/llambo_sampler")
    task = module.Task(
        text="600 images of digits, 8 x 8 pixels",
        model="scikit-learn SVC",
        metric="accuracy",
        n_trials=12,
    )
    sampler = module.LLAMBOSampler(task=task, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=12)
    print(study.best_value, study.best_params)
