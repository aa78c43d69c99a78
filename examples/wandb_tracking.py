"""Log a search to Weights & Biases: parameters and value by Optuna's callback, and who proposed.

pip install wandb scikit-learn optuna-integration
WANDB_MODE=offline python examples/wandb_tracking.py
wandb sync wandb/offline-run-*
"""

from __future__ import annotations

import optuna
from optuna_integration import WeightsAndBiasesCallback
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
import wandb

from optuna_llm import LLMSampler


X, y = load_wine(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    """Return the accuracy of a cross-validation."""
    forest = RandomForestClassifier(
        n_estimators=30,
        max_depth=trial.suggest_int("max_depth", 1, 16),
        max_features=trial.suggest_float("max_features", 0.1, 1.0),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 50, log=True),
        random_state=0,
    )
    return cross_val_score(forest, X, y, cv=3).mean()


def log_source(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """Log who proposed a trial and why, which Optuna's callback leaves out."""
    attributes = {k: v for k, v in trial.user_attrs.items() if isinstance(v, (str, int, float))}
    wandb.log(attributes, step=trial.number)


if __name__ == "__main__":
    track = WeightsAndBiasesCallback("accuracy", wandb_kwargs={"project": "wine"})
    study = optuna.create_study(direction="maximize", sampler=LLMSampler(seed=0))
    study.optimize(objective, n_trials=10, callbacks=[track, log_source])
    wandb.run.summary.update({"best": study.best_value, **study.best_params})
    wandb.finish()
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
