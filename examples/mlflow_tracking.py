"""Write every trial to MLflow, in one file without a server: parameters, value, who proposed it.

pip install mlflow scikit-learn optuna-integration
python examples/mlflow_tracking.py
mlflow ui --backend-store-uri sqlite:///mlflow.db
"""

from __future__ import annotations

import mlflow
import optuna
from optuna_integration import MLflowCallback
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

from optuna_llm import LLMSampler


# A folder of files (./mlruns) works with MLFLOW_ALLOW_FILE_STORE=true; MLflow gives it up.
STORE = "sqlite:///mlflow.db"
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


if __name__ == "__main__":
    study = optuna.create_study(
        study_name="wine", direction="maximize", sampler=LLMSampler(seed=0)
    )
    # Attributes of trials become tags of runs: llm:source and llm:rationale among them.
    track = MLflowCallback(tracking_uri=STORE, metric_name="accuracy")
    study.optimize(objective, n_trials=10, callbacks=[track])
    runs = mlflow.search_runs(experiment_names=["wine"], output_format="list")
    sources = {run.data.tags["llm:source"] for run in runs}
    print(f"{len(runs)} runs in {STORE}, proposed by: {', '.join(sorted(sources))}")
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
