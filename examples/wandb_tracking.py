"""Log a search to Weights & Biases: parameters and value by Optuna's callback, and who proposed.

pip install wandb scikit-learn optuna-integration
WANDB_MODE=offline python examples/wandb_tracking.py
wandb sync wandb/offline-run-*
"""

from __future__ import annotations

import optuna
from optuna_integration import WeightsAndBiasesCallback
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_score
import wandb

from optuna_llm import LLMSampler


X, y = load_diabetes(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    """Return R2, the share of the variance that is explained, of a cross-validation."""
    rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
    leaves = trial.suggest_int("max_leaf_nodes", 2, 64, log=True)
    model = HistGradientBoostingRegressor(learning_rate=rate, max_leaf_nodes=leaves, max_iter=50)
    return cross_val_score(model, X, y, cv=3).mean()


def log_source(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """Log who proposed a trial and why, which Optuna's callback leaves out."""
    attributes = {k: v for k, v in trial.user_attrs.items() if isinstance(v, (str, int, float))}
    wandb.log(attributes, step=trial.number)


if __name__ == "__main__":
    track = WeightsAndBiasesCallback("R2", wandb_kwargs={"project": "diabetes"})
    study = optuna.create_study(direction="maximize", sampler=LLMSampler(seed=0))
    study.optimize(objective, n_trials=10, callbacks=[track, log_source])
    wandb.run.summary.update({"best": study.best_value, **study.best_params})
    wandb.finish()
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
