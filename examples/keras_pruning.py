"""Tune a Keras 3 network, on any of its backends; weak trials are stopped by Optuna's callback.

pip install keras torch scikit-learn optuna-integration
KERAS_BACKEND=torch python examples/keras_pruning.py
"""

from __future__ import annotations

import os


os.environ.setdefault("KERAS_BACKEND", "torch")  # or "jax", "tensorflow"

import keras
import optuna
from optuna_integration import KerasPruningCallback
from sklearn.datasets import load_digits

from optuna_llm import LLMSampler


EPOCHS = 5
pixels, labels = load_digits(return_X_y=True)
pixels = pixels / 16


def objective(trial: optuna.Trial) -> float:
    """Return the validation loss after the last epoch."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,))])
    units = trial.suggest_int("hidden_units", 8, 256, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.6)
    for _ in range(trial.suggest_int("n_layers", 1, 2)):
        model.add(keras.layers.Dense(units, "relu"))
        model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(10, "softmax"))
    rate = trial.suggest_float("learning_rate", 1e-5, 0.3, log=True)
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
    history = model.fit(
        pixels,
        labels,
        batch_size=trial.suggest_categorical("batch_size", [32, 64, 128]),
        epochs=EPOCHS,
        validation_split=0.2,
        callbacks=[KerasPruningCallback(trial, "val_loss")],
        verbose=0,
    )
    return history.history["val_loss"][-1]


if __name__ == "__main__":
    study = optuna.create_study(
        sampler=LLMSampler(seed=0), pruner=optuna.pruners.MedianPruner(n_startup_trials=3)
    )
    study.optimize(objective, n_trials=10)
    print(f"{len(study.trials)} trials, best {study.best_value:.4f} with {study.best_params}")
