"""What a sampler does with failures at the optimum and with pruners, and how long it takes.

    OPTUNA_LLM_DATA=... python -m benchmarks.dev.scenarios failures --samplers TPE GP CQR
    (or: hyperband, cost)

Failures: :class:`benchmarks.dev.language_model.LanguageModel`. Hyperband: the lcbench surrogates
of the development list. For 16 workers, and for failures elsewhere, see the runner's variants.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
import json
import time
import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from benchmarks import tasks
from benchmarks.dev.language_model import LanguageModel
from benchmarks.task import Task
from optuna_llm import CQRSampler


Build = Callable[[int], BaseSampler]
SAMPLERS: dict[str, Build] = {
    "Random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "TPE": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "GP": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "CQR": lambda seed: CQRSampler(seed=seed),
    "CQR, gbt": lambda seed: CQRSampler(seed=seed, surrogate="gbt"),
}
TASKS = [name for name in tasks.DEVELOPMENT if name.startswith("yahpo/lcbench")]
EPOCHS = 52
N_TRIALS = 100


def failures(build: Build, seed: int) -> dict[str, float]:
    """Tune a language model that runs out of memory near its optimum, and one that never does.

    Returns:
        The shares of failed trials in the first 30 and after, and regrets at 50 and 100 trials.
    """
    result: dict[str, float] = {}
    for task, suffix in ((LanguageModel(), ""), (LanguageModel(fails=False), " without failures")):
        study = optuna.create_study(sampler=build(seed))
        for _ in range(N_TRIALS):
            trial = study.ask()
            try:
                study.tell(trial, task.loss(task.ask(trial)))
            except MemoryError:
                study.tell(trial, state=TrialState.FAIL)
        failed = [t.state == TrialState.FAIL for t in study.trials]
        if any(failed):
            result["failed until 30"] = float(np.mean(failed[:30]))
            result["failed after 30"] = float(np.mean(failed[30:]))
        for n in (50, 100):
            result[f"regret @{n}{suffix}"] = _regret(task, study, n)
    return result


def _regret(task: Task, study: optuna.Study, n: int) -> float:
    values = [np.inf if t.value is None else t.value for t in study.trials[:n]]
    return max(task.regret(min(values)), 0.0)


def hyperband(task: Task, build: Build, seed: int) -> dict[str, float]:
    """Regret of complete trials at shares of a budget of 50 full trainings."""
    pruner = HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3)
    study = optuna.create_study(sampler=build(seed), pruner=pruner, study_name=task.name)
    budget, spent, best = 50 * EPOCHS, 0, np.inf
    result: dict[str, float] = {}
    while spent < budget:
        trial = study.ask()

        def report(step: int, loss: float, trial: optuna.Trial = trial) -> None:
            nonlocal spent
            spent += 1
            trial.report(loss, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            loss = task.loss(task.ask(trial), report)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, loss)
            best = min(best, loss)
        for share in (0.25, 0.5, 1.0):
            if spent >= share * budget and f"regret @{share}" not in result:
                result[f"regret @{share}"] = max(task.regret(best), 0.0)
    return {**result, "trials": len(study.trials)}


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
        for name in ("TPE", "CQR", "CQR, gbt"):
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
    parser.add_argument("scenario", choices=["failures", "hyperband", "cost"])
    parser.add_argument("--samplers", nargs="+", default=["TPE", "CQR"], choices=list(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.simplefilter("ignore")
    if arguments.scenario == "cost":
        for line in cost():
            print(line, flush=True)
        return
    for name in arguments.samplers:
        results = []
        for seed in range(arguments.seeds):
            if arguments.scenario == "failures":
                results.append(failures(SAMPLERS[name], seed))
            else:
                results += [hyperband(tasks.load(t), SAMPLERS[name], seed) for t in TASKS]
        means = {k: round(float(np.mean([r[k] for r in results])), 4) for k in results[0]}
        print(f"{name:10} {json.dumps(means)} n={len(results)}", flush=True)


if __name__ == "__main__":
    main()
