"""Runs the demonstration with one seed and shows what it found: ``python docs/draw_demo.py``.

Takes some minutes; what is finished is kept in build/demo.db. The picture of README and
index.md and what the page prints come from it. The trials are kept in demo.csv, and a test draws
the picture anew from them.
"""

from __future__ import annotations

from collections.abc import Callable
import csv
from pathlib import Path
import re

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from optuna.trial import create_trial

from optuna_llm import LLMSampler
from optuna_llm.command.demo import run
from optuna_llm.command.demo_picture import draw
from optuna_llm.command.demo_result import OURS
from optuna_llm.command.demo_result import RANDOM
from optuna_llm.command.demo_result import REASON_KEY
from optuna_llm.command.demo_result import TPE
from optuna_llm.command.demo_result import Result
from optuna_llm.command.demo_result import Search
from optuna_llm.command.demo_text import describe
from optuna_llm.command.flights import TASK
from optuna_llm.command.flights import Flights


ROOT = Path(__file__).parent.parent
TRIALS = ROOT / "benchmarks/results/demo.csv"
PICTURE = ROOT / "docs/images/demo.svg"
PAGE = ROOT / "docs/index.md"
N_TRIALS, SEEDS = 40, range(1)
_COLUMNS = ("sampler", "seed", "trial", "value", "refused", "test")
_DEFAULTS = "defaults"
_MARKS = "<!-- what the demonstration prints, by draw_demo.py -->", "<!-- end of it -->"


def searched() -> Result:
    """Run what is not there yet, and return all of it."""
    samplers: dict[str, Callable[[int], BaseSampler]] = {
        OURS: lambda s: LLMSampler("none", task=TASK, seed=s),
        TPE: lambda s: TPESampler(seed=s),
        RANDOM: lambda s: RandomSampler(seed=s),
    }
    file = ROOT / "build/demo.db"
    file.parent.mkdir(exist_ok=True)
    storage = RDBStorage(f"sqlite:///{file}")
    return run(Flights(), samplers=samplers, n_trials=N_TRIALS, storage=storage, seeds=SEEDS)


def write(result: Result) -> None:
    """Keep the trials that count, and the mean test error of each search in its last row."""
    rows = [(_DEFAULTS, "", 0, result.default_score, "", result.default_test_errors.mean())]
    for s in result.searches:
        trials = [
            t
            for t in s.study.get_trials(deepcopy=False)
            if t.state == TrialState.COMPLETE or REASON_KEY in t.user_attrs
        ]
        for number, t in enumerate(trials[: result.n_trials]):
            reason = t.user_attrs.get(REASON_KEY, "")
            last = number == result.n_trials - 1
            value = "" if reason else t.value
            rows.append((s.sampler, s.seed, number, value, reason, s.test if last else ""))
    with TRIALS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([_COLUMNS, *rows])


def read() -> Result:
    """Return what is kept: studies of values alone, and means for the test errors."""
    with TRIALS.open(newline="") as file:
        defaults, *rows = csv.DictReader(file)
    groups: dict[tuple[str, int], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((row["sampler"], int(row["seed"])), []).append(row)
    searches = []
    for (sampler, seed), trials in groups.items():
        study = optuna.create_study()
        for t in trials:
            refused = {REASON_KEY: t["refused"]} if t["refused"] else {}
            state = TrialState.FAIL if refused else TrialState.COMPLETE
            value = None if refused else float(t["value"])
            study.add_trial(create_trial(state=state, value=value, user_attrs=refused))
        searches.append(Search(sampler, seed, study, np.array([float(trials[-1]["test"])])))
    return Result(
        tuple(searches), N_TRIALS, float(defaults["value"]), np.array([float(defaults["test"])])
    )


def page(said: str) -> str:
    """Return the page with what the demonstration prints with one seed."""
    before, rest = PAGE.read_text().split(_MARKS[0])
    block = f"```text\n{said.strip()}\n```"
    return f"{before}{_MARKS[0]}\n\n{block}\n\n{_MARKS[1]}{rest.split(_MARKS[1])[1]}"


def shown() -> str:
    """Return what the page shows."""
    found = re.search(f"{_MARKS[0]}\n\n```text\n(.*?)\n```", PAGE.read_text(), re.S)
    assert found is not None
    return found[1]


def main() -> None:
    """Write the trials, the picture and what is printed."""
    result = searched()
    write(result)
    PICTURE.write_text(draw(read()))
    first = Result(
        tuple(result.of_seed(SEEDS[0])),
        N_TRIALS,
        result.default_score,
        result.default_test_errors,
    )
    PAGE.write_text(page(describe(first)))
    print(describe(result))


if __name__ == "__main__":
    main()
