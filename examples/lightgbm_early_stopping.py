"""Tune LightGBM with early stopping of each booster and pruning of weak trials.

pip install lightgbm scikit-learn optuna-integration
python examples/lightgbm_early_stopping.py
"""

from __future__ import annotations

import lightgbm
import optuna
from optuna_integration import LightGBMPruningCallback
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from optuna_llm import LLMSampler


ROUNDS = 200
X, y = load_breast_cancer(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.3, random_state=0)


def objective(trial: optuna.Trial) -> float:
    """Return the log-loss on the validation rows; LightGBM's own names are known to the prior."""
    params = {
        "objective": "binary",
        "metric": "binary_logloss",
        "verbosity": -1,
        "num_threads": 1,
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 0.5, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 2, 128, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 1, 100),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-4, 100.0, log=True),
    }
    train = lightgbm.Dataset(X_train, y_train)
    booster = lightgbm.train(
        params,
        train,
        num_boost_round=ROUNDS,
        valid_sets=[train.create_valid(X_valid, y_valid)],
        valid_names=["valid"],
        callbacks=[
            lightgbm.early_stopping(20, verbose=False),
            LightGBMPruningCallback(trial, "binary_logloss", valid_name="valid"),
        ],
    )
    trial.set_user_attr("rounds", booster.best_iteration)
    return booster.best_score["valid"]["binary_logloss"]


if __name__ == "__main__":
    study = optuna.create_study(
        sampler=LLMSampler(seed=0),  # with a model: LLMSampler("gpt-5-mini")
        pruner=optuna.pruners.MedianPruner(n_warmup_steps=20),
    )
    study.optimize(objective, n_trials=20)
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
