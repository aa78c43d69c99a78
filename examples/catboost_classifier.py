"""Tune CatBoost, where a parameter exists only for one of the choices of another.

pip install catboost scikit-learn
python examples/catboost_classifier.py
"""

from __future__ import annotations

import catboost
import optuna
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from optuna_llm import LLMSampler


X, y = load_breast_cancer(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.3, random_state=0)


def objective(trial: optuna.Trial) -> float:
    """Return the log-loss on the validation rows."""
    params = {
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 0.5, log=True),
        "depth": trial.suggest_int("depth", 1, 8),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1e-2, 100.0, log=True),
        "bootstrap_type": trial.suggest_categorical("bootstrap_type", ["Bayesian", "Bernoulli"]),
    }
    if params["bootstrap_type"] == "Bayesian":
        params["bagging_temperature"] = trial.suggest_float("bagging_temperature", 0.0, 10.0)
    else:
        params["subsample"] = trial.suggest_float("subsample", 0.3, 1.0)
    model = catboost.CatBoostClassifier(
        **params,
        iterations=100,
        random_seed=0,
        thread_count=1,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(X_train, y_train, eval_set=(X_valid, y_valid), early_stopping_rounds=20)
    return model.get_best_score()["validation"]["Logloss"]


if __name__ == "__main__":
    # With a model: LLMSampler("gpt-5-mini").
    study = optuna.create_study(sampler=LLMSampler(seed=0))
    study.optimize(objective, n_trials=15)
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
