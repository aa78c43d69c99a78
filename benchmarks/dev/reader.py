"""Studies with whoever answers as the language model: a person, or another program.

    python -m benchmarks.dev.reader memory --base-url http://127.0.0.1:8399/v1 --sampler LLM

A study on a task of :mod:`benchmarks.dev.hidden`, whose seed is drawn and told at the end only:
the reader sees the requests and nothing else. Then the same seed without a model, by
``CQRSampler`` and by TPE. Told are normalised regrets (0: best known, 1: median configuration; of
the best trial so far, without noise), the share of failed trials, how many numbers of the base
sampler's trials of the second half lie at the end of a range, requests and tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import secrets
import warnings

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from benchmarks.dev.hidden import NAMES
from benchmarks.dev.hidden import HiddenTask
from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import Task
from optuna_llm.history.cost import Cost
from optuna_llm.history.origin import Origin
from optuna_llm.space.search_space import SearchSpace


AFTER = (2, 5, 10, 25, 50)
# Coordinates nearer to the end of a range than this lie at it.
_END = 0.01
WITH_MODEL: dict[str, Callable[..., BaseSampler]] = {"LLM": LLMSampler, "LLAMBO": LLAMBOSampler}
WITHOUT: dict[str, Callable[[HiddenTask, int], BaseSampler]] = {
    "LLM, no model": lambda task, seed: LLMSampler("none", seed=seed),
    "CQR": lambda task, seed: CQRSampler(seed=seed),
    "TPE": lambda task, seed: TPESampler(seed=seed),
}


def run(task: HiddenTask, sampler: BaseSampler, n_trials: int) -> optuna.Study:
    """Run one study."""
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda trial: task.loss(task.ask(trial)), n_trials=n_trials, catch=(MemoryError,)
    )
    return study


def cells(task: HiddenTask, study: optuna.Study) -> list[str]:
    """Return the figures of one study as text."""
    regrets: list[float] = []
    best, regret = np.inf, np.nan
    for trial in study.trials:
        if trial.state == TrialState.COMPLETE and trial.value is not None and trial.value < best:
            best, regret = trial.value, task.regret(task.truth(trial.params))
        regrets.append(regret)
    failed = np.mean([t.state == TrialState.FAIL for t in study.trials])
    costs = [Cost.read(t) for t in study.trials]
    requests = sum(c.requests for c in costs)
    tokens = [sum(c.prompt_tokens for c in costs), sum(c.completion_tokens for c in costs)]
    return [
        *(f"{regrets[n - 1]:.3f}" if n <= len(regrets) else "" for n in AFTER),
        f"{failed:.0%}",
        f"{_at_ends(task, study):.0%}",
        str(requests) if requests else "",
        f"{tokens[0]} + {tokens[1]}" if requests else "",
    ]


def _at_ends(task: HiddenTask, study: optuna.Study) -> float:
    """Return the share of numbers at the end of their range in late trials of the base sampler."""
    space = SearchSpace(task.space)
    late = [t for t in study.trials[len(study.trials) // 2 :] if _is_base(t)]
    x = space.coordinates(t.params for t in late)[:, space.n_choices == 0]
    x = x[~np.isnan(x)]
    return float(np.mean((x < _END) | (x > 1 - _END))) if len(x) else 0.0


def _is_base(trial: optuna.trial.FrozenTrial) -> bool:
    origin = Origin.find(trial)
    return origin is None or origin.source == "base"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=NAMES)
    parser.add_argument("--sampler", choices=WITH_MODEL, default="LLM")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, help="of the task and the samplers; drawn by default")
    parser.add_argument("--requests", type=int, help="the most that are sent")
    options = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    task = HiddenTask(options.task, seed)
    sampler = WITH_MODEL[options.sampler](
        "reader",
        base_url=options.base_url,
        timeout=3600.0,
        deadline=3600.0,
        max_requests=options.requests,
        search_space=None if task.conditions else task.space,
        task=Task.of({**task.told, "n_trials": options.trials}),
        seed=seed,
    )
    head = [*map(str, AFTER), "failed", "at ends", "requests", "tokens"]
    with_model = cells(task, run(task, sampler, options.trials))
    print(f"{task.name}, {options.trials} trials")
    print("| sampler | " + " | ".join(head) + " |")
    print("|" + "---|" * (len(head) + 1))
    print(f"| {options.sampler} | " + " | ".join(with_model) + " |", flush=True)
    for name, build in WITHOUT.items():
        task = HiddenTask(options.task, seed)
        row = cells(task, run(task, build(task, seed), options.trials))
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
