"""Run every study that the results file lacks; a killed run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import as_completed
from dataclasses import dataclass
from dataclasses import field
import heapq
import itertools
from multiprocessing import get_context
from multiprocessing import parent_process
import os
from pathlib import Path
import threading
import time
from typing import TYPE_CHECKING
from typing import Any
import warnings

import numpy as np
import optuna
from optuna.trial import TrialState
from tqdm import tqdm

from benchmarks import references
from benchmarks.results import Job
from benchmarks.results import ResultsFile
from benchmarks.results import Row
from benchmarks.task import UnavailableError
from benchmarks.tasks import load
from benchmarks.variants import Variant


if TYPE_CHECKING:
    from benchmarks.samplers import Endpoint


# Durations of the trials of simulated workers: the standard deviation of their logarithm.
_DURATION_SPREAD = 0.5


@dataclass(order=True)
class _Running:
    """A trial under way; the order is that in which trials finish.

    Attributes:
        end: When it finishes, in the time of the simulated workers.
        trial: The trial.
        params: Its configuration.
        seconds: Time spent in the sampler so far.
    """

    end: float
    trial: optuna.Trial = field(compare=False)
    params: dict[str, Any] = field(compare=False)
    seconds: float = field(compare=False)


def run_study(job: Job, n_trials: int, endpoint: Endpoint) -> list[Row]:
    """Run one study and return a row for each trial, in the order in which they finished."""
    from benchmarks.samplers import SAMPLERS
    from benchmarks.samplers import Study

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    task = load(job.task)
    # A task as it is counts as a variant that changes nothing.
    variant = task if isinstance(task, Variant) else Variant(task)
    rng = np.random.default_rng([job.seed, 77])
    durations = rng.lognormal(sigma=_DURATION_SPREAD, size=n_trials).tolist()
    entry = SAMPLERS[job.sampler]
    told = Study(task, job.seed, n_trials, endpoint)
    with entry.open(told) as sampler:
        study = optuna.create_study(
            study_name=f"{job.task} {job.seed}",
            directions=["minimize"] * variant.n_objectives,
            sampler=sampler,
            pruner=_pruner(variant),
        )
        if entry.begin is not None:
            entry.begin(study, told)
        # What is there already has been evaluated elsewhere; numbers go on from it.
        n_all = n_trials + len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        noises = variant.noise * (variant.median - variant.best) * rng.standard_normal(n_all)
        rows: list[Row] = []
        found: list[tuple[float, ...]] = []
        running: list[_Running] = []
        clock = 0.0
        for duration in durations:
            if len(running) == variant.n_workers:
                clock = running[0].end
                one = heapq.heappop(running)
                rows.append(_finish(study, variant, one, job.seed, noises, found))
            heapq.heappush(running, _start(study, variant, clock + duration))
        rows += [_finish(study, variant, one, job.seed, noises, found) for one in sorted(running)]
    return [row._replace(trial=i) for i, row in enumerate(rows)]


def _start(study: optuna.Study, variant: Variant, end: float) -> _Running:
    start = time.perf_counter()
    trial = study.ask()
    params = variant.ask(trial)
    seconds = time.perf_counter() - start
    if variant.reports:
        trial.report(variant.loss(params), step=0)
    return _Running(end, trial, params, seconds)


def _finish(
    study: optuna.Study,
    variant: Variant,
    one: _Running,
    seed: int,
    noises: np.ndarray,
    found: list[tuple[float, ...]],
) -> Row:
    """Evaluate a trial and tell its result, with noise where the variant has it.

    The losses of a trial that counts join those that were found before.
    """
    interrupted = variant.is_interrupted(seed, one.trial.number)
    outcome = TrialState.FAIL if interrupted else _evaluate(variant, one)
    start = time.perf_counter()
    if isinstance(outcome, TrialState):
        study.tell(one.trial, state=outcome)
        value = observed = None
    else:
        told = [loss + float(noises[one.trial.number]) for loss in outcome]
        study.tell(one.trial, told)
        feasible = all(v <= 0 for v in one.trial.constraints.values())
        found += [outcome] if feasible else []
        value = outcome[0] if feasible else None
        observed = told[0] if variant.noise or not feasible else None
    if variant.n_objectives > 1:
        # What counts is what all trials so far have reached together.
        value, observed = variant.front_loss(found), None
    return Row(one.trial.number, value, one.seconds + time.perf_counter() - start, observed)


def _evaluate(variant: Variant, one: _Running) -> tuple[float, ...] | TrialState:
    """Return the losses, or how the trial ended without one."""

    def report(step: int, loss: float) -> None:
        one.trial.report(loss, step)
        if one.trial.should_prune():
            raise optuna.TrialPruned

    try:
        losses = variant.results(one.params, report if variant.prunes else None)
        for name, value in variant.constraints(one.params).items():
            one.trial.set_constraint(name, value)
        return losses
    except optuna.TrialPruned:
        return TrialState.PRUNED
    except MemoryError as error:
        one.trial.set_user_attr("fail_reason", str(error))
        return TrialState.FAIL


def _pruner(variant: Variant) -> optuna.pruners.BasePruner:
    if not variant.prunes:
        return optuna.pruners.NopPruner()
    return optuna.pruners.HyperbandPruner(max_resource=variant.n_steps, reduction_factor=3)


def run(
    path: Path,
    tasks: Sequence[str],
    samplers: Sequence[str],
    seeds: Sequence[int],
    n_trials: int,
    n_workers: int,
    endpoint: Endpoint,
) -> int:
    """Run what is missing, with a progress bar, and say what is skipped and why.

    Returns:
        The number of studies that ended with an error; the others are in the file.
    """
    # One thread a worker: the workers are the parallelism.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    results = ResultsFile(path)
    done = results.finished(n_trials)
    usable = [t for t in tasks if has(t)]
    pairs = _usable_pairs(usable, samplers, seeds[0], n_trials, endpoint)
    # Seed by seed, so that a run that is stopped early has compared everything.
    jobs = [Job(task, seed, sampler) for seed, (task, sampler) in itertools.product(seeds, pairs)]
    jobs = [job for job in jobs if job not in done]
    n_errors = 0
    with (
        ProcessPoolExecutor(n_workers, get_context("spawn"), initializer=_end_with_parent) as pool,
        tqdm(total=len(jobs), unit="study") as progress,
    ):
        futures = {pool.submit(run_study, job, n_trials, endpoint): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            try:
                results.append(job, future.result())
            except Exception as error:
                n_errors += 1
                tqdm.write(f"failed: {job}: {type(error).__name__}: {error}")
            progress.update()
    return n_errors


def _end_with_parent() -> None:
    """End this worker when the run is killed; otherwise it would wait for ever for more."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def has(task: str) -> bool:
    """Whether a task can be loaded; its scale is computed if it is not kept yet."""
    try:
        loaded = load(task)
        references.remember(getattr(loaded, "task", loaded))
    except (UnavailableError, ImportError) as error:
        print(f"skipped: task {task}: {error}")
        return False
    return True


def _usable_pairs(
    tasks: Sequence[str], samplers: Sequence[str], seed: int, n_trials: int, endpoint: Endpoint
) -> list[tuple[str, str]]:
    """Return the (task, sampler) pairs for which the sampler can be built."""
    from benchmarks.samplers import SAMPLERS
    from benchmarks.samplers import Study

    pairs = []
    for sampler in samplers:
        reasons: dict[str, None] = {}
        for task in tasks:
            try:
                with SAMPLERS[sampler].open(Study(load(task), seed, n_trials, endpoint)):
                    pairs.append((task, sampler))
            except (UnavailableError, ImportError) as error:
                reasons[str(error)] = None
        for reason in reasons:
            print(f"skipped: sampler {sampler}: {reason}")
    return sorted(pairs, key=lambda pair: tasks.index(pair[0]))
