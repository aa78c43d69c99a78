"""What a sampler does with failures, pruners, parallel workers, and how long it takes.

    OPTUNA_LLM_DATA=... python -m benchmarks.dev.scenarios failures --samplers tpe gp cqr
    (or: hyperband, parallel, cost)

Tasks: the lcbench surrogates of the development list.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterator
import json
import time
from typing import Any
import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import HyperbandPruner
from optuna.trial import TrialState

from benchmarks.dev import tasks
from benchmarks.dev.compare import SAMPLERS


TASKS = [name for name in tasks.YAHPO_DEVELOPMENT if name.startswith("lcbench")]
# Where the best configurations lie outside the failing region, so that regrets compare.
FAILING_TASKS = TASKS[:4]
EPOCHS = 52
N_TRIALS = 100
N_WORKERS = 16


def _regrets(study: optuna.Study, objective: tasks.Objective) -> np.ndarray:
    values = [t.value if t.state == TrialState.COMPLETE else np.inf for t in study.trials]
    return np.array(
        [
            max(objective.regret(v), 0.0)
            for v in np.minimum.accumulate(np.array(values, dtype=float))
        ]
    )


def _diverges(params: dict[str, float]) -> bool:
    """A quarter of the space: high learning rate together with high dropout."""
    unit = np.log(params["learning_rate"] / 1e-4) / np.log(1e3)
    return bool(unit + params["max_dropout"] > 1.3)


def failures(task: str, sampler: str, seed: int) -> dict[str, float]:
    """Share of failed trials after 30, and regret at 100 trials with and without failures."""
    objective = tasks.load(task)
    result = {}
    for failing in (True, False):
        study = optuna.create_study(sampler=SAMPLERS[sampler](seed))
        for _ in range(N_TRIALS):
            trial = study.ask()
            params = objective.ask(trial)
            if failing and _diverges(params):
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, objective.loss(params))
        if failing:
            states = [t.state == TrialState.FAIL for t in study.trials[30:]]
            result["failed after 30"] = float(np.mean(states))
        result["regret" if failing else "regret without"] = _regrets(study, objective)[-1]
    return result


def hyperband(task: str, sampler: str, seed: int) -> dict[str, float]:
    """Regret of complete trials at shares of a budget of 50 full trainings."""
    objective = tasks.load(task)
    pruner = HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3)
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed), pruner=pruner, study_name=task)
    budget, spent, best = 50 * EPOCHS, 0, np.inf
    result: dict[str, float] = {}
    while spent < budget:
        trial = study.ask()
        params = objective.ask(trial)
        for epoch in range(1, EPOCHS + 1):
            loss = objective.loss(params, epoch=epoch)
            spent += 1
            trial.report(loss, epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, loss)
            best = min(best, loss)
        for share in (0.25, 0.5, 1.0):
            if spent >= share * budget and f"regret @{share}" not in result:
                result[f"regret @{share}"] = max(objective.regret(best), 0.0)
    return {**result, "trials": len(study.trials)}


def parallel(task: str, sampler: str, seed: int) -> dict[str, float]:
    """Regret at 100 trials of one worker and of 16, and repeated pending proposals."""
    objective = tasks.load(task)
    result: dict[str, float] = {}
    for n_workers in (1, N_WORKERS):
        study = optuna.create_study(sampler=SAMPLERS[sampler](seed))
        under_way: deque[tuple[optuna.Trial, dict[str, Any]]] = deque()
        repeated = 0
        for _ in range(N_TRIALS):
            if len(under_way) == n_workers:
                trial, params = under_way.popleft()
                study.tell(trial, objective.loss(params))
            trial = study.ask()
            params = objective.ask(trial)
            repeated += any(params == other for _, other in under_way)
            under_way.append((trial, params))
        for trial, params in under_way:
            study.tell(trial, objective.loss(params))
        regrets = _regrets(study, objective)
        for n in (50, 100):
            result[f"{n_workers} workers @{n}"] = regrets[n - 1]
        result[f"{n_workers} workers repeated"] = repeated
    return result


def cost() -> Iterator[str]:
    """CPU milliseconds of a proposal for 8 parameters after 100, 1000 and 10000 trials."""
    space: dict[str, BaseDistribution] = {
        f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(8)
    }
    rng = np.random.default_rng(0)
    for n in (100, 1000, 10_000):
        trials = []
        for row in rng.random((n, 8)):
            params = dict(zip(space, row.tolist(), strict=True))
            value = float(((row - 0.4) ** 2).sum())
            trials.append(
                optuna.trial.create_trial(params=params, distributions=space, value=value)
            )
        for name in ("tpe", "cqr", "cqr-gbt"):
            study = optuna.create_study(sampler=SAMPLERS[name](0))
            study.add_trials(trials)
            milliseconds = []
            for _ in range(9):
                start = time.process_time()
                trial = study.ask()
                for parameter in space:
                    trial.suggest_float(parameter, 0, 1)
                milliseconds.append(1e3 * (time.process_time() - start))
                study.tell(trial, float(sum(trial.params.values())))
            yield f"{n:6} trials  {name:8} {np.median(milliseconds):8.1f} ms"
        yield f"{n:6} trials  Syne Tune CQR (its surrogate) {_syne_tune(n):8.1f} ms"


def _syne_tune(n: int) -> float:
    """Time what Syne Tune's CQR does for one proposal: five boosted models, 2000 candidates."""
    from sklearn.ensemble import GradientBoostingRegressor

    rng = np.random.default_rng(0)
    X = rng.random((n, 8))
    y = ((X - 0.4) ** 2).sum(axis=1)
    start = time.process_time()
    for level in np.arange(1, 6) / 6:
        model = GradientBoostingRegressor(loss="quantile", alpha=float(level)).fit(X, y)
        model.predict(rng.random((2000, 8)))
    return 1e3 * (time.process_time() - start)


def main() -> None:
    """Print one line for each sampler: means over tasks and seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=["failures", "hyperband", "parallel", "cost"])
    parser.add_argument("--samplers", nargs="+", default=["tpe", "cqr"], choices=list(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.simplefilter("ignore")
    if arguments.scenario == "cost":
        for line in cost():
            print(line, flush=True)
        return
    scenario = {"failures": failures, "hyperband": hyperband, "parallel": parallel}
    for sampler in arguments.samplers:
        results = [
            scenario[arguments.scenario](task, sampler, seed)
            for seed in range(arguments.seeds)
            for task in (FAILING_TASKS if arguments.scenario == "failures" else TASKS)
        ]
        means = {k: round(float(np.mean([r[k] for r in results])), 4) for k in results[0]}
        print(f"{sampler:10} {json.dumps(means)} n={len(results)}", flush=True)


if __name__ == "__main__":
    main()
