"""Tune a program that Hydra configures with Hydra's own Optuna sweeper, and our sampler in it.

pip install hydra-core scikit-learn
pip install --no-deps hydra-optuna-sweeper  # its metadata demand optuna<3; its code runs with 5
python examples/hydra_sweeper.py --multirun hydra.sweeper.n_trials=15

Both nodes below may be files: conf/config.yaml and conf/hydra/sweeper/sampler/llm.yaml.
"""

from __future__ import annotations

import hydra
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate
from omegaconf import DictConfig
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score


STORE = ConfigStore.instance()
# Arguments of the sampler: with a model, also "model": "gpt-5-mini".
SAMPLER = {"_target_": "optuna_llm.LLMSampler", "seed": 0}
STORE.store(group="hydra/sweeper/sampler", name="llm", node=SAMPLER)
SPACE = {
    "model.learning_rate": "tag(log, interval(0.001, 1.0))",
    "model.max_depth": "range(1, 9)",
}
CONFIG = {
    "defaults": [
        "_self_",
        {"override hydra/sweeper": "optuna"},
        {"override hydra/sweeper/sampler": "llm"},
    ],
    "hydra": {"sweeper": {"direction": "minimize", "params": SPACE}},
    "model": {
        "_target_": "sklearn.ensemble.GradientBoostingClassifier",
        "n_estimators": 20,
        "learning_rate": 0.1,
        "max_depth": 3,
        "random_state": 0,
    },
}
STORE.store(name="config", node=CONFIG)


@hydra.main(version_base=None, config_name="config")
def main(config: DictConfig) -> float:
    """Return the log-loss of a cross-validation."""
    X, y = load_wine(return_X_y=True)
    model = instantiate(config.model)
    return -cross_val_score(model, X, y, cv=3, scoring="neg_log_loss").mean()


if __name__ == "__main__":
    main()
