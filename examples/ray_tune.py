"""Let Ray Tune run the trials, on this machine or a cluster, and our sampler propose them.

pip install "ray[tune]" scikit-learn
python examples/ray_tune.py
"""

from __future__ import annotations

from typing import Any

import ray
from ray import tune
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from optuna_llm import LLMSampler


def train(config: dict[str, Any]) -> None:
    """Report the accuracy of a cross-validation; runs in a process of Ray's."""
    X, y = load_digits(return_X_y=True)
    model = KNeighborsClassifier(config["n_neighbors"], weights=config["weights"], p=config["p"])
    tune.report({"accuracy": cross_val_score(model, X[:400], y[:400], cv=3).mean()})


SPACE = {
    "n_neighbors": tune.lograndint(1, 100),
    "weights": tune.choice(["uniform", "distance"]),
    "p": tune.uniform(1.0, 4.0),
}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False)
    search = OptunaSearch(sampler=LLMSampler(seed=0), metric="accuracy", mode="max")
    tuner = tune.Tuner(
        train,
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            # The sampler knows of trials that are under way, so two at a time cost it little.
            search_alg=ConcurrencyLimiter(search, max_concurrent=2),
            metric="accuracy",
            mode="max",
            num_samples=10,
        ),
        run_config=tune.RunConfig(verbose=0),
    )
    results = tuner.fit()
    best = results.get_best_result()
    print(f"{len(results)} trials, best {best.metrics['accuracy']:.4f} with {best.config}")
    ray.shutdown()
