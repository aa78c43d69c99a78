"""Compare samplers on whole suites: mean normalised regret at 25, 50 and 100 trials.

    OPTUNA_LLM_DATA=... python -m benchmarks.dev.compare --tasks development --seeds 5 \
        --samplers random tpe gp cqr --out results.jsonl

Results are appended to the file; what stands there is not run again.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
import json
from pathlib import Path
import time
from typing import Any
import warnings

import numpy as np
import optuna

from benchmarks.dev import tasks
from optuna_llm.cqr import CQRSampler


SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "cqr": lambda seed: CQRSampler(seed=seed),
    "cqr-ei": lambda seed: CQRSampler(seed=seed, acquisition="ei"),
    "cqr-lcb": lambda seed: CQRSampler(seed=seed, acquisition="lcb"),
    "cqr-gbt": lambda seed: CQRSampler(seed=seed, surrogate="gbt"),
    "cqr-prior": lambda seed: CQRSampler(seed=seed, prior=True),
}
CHECKPOINTS = (25, 50, 100)


def run(task: str, sampler: optuna.samplers.BaseSampler, n_trials: int) -> dict[str, object]:
    """Run one study and return its regrets at the checkpoints and its seconds per proposal."""
    objective = tasks.load(task)
    study = optuna.create_study(sampler=sampler)
    seconds = []
    for _ in range(n_trials):
        start = time.process_time()
        trial = study.ask()
        params = objective.ask(trial)
        seconds.append(time.process_time() - start)
        study.tell(trial, objective.loss(params))
    best = np.minimum.accumulate(np.array([t.value for t in study.trials], dtype=float))
    regrets = {str(n): objective.regret(best[n - 1]) for n in CHECKPOINTS if n <= n_trials}
    return {"regret": regrets, "seconds": float(np.median(seconds[n_trials // 2 :]))}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the mean regret of each sampler on each suite, over tasks and seeds."""
    cells = defaultdict(list)
    for row in rows:
        suite = row["task"].split("/")[0]
        for n, regret in row["regret"].items():
            cells[row["sampler"], suite, n].append(max(regret, 0.0))
            cells[row["sampler"], "all", n].append(max(regret, 0.0))
    samplers = list(dict.fromkeys(row["sampler"] for row in rows))
    suites = [*dict.fromkeys(row["task"].split("/")[0] for row in rows), "all"]
    lines = [
        f"{'regret @' + '/'.join(map(str, CHECKPOINTS)):16}" + "".join(f"{s:>19}" for s in suites)
    ]
    for sampler in samplers:
        line = f"{sampler:16}"
        for suite in suites:
            means = [np.mean(cells[sampler, suite, str(n)] or [np.nan]) for n in CHECKPOINTS]
            line += "   " + "/".join(f"{m:.3f}"[-5:].removeprefix("0") for m in means).rjust(16)
        own = [r["seconds"] for r in rows if r["sampler"] == sampler]
        lines.append(f"{line}  {1e3 * np.median(own):.0f} ms  n={len(own)}")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["development"])
    parser.add_argument("--samplers", nargs="+", default=["tpe", "cqr"], choices=list(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    named = {"development": tasks.DEVELOPMENT, "report": tasks.REPORT}
    names = [t for name in arguments.tasks for t in named.get(name, (name,))]
    rows = []
    if arguments.out.exists():
        rows = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    done = {(r["task"], r["sampler"], r["seed"]) for r in rows}
    for seed in range(arguments.seeds):
        for name in names:
            for sampler in arguments.samplers:
                if (name, sampler, seed) in done:
                    continue
                result = run(name, SAMPLERS[sampler](seed), arguments.trials)
                row = {"task": name, "sampler": sampler, "seed": seed, **result}
                rows.append(row)
                with arguments.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    wanted = {(n, s, i) for n in names for s in arguments.samplers for i in range(arguments.seeds)}
    print(table([r for r in rows if (r["task"], r["sampler"], r["seed"]) in wanted]))


if __name__ == "__main__":
    main()
