"""What the embedded prior is worth: ten trials without any model, against random search.

The report tasks by default; with the environment variable OPTUNA_LLM_DATA also YAHPO's:

python -m benchmarks.prior --tasks report --seeds 20
"""

from __future__ import annotations

import argparse
import os
import warnings

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from tqdm import tqdm

from benchmarks import tasks as tables
from benchmarks.dev import tasks
from optuna_llm import LLMSampler


_BUDGETS = (1, 5, 10)


def regrets(name: str, sampler: BaseSampler) -> np.ndarray:
    """Return the smallest normalised regret after 1, 5 and 10 trials."""
    objective = tasks.load(name)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=max(_BUDGETS))
    losses = np.array([t.value for t in study.trials], dtype=float)
    best = np.minimum.accumulate(losses)
    return np.array([objective.regret(best[n - 1]) for n in _BUDGETS])


def main() -> None:
    """Print mean regrets by suite, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", choices=("report", "development"), default="report")
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    everything = tasks if os.environ.get("OPTUNA_LLM_DATA") else tables
    names = everything.REPORT if arguments.tasks == "report" else everything.DEVELOPMENT
    prior: dict[str, list[np.ndarray]] = {n: [] for n in names}
    random: dict[str, list[np.ndarray]] = {n: [] for n in names}
    for name in tqdm(names, unit="task"):
        for seed in range(arguments.seeds):
            prior[name].append(regrets(name, LLMSampler(seed=seed)))
            random[name].append(regrets(name, RandomSampler(seed=seed)))
    print("| suite | tasks | embedded prior at 1 / 5 / 10 | random search | ratio at 5 / 10 |")
    print("|---|---|---|---|---|")
    suites = list(dict.fromkeys(n.split("/")[0] for n in names))
    for suite in [*suites, "all"]:
        own = [n for n in names if suite in ("all", n.split("/")[0])]
        a, b = (np.mean([r for n in own for r in found[n]], axis=0) for found in (prior, random))
        cells = [" / ".join(f"{v:.3f}" for v in means) for means in (a, b)]
        ratios = " / ".join(f"{x / y:.2f}" for x, y in zip(a[1:], b[1:], strict=True))
        print(f"| {suite} | {len(own)} | {cells[0]} | {cells[1]} | {ratios} |")


if __name__ == "__main__":
    main()
