"""Studies run to their end once, and read again trial by trial as often as rules are to be tried.

A recording is a pickled list of Optuna's frozen trials, with the folds where Optuna's terminator
looks for them and the test as a user attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
import pickle
import warnings

import numpy as np
import optuna
from optuna.terminator import report_cross_validation_scores
from tqdm import tqdm

from benchmarks.samplers import SAMPLERS
from benchmarks.samplers import Endpoint
from benchmarks.samplers import Study
from benchmarks.stopping.tasks import evaluate
from benchmarks.tasks import load


def record(
    folder: Path, tasks: Sequence[str], sampler: str, seeds: Sequence[int], n_trials: int
) -> None:
    """Run every study that is not in the folder yet, seed by seed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(seed, task) for seed in seeds for task in tasks]
    for seed, task in tqdm(jobs, unit="study"):
        path = path_of(folder, task, sampler, seed)
        if not path.exists():
            trials = _run(task, sampler, seed, n_trials)
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(pickle.dumps(trials))
            temporary.replace(path)


def path_of(folder: Path, task: str, sampler: str, seed: int) -> Path:
    """Return where a recording is."""
    return folder / f"{task.replace('/', '_')}.{sampler}.{seed}.pickle"


def _run(name: str, sampler: str, seed: int, n_trials: int) -> list[optuna.trial.FrozenTrial]:
    task = load(name)
    rng = np.random.default_rng([seed, 77])

    def objective(trial: optuna.Trial) -> float:
        result = evaluate(name, task.ask(trial), rng)
        trial.set_user_attr("test", result.test)
        if result.folds:
            report_cross_validation_scores(trial, list(result.folds))
        return result.value

    with SAMPLERS[sampler].open(Study(task, seed, n_trials, Endpoint())) as opened:
        study = optuna.create_study(sampler=opened)
        study.optimize(objective, n_trials=n_trials)
    return study.trials


def replay(path: Path) -> Iterator[optuna.Study]:
    """Yield one study after each of its recorded trials."""
    study = optuna.create_study()
    for trial in pickle.loads(path.read_bytes()):
        study.add_trial(trial)
        yield study
