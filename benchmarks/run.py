"""Run every (task, seed, sampler) that the results file lacks; a killed run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import as_completed
import csv
import itertools
from multiprocessing import get_context
import os
from pathlib import Path
import time

import optuna
from tqdm import tqdm


FIELDS = ("task", "seed", "sampler", "trial", "regret", "seconds")
# One trial: its number, the normalised regret of its own value, seconds spent in the sampler.
Row = tuple[int, float, float]


def run_one(task_name: str, seed: int, sampler_name: str, n_trials: int) -> list[Row]:
    """Run one study and return a row for each trial."""
    from benchmarks.samplers import SAMPLERS
    from benchmarks.tasks import load

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = load(task_name)
    rows: list[Row] = []
    with SAMPLERS[sampler_name](task, seed) as sampler:
        study = optuna.create_study(sampler=sampler)
        for number in range(n_trials):
            start = time.perf_counter()
            trial = study.ask(task.space)
            asked = time.perf_counter()
            loss = task.loss(trial.params)
            computed = time.perf_counter()
            study.tell(trial, loss)
            seconds = time.perf_counter() - computed + asked - start
            rows.append((number, task.regret(loss), seconds))
    return rows


def run(
    path: Path,
    tasks: Sequence[str],
    samplers: Sequence[str],
    seeds: Sequence[int],
    n_trials: int,
    n_workers: int,
) -> None:
    """Run what is missing, with a progress bar, appending to the results file study by study."""
    # One thread a worker: the workers are the parallelism.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    done: dict[tuple[str, int, str], int] = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                key = (row["task"], int(row["seed"]), row["sampler"])
                done[key] = done.get(key, 0) + 1
    jobs = [
        job for job in itertools.product(tasks, seeds, samplers) if done.get(job, 0) < n_trials
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with (
        path.open("a", newline="") as file,
        ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool,
        tqdm(total=len(jobs), unit="study") as progress,
    ):
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(FIELDS)
        futures = {pool.submit(run_one, *job, n_trials): job for job in jobs}
        for future in as_completed(futures):
            task, seed, sampler = futures[future]
            writer.writerows(
                (task, seed, sampler, number, f"{regret:.4g}", f"{seconds:.3f}")
                for number, regret, seconds in future.result()
            )
            file.flush()
            progress.update()
