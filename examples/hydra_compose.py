"""Tune a program that Hydra configures: a study proposes overrides, Hydra composes each config.

pip install hydra-core scikit-learn
python examples/hydra_compose.py

Unlike Hydra's Optuna sweeper, it leaves pruners, callbacks and conditional parameters to you.
"""

from __future__ import annotations

from dataclasses import dataclass

from hydra import compose
from hydra import initialize
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate
import optuna
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score

from optuna_llm import LLMSampler


@dataclass
class Model:
    """Hydra builds what `_target_` names; the other fields are its arguments, checked by type."""

    _target_: str = "sklearn.ensemble.GradientBoostingClassifier"
    n_estimators: int = 20
    learning_rate: float = 0.1
    max_depth: int = 3
    random_state: int = 0


ConfigStore.instance().store(name="config", node={"model": Model, "folds": 3})
X, y = load_wine(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    """Return the log-loss for a config with the trial's overrides."""
    proposed = {
        "model.learning_rate": trial.suggest_float("learning_rate", 1e-3, 1.0, log=True),
        "model.max_depth": trial.suggest_int("max_depth", 1, 8),
    }
    config = compose("config", overrides=[f"{key}={value}" for key, value in proposed.items()])
    model = instantiate(config.model)
    return -cross_val_score(model, X, y, cv=config.folds, scoring="neg_log_loss").mean()


if __name__ == "__main__":
    study = optuna.create_study(sampler=LLMSampler(seed=0))
    with initialize(version_base=None, config_path=None):  # or the folder of the YAML files
        study.optimize(objective, n_trials=10)
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
