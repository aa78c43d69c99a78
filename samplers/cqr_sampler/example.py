"""Minimise a noisy function of a number, an integer and a choice."""

from __future__ import annotations

import random

import optuna
import optunahub


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -10, 10)
    n = trial.suggest_int("n", 1, 20)
    shape = trial.suggest_categorical("shape", ["flat", "steep"])
    slope = 0.1 if shape == "flat" else 1.0
    return slope * (x - 2) ** 2 + 0.05 * (n - 7) ** 2 + random.gauss(0.0, 0.1)


if __name__ == "__main__":
    random.seed(0)
    module = optunahub.load_module("samplers/cqr_sampler")
    study = optuna.create_study(sampler=module.CQRSampler(seed=0))
    study.optimize(objective, n_trials=40)
    print(study.best_value, study.best_params)
