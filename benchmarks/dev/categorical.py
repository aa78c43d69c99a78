"""Values or order: which surrogate suits spaces without any number?

python -m benchmarks.dev.categorical --seeds 4

Development tasks whose hyperparameters are all choices: NAS-Bench-201 as it is, and tables whose
numbers are offered as choices without an order. Mean regret after 10, 25 and 50 trials, and how
often each surrogate is ahead of the default after 50.
"""

from __future__ import annotations

import argparse
import time
from typing import Any
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from tqdm import tqdm

from benchmarks.suites.tables import Table
from benchmarks.tasks import load
from optuna_llm import CQRSampler


TASKS = (
    "nasbench201/cifar10",
    "hpobench/australian",
    "hpobench/blood_transfusion",
    "hpobench/car",
    "hpobench/credit_g",
)
SURROGATES: dict[str, dict[str, Any]] = {
    "ensemble": {},
    "classifier": {"surrogate": "classifier"},
    "classifier, pi": {"surrogate": "classifier", "acquisition": "pi"},
}
_AT = (10, 25, 50)


def measure(name: str, options: dict[str, Any], seed: int) -> tuple[np.ndarray, float]:
    """Return the regret of the best after each of ``_AT``, and the CPU seconds of the study."""
    task = load(name)
    assert isinstance(task, Table)
    space = {n: CategoricalDistribution(list(values)) for n, values in task.grid.items()}

    def objective(trial: optuna.Trial) -> float:
        params = {n: trial.suggest_categorical(n, d.choices) for n, d in space.items()}
        return task.regret(task.loss(params))

    study = optuna.create_study(sampler=CQRSampler(seed=seed, **options))
    start = time.process_time()
    study.optimize(objective, n_trials=_AT[-1])
    best = np.minimum.accumulate(np.array([t.value for t in study.trials], dtype=float))
    return best[np.array(_AT) - 1], time.process_time() - start


def main() -> None:
    """Print a row for each task and surrogate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    seeds = range(parser.parse_args().seeds)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    for name in tqdm(TASKS, unit="task"):
        found = {s: [measure(name, o, seed) for seed in seeds] for s, o in SURROGATES.items()}
        default = np.array([best[-1] for best, _ in found["ensemble"]])
        for surrogate, rows in found.items():
            means = "/".join(f"{m:.3f}" for m in np.mean([best for best, _ in rows], axis=0))
            last = np.array([best[-1] for best, _ in rows])
            ahead, behind = int(np.sum(last < default)), int(np.sum(last > default))
            seconds = np.mean([s for _, s in rows])
            print(f"{name:28}{surrogate:16}{means}  {ahead}-{behind}  {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
