"""Tune a PyTorch network with LLMSampler, Hyperband and SQLite, on the GPU when there is one.

pip install ".[scikit-learn,torch]"
python examples/torch_hyperband.py --model gpt-5-mini --trials 40 --storage sqlite:///digits.db

Start it again to go on, or in several terminals at once: the storage is all that workers share.
Without --model the name is taken from OPTUNA_LLM_MODEL or a provider's key; without these the
embedded prior proposes. `--compare-devices` times one training on the CPU and on the GPU instead.
"""

from __future__ import annotations

import argparse
import time

import optuna
from sklearn.datasets import load_digits
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from optuna_llm import LLMSampler
from optuna_llm import Task


N_EPOCHS = 27
TASK = Task(
    text="A convolutional network on scikit-learn's digits: 1437 images of 8x8 grey pixels in ten"
    f" classes for training, 360 for validation; {N_EPOCHS} epochs; Hyperband stops bad trials.",
    metric="share of errors on the validation images",
    model="convolutional network in PyTorch",
)


def load(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return standardised images of shape (n, 1, 8, 8) and labels of shape (n,), shuffled."""
    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(pixels, dtype=torch.float32)[order].reshape(-1, 1, 8, 8)
    return ((x - x.mean()) / x.std()).to(device), torch.tensor(labels)[order].to(device)


def network(channels: int, hidden_units: int, dropout: float) -> nn.Module:
    """Return two convolutions that halve the image each, a hidden layer, and ten classes."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * channels, hidden_units),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden_units, 10),
    )


def objective(trial: optuna.trial.BaseTrial, device: str) -> float:
    """Train a network and return its share of errors; report it after each epoch."""
    model = network(
        channels=trial.suggest_int("channels", 4, 64, log=True),
        hidden_units=trial.suggest_int("hidden_units", 16, 256, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.6),
    ).to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=trial.suggest_float("learning_rate", 1e-5, 0.3, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-6, 0.3, log=True),
    )
    batch_size = trial.suggest_int("batch_size", 16, 256, log=True)
    x, y = load(device)
    train, validation = slice(360, None), slice(0, 360)
    for epoch in range(1, N_EPOCHS + 1):
        model.train()
        for batch in torch.randperm(len(y[train]), device=device).split(batch_size):
            optimizer.zero_grad()
            cross_entropy(model(x[train][batch]), y[train][batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            wrong = model(x[validation]).argmax(1) != y[validation]
        error = wrong.float().mean().item()
        trial.report(error, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return error


def compare_devices() -> None:
    """Print the seconds of one training on the CPU and, if there is one, on the GPU."""
    params = {"channels": 32, "hidden_units": 128, "dropout": 0.2}
    params |= {"learning_rate": 1e-3, "weight_decay": 1e-4, "batch_size": 64}
    devices = {"cpu": "CPU"}
    if torch.cuda.is_available():
        devices["cuda"] = torch.cuda.get_device_name()
    for device, name in devices.items():
        objective(optuna.trial.FixedTrial(params), device)  # The first one warms up.
        start = time.perf_counter()
        objective(optuna.trial.FixedTrial(params), device)
        print(f"{name}: {time.perf_counter() - start:.2f} s for {N_EPOCHS} epochs")


def main() -> None:
    """Run or go on with the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="such as gpt-5-mini or ollama/qwen3")
    parser.add_argument("--base-url", help="the address of an OpenAI-compatible server")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--storage", default="sqlite:///digits.db")
    parser.add_argument("--compare-devices", action="store_true")
    args = parser.parse_args()
    if args.compare_devices:
        compare_devices()
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    study = optuna.create_study(
        study_name="digits",
        storage=args.storage,
        load_if_exists=True,
        sampler=LLMSampler(args.model, base_url=args.base_url, task=TASK),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=N_EPOCHS),
    )
    study.optimize(lambda trial: objective(trial, device), n_trials=args.trials)
    pruned = sum(t.state == optuna.trial.TrialState.PRUNED for t in study.trials)
    print(f"{len(study.trials)} trials, {pruned} of them stopped early, on {device}")
    print(f"best: {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
