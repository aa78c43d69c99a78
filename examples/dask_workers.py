"""Run trials on a Dask cluster, here two processes of this machine, which share one study.

pip install "dask[distributed]" scikit-learn optuna-integration
python examples/dask_workers.py
"""

from __future__ import annotations

from dask.distributed import Client
from dask.distributed import LocalCluster
from dask.distributed import wait
import optuna
from optuna_integration import DaskStorage
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from optuna_llm import LLMSampler


def objective(trial: optuna.Trial) -> float:
    """Return the accuracy of a cross-validation."""
    X, y = load_digits(return_X_y=True)
    model = SVC(
        C=trial.suggest_float("C", 1e-3, 1e3, log=True),
        gamma=trial.suggest_float("gamma", 1e-6, 1.0, log=True),
    )
    return cross_val_score(model, X[:400], y[:400], cv=3).mean()


def main() -> None:
    """Start the cluster, share the study, and wait."""
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        study = optuna.create_study(
            direction="maximize", storage=DaskStorage(), sampler=LLMSampler(seed=0)
        )
        # pure=False: the same call again is another trial, not the same result.
        trials = [client.submit(study.optimize, objective, 1, pure=False) for _ in range(12)]
        wait(trials)
        for trial in trials:
            trial.result()  # Raises what a worker has raised.
        print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
