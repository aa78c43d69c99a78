"""What is the configuration worth that is kept at last, where evaluations are noisy?

python -m benchmarks.dev.final_choice --seeds 4

Of studies whose sampler is told noisy losses: the true normalised regret of the best trial and of
what :func:`optuna_llm.best_configuration` names; what it expects against the truth, and how many
of the evaluations after it lie in its interval. ``--variant plain`` shows what the choice costs
where there is no noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import warnings

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from tqdm import tqdm

from benchmarks.tasks import load
from benchmarks.variants import Variant
from optuna_llm import CQRSampler
from optuna_llm import best_configuration


TASKS = (
    "hpobench/australian",
    "hpobench/credit_g",
    "hpolib/naval_propulsion",
    "hpolib/parkinsons_telemonitoring",
    "nasbench201/cifar10",
    "yahpo/lcbench/3945",
    "yahpo/lcbench/7593",
    "yahpo/rbv2_xgboost/12",
    "yahpo/rbv2_xgboost/1501",
    "bbob/f1-5d",
    "bbob/f8-5d",
)
SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "CQR": lambda seed, n: CQRSampler(seed=seed),
    "CQR, n_trials": lambda seed, n: CQRSampler(seed=seed, n_trials=n),
    "CQR, n_trials, noisy": lambda seed, n: CQRSampler(seed=seed, n_trials=n, noisy=True),
    "TPE": lambda seed, n: TPESampler(seed=seed),
    "Random": lambda seed, n: RandomSampler(seed=seed),
}
COLUMNS = ("best trial", "best_configuration", "expected - true", "interval holds", "repeats")
_N_CHECKS = 200


def measure(task: str, sampler: BaseSampler, seed: int, n_trials: int) -> list[float]:
    """Run one study and return the columns."""
    loaded = load(task)
    variant = loaded if isinstance(loaded, Variant) else Variant(loaded)
    span = variant.median - variant.best
    rng = np.random.default_rng([seed, 77])
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda trial: (
            variant.loss(variant.ask(trial)) + variant.noise * span * rng.standard_normal()
        ),
        n_trials=n_trials,
    )
    kept = best_configuration(study)
    truth = variant.loss(kept.params)
    again = truth + variant.noise * span * rng.standard_normal(_N_CHECKS)
    low, high = kept.interval
    return [
        variant.regret(variant.loss(study.best_params)),
        variant.regret(truth),
        (kept.value - truth) / span,
        float(np.mean((low <= again) & (again <= high))),
        n_trials - len({repr(sorted(t.params.items())) for t in study.trials}),
    ]


def main() -> None:
    """Print means over tasks and seeds, and the standard error of the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--variant", choices=("noisy", "plain"), default="noisy")
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--trials", type=int, default=60)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    print(f"{'':22}{'  '.join(COLUMNS)}  difference")
    for name in arguments.samplers:
        rows = []
        for task in tqdm(arguments.tasks, unit="task"):
            whole = task if arguments.variant == "plain" else task.replace("/", "-noisy/", 1)
            for seed in range(arguments.seeds):
                sampler = SAMPLERS[name](seed, arguments.trials)
                rows.append(measure(whole, sampler, seed, arguments.trials))
        means = np.mean(rows, axis=0)
        cells = "  ".join(f"{m:{len(c)}.4f}" for m, c in zip(means, COLUMNS, strict=True))
        gain = np.subtract(*np.transpose(rows)[:2])
        error = gain.std() / np.sqrt(len(gain))
        print(f"{name:22}{cells}  {gain.mean():.4f} +- {error:.4f}", flush=True)


if __name__ == "__main__":
    main()
