"""Worker processes on one study: started, killed, replaced; each keeps a diary of its own."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
from dataclasses import dataclass
import json
import math
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
import os
from pathlib import Path
from random import Random
import time
from typing import Any

# Imported before the workers are forked: each of them would take seconds for it.
import grpc  # noqa: F401
import openai  # noqa: F401
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import psycopg  # noqa: F401
import redis  # noqa: F401
import sklearn  # noqa: F401

from tests.faults.samplers import MODEL_SAMPLERS


Connect = Callable[[], BaseStorage]

STUDY = "shared"
SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0),
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "depth": IntDistribution(1, 12),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    depth = trial.suggest_int("depth", 1, 12)
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    time.sleep(0.02)
    return (x - 0.3) ** 2 + math.log10(rate / 0.02) ** 2 + (depth - 5) ** 2 / 20 + (kind != "b")


@dataclass(frozen=True)
class Job:
    """What a worker does.

    Attributes:
        connect: Opens the storage.
        make_sampler: Makes the sampler from the worker's place.
        n_trials: Complete trials that the study is to have.
        diaries: Folder of the diaries.
    """

    connect: Connect
    make_sampler: Callable[[int], BaseSampler]
    n_trials: int
    diaries: Path

    def __call__(self, place: int) -> None:
        """Work in a process until the study is done."""
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        # What crashes here is replaced; its traceback would only be in the way.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        study = optuna.load_study(
            study_name=STUDY, storage=self.connect(), sampler=self.make_sampler(place)
        )
        diary = self.diaries / f"{os.getpid()}.jsonl"

        def note(study: optuna.Study, trial: FrozenTrial) -> None:
            with open(diary, "a") as file:
                file.write(json.dumps([trial.number, trial.value]) + "\n")

        stop = MaxTrialsCallback(self.n_trials, states=(TrialState.COMPLETE,))
        study.optimize(objective, callbacks=[note, stop])


class ModelSamplers:
    """Makes the samplers with a model in turn, all with one seed and one budget."""

    def __init__(self, base_url: str, max_requests: int) -> None:
        self._base_url = base_url
        self._max_requests = max_requests

    def __call__(self, place: int) -> BaseSampler:
        names = list(MODEL_SAMPLERS)
        return MODEL_SAMPLERS[names[place % len(names)]](
            "stand-in",
            base_url=self._base_url,
            search_space=SPACE,
            seed=0,
            max_requests=self._max_requests,
            max_retries=0,
        )


class Crew:
    """Worker processes; one that ends before the study is done is replaced.

    Args:
        job: What they do.
        size: How many work at a time.
    """

    def __init__(self, job: Job, size: int = 8) -> None:
        self._job = job
        self._context: Any = get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._workers: list[BaseProcess] = [self._new(place) for place in range(size)]
        self.n_started = size
        self.n_killed = 0

    def _new(self, place: int) -> BaseProcess:
        process: BaseProcess = self._context.Process(target=self._job, args=(place,), daemon=True)
        process.start()
        return process

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.kill()
            worker.join()

    def kill_one(self, rng: Random) -> None:
        """Kill a worker at random, with SIGKILL."""
        rng.choice(self._workers).kill()
        self.n_killed += 1

    def is_done(self) -> bool:
        """Replace the workers that have ended too early; say whether all have ended in order."""
        for place, worker in enumerate(self._workers):
            if worker.exitcode not in (None, 0):
                self._workers[place] = self._new(place)
                self.n_started += 1
        return all(worker.exitcode == 0 for worker in self._workers)

    def diary(self) -> dict[int, float]:
        """Return the trials that the storage has taken, by the workers' own word."""
        return dict(_lines(self._job.diaries))


def _lines(folder: Path) -> Iterator[tuple[int, float]]:
    for path in folder.iterdir():
        for line in path.read_text().splitlines():
            # A line may have been cut short by a kill.
            with contextlib.suppress(ValueError):
                number, value = json.loads(line)
                yield number, value


def duplicate_share(trials: Sequence[FrozenTrial]) -> float:
    """Return the share of the trials that repeat one which was running when they started."""
    repeats = 0
    for trial in trials:
        started = trial.datetime_start
        assert started is not None
        repeats += any(
            other.number < trial.number
            and other.params == trial.params
            and other.datetime_complete is not None
            and other.datetime_complete > started
            for other in trials
        )
    return repeats / len(trials)
