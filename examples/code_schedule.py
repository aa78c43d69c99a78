"""Tune the learning-rate schedule of a PyTorch network as code, against its numbers alone.

pip install scikit-learn torch; python examples/code_schedule.py [SEED]
"""

import sys

import optuna
from sklearn.datasets import load_digits
from sklearn.utils import shuffle
import torch
from torch import nn

from optuna_llm import LLMSampler
from optuna_llm import code_parameter
from optuna_llm import suggest_code


x, y = map(torch.tensor, shuffle(*load_digits(return_X_y=True), random_state=0))
x = x.float() / 16


@code_parameter(examples=[(0.0,), (0.1,), (0.5,), (0.99,)], trust="limits")
def schedule(done: float) -> float:
    """Return the learning rate of SGD when a share of the steps is done, from 0 to below 1."""
    return 0.1


BY_HAND = """
def schedule(done):
    return number(0.3, 0.01, 3.0, log=True) * min(1, done / 0.1) * (1 - done)
-----
def schedule(done):
    return number(0.3, 0.01, 3.0, log=True) * (1 + math.cos(math.pi * done)) / 2
"""


def objective(trial: optuna.Trial) -> float:
    """Return the log-loss on 597 images of digits after 120 steps on 1,200 others."""
    rate, momentum = suggest_code(trial, schedule), trial.suggest_float("momentum", 0, 0.99)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(network.parameters(), momentum=momentum)
    for step, batch in enumerate(torch.randint(1200, (120, 32))):
        optimizer.param_groups[0]["lr"] = rate(step / 120)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimizer.step()
    loss: float = nn.functional.cross_entropy(network(x[1200:]), y[1200:]).nan_to_num(100).item()
    return loss


if __name__ == "__main__":
    for versions in ((), BY_HAND.split("-----")):  # A model would write others, too.
        study = optuna.create_study(sampler=LLMSampler(seed=int(*sys.argv[1:])))
        for source in (schedule.text, *versions):
            study.enqueue_trial({"schedule": source})
        study.optimize(objective, n_trials=20)
        print(f"{len(versions)} by hand: {len(study.trials)} trials, best {study.best_value:.4f}")
    print(suggest_code(study.best_trial, schedule).source)
