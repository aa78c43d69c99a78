"""Tune a PyTorch Lightning module; Hyperband stops weak trials by way of Optuna's callback.

pip install lightning scikit-learn optuna-integration
python examples/lightning_pruning.py
"""

import lightning
import optuna
from optuna_integration import PyTorchLightningPruningCallback
from sklearn.datasets import load_digits
import torch
from torch import nn
from torch.utils import data

from optuna_llm import LLMSampler


pixels, labels = load_digits(return_X_y=True)
digits = data.TensorDataset(torch.tensor(pixels / 16).float(), torch.tensor(labels))
train, valid = data.random_split(digits, [0.8, 0.2], torch.Generator().manual_seed(0))


class Classifier(lightning.LightningModule):
    """One hidden layer."""

    def __init__(self, width: int, learning_rate: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
        self.learning_rate = learning_rate

    def training_step(self, batch):
        return nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch):
        self.log("val_loss", self.training_step(batch))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)


def objective(trial: optuna.Trial) -> float:
    """Return the validation loss after the last epoch."""
    torch.manual_seed(0)
    rate = trial.suggest_float("learning_rate", 1e-5, 0.3, log=True)
    model = Classifier(trial.suggest_int("hidden_units", 8, 256, log=True), rate)
    pruning = PyTorchLightningPruningCallback(trial, monitor="val_loss")
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(max_epochs=9, callbacks=[pruning], devices=1, **silent)
    batch_size = trial.suggest_int("batch_size", 16, 256, log=True)
    loader = data.DataLoader(train, batch_size, shuffle=True)
    trainer.fit(model, loader, data.DataLoader(valid, len(valid)))
    return trainer.callback_metrics["val_loss"].item()


if __name__ == "__main__":
    pruner = optuna.pruners.HyperbandPruner(max_resource=9)
    study = optuna.create_study(sampler=LLMSampler(seed=0), pruner=pruner)
    study.optimize(objective, n_trials=12)
    n_pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    print(f"{len(study.trials)} trials, best {study.best_value:.4f}, {n_pruned} stopped early")
