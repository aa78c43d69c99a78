"""What a proposal costs with the default number of BLAS threads, against a single one.

python -m benchmarks.dev.threads --trials 60

Each study runs in processes of its own, in turns with and without ``OMP_NUM_THREADS=1``; of
several runs the cheapest counts, as other processes only ever add to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
import os
import subprocess
import sys
import time
import warnings

import optuna
from optuna.samplers import BaseSampler

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from tests.support.models import ScriptedModel


LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "CQR": lambda: CQRSampler(seed=0),
    "LLM": lambda: LLMSampler(ScriptedModel(0), seed=0),
    "LLAMBO": lambda: LLAMBOSampler(ScriptedModel(0), seed=0),
}


def objective(trial: optuna.Trial) -> float:
    x = [trial.suggest_float(f"x{i}", -5, 10) for i in range(8)]
    return sum((v - i) ** 2 for i, v in enumerate(x))


def spent(sampler: str, n_trials: int) -> tuple[float, float]:
    """Return CPU and wall seconds of a trial, start-up and imports left out."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=SAMPLERS[sampler]())
    n_first = 15
    study.optimize(objective, n_trials=n_first)
    cpu, wall = time.process_time(), time.perf_counter()
    study.optimize(objective, n_trials=n_trials - n_first)
    n = n_trials - n_first
    return (time.process_time() - cpu) / n, (time.perf_counter() - wall) / n


def spent_in_a_process(sampler: str, n_trials: int, *, one: bool) -> tuple[float, float]:
    """Return :func:`spent` of a new process with no limit of threads, or with that of one."""
    environment = {name: value for name, value in os.environ.items() if name not in LIMITS}
    if one:
        environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, "-m", "benchmarks.dev.threads", "--trials", str(n_trials)]
    done = subprocess.run(
        [*command, "--here", sampler], env=environment, check=True, capture_output=True, text=True
    )
    cpu, wall = json.loads(done.stdout.splitlines()[-1])
    return cpu, wall


def main() -> None:
    """Print milliseconds of CPU and wall time a proposal, and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--here", choices=SAMPLERS, help="measure in this process, print JSON")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(spent(arguments.here, arguments.trials)))
        return
    print(
        f"{'ms a trial':8} {'default: CPU':>14} {'wall':>7} {'one: CPU':>10} {'wall':>7}  ratios"
    )
    for name in arguments.samplers:
        runs: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for _ in range(arguments.repeats):
            for one, found in runs.items():
                found.append(spent_in_a_process(name, arguments.trials, one=one))
        cpu, wall = (min(run[i] for run in runs[False]) for i in (0, 1))
        cpu_one, wall_one = (min(run[i] for run in runs[True]) for i in (0, 1))
        print(
            f"{name:10} {1e3 * cpu:14.1f} {1e3 * wall:7.1f} {1e3 * cpu_one:10.1f}"
            f" {1e3 * wall_one:7.1f}  CPU {cpu / cpu_one:.2f}, wall {wall / wall_one:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
