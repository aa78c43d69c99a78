"""Whether samplers still propose what they proposed: thirty studies, recorded and compared.

    OMP_NUM_THREADS=1 python -m benchmarks.dev.same_proposals record before.json
    OMP_NUM_THREADS=1 python -m benchmarks.dev.same_proposals compare before.json

Run ``record`` before a change of structure and ``compare`` after it, on one machine: every study
whose proposals differ is named with the first trial that does. The language model is a stand-in
whose answers depend on nothing but the schema and the number of the request.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import json
import math
from pathlib import Path
from typing import Any
import warnings

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from tests.support.models import ScriptedModel


N_TRIALS = 26
Objective = Callable[[optuna.Trial], Any]


# ---- objectives


def mixed(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    depth = trial.suggest_int("max_depth", 1, 12)
    size = trial.suggest_categorical("batch_size", [16, 32, 64, 128])
    activation = trial.suggest_categorical("activation", ["relu", "tanh", "gelu"])
    dropout = trial.suggest_float("dropout", 0.0, 0.5, step=0.05)
    loss = (math.log10(lr) + 2.5) ** 2 + (depth - 7) ** 2 / 10 + dropout
    return loss + 0.3 * (activation != "gelu") + abs(math.log2(size) - 5) / 5


def smooth(trial: optuna.Trial) -> float:
    x = [trial.suggest_float(f"x{i}", -5, 10) for i in range(4)]
    return float(sum((v - i) ** 2 for i, v in enumerate(x)))


def conditional(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("booster", ["gbtree", "dart", "gblinear"])
    loss = (math.log10(trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)) + 1) ** 2
    if kind == "gblinear":
        return loss + 0.5
    loss += (trial.suggest_int("max_depth", 1, 12) - 5) ** 2 / 10
    return loss + (trial.suggest_float("rate_drop", 0, 1) if kind == "dart" else 0.1)


def constrained(trial: optuna.Trial) -> float:
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    trial.set_constraint("ball", (x - 0.7) ** 2 + (y - 0.4) ** 2 - 0.04)
    return x + y


def two_objectives(trial: optuna.Trial) -> tuple[float, float]:
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    return x**2 + y, (x - 1) ** 2 + y


def pruned(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    width = trial.suggest_int("width", 8, 256, log=True)
    best = (math.log10(lr) + 2) ** 2 + abs(math.log2(width) - 6) / 4
    for step in range(1, 10):
        trial.report(best + 1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return best + 0.1


def failing(trial: optuna.Trial) -> float:
    if trial.suggest_int("batch", 1, 512, log=True) * trial.suggest_float("width", 1, 8) > 900:
        raise MemoryError
    return -math.log(float(trial.params["batch"])) - float(trial.params["width"]) / 8


SPACE = {
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "max_depth": IntDistribution(1, 12),
    "batch_size": CategoricalDistribution([16, 32, 64, 128]),
    "activation": CategoricalDistribution(["relu", "tanh", "gelu"]),
    "dropout": FloatDistribution(0.0, 0.5, step=0.05),
}


def _llm(**options: Any) -> Callable[[int], BaseSampler]:
    return lambda seed: LLMSampler(ScriptedModel(seed), seed=seed, **options)


def _llambo(**options: Any) -> Callable[[int], BaseSampler]:
    return lambda seed: LLAMBOSampler(ScriptedModel(seed), seed=seed, **options)


def _cqr(**options: Any) -> Callable[[int], BaseSampler]:
    return lambda seed: CQRSampler(seed=seed, **options)


def _tpe_below(seed: int) -> BaseSampler:
    base = optuna.samplers.TPESampler(seed=seed)
    return LLMSampler(ScriptedModel(seed), seed=seed, base_sampler=base)


STUDIES: dict[str, tuple[Callable[[int], BaseSampler], Objective]] = {
    "CQR, mixed": (_cqr(), mixed),
    "CQR, smooth": (_cqr(), smooth),
    "CQR, conditional": (_cqr(), conditional),
    "CQR, constrained": (_cqr(), constrained),
    "CQR, two objectives": (_cqr(), two_objectives),
    "CQR, Hyperband": (_cqr(), pruned),
    "CQR, last values": (_cqr(multi_fidelity="last"), pruned),
    "CQR, failing": (_cqr(), failing),
    "CQR, prior": (_cqr(prior=True, known_good=[{"lr": 0.1}]), mixed),
    "CQR, gbt": (_cqr(surrogate="gbt"), smooth),
    "CQR, lcb": (_cqr(acquisition="lcb"), mixed),
    "CQR, ts": (_cqr(acquisition="ts"), mixed),
    "LLM, mixed": (_llm(), mixed),
    "LLM, announced": (_llm(search_space=SPACE), mixed),
    "LLM, smooth": (_llm(), smooth),
    "LLM, conditional": (_llm(), conditional),
    "LLM, constrained": (_llm(), constrained),
    "LLM, two objectives": (_llm(), two_objectives),
    "LLM, Hyperband": (_llm(), pruned),
    "LLM, failing": (_llm(), failing),
    "LLM on TPE": (_tpe_below, mixed),
    "LLM, chat": (_llm(prompt_style="chat", prefetch=False), mixed),
    "LLM, anonymous": (_llm(anonymize=True), mixed),
    "LLM, no model": (lambda seed: LLMSampler(seed=seed, known_good=[{"lr": 0.1}]), mixed),
    "LLM, no model, conditional": (lambda seed: LLMSampler(seed=seed), conditional),
    "LLAMBO, mixed": (_llambo(), mixed),
    "LLAMBO, announced": (_llambo(search_space=SPACE), mixed),
    "LLAMBO, generative": (_llambo(surrogate="generative"), conditional),
    "LLAMBO, two objectives": (_llambo(), two_objectives),
    "LLAMBO, no model": (lambda seed: LLAMBOSampler(seed=seed), failing),
}


def proposals(name: str, seed: int = 0) -> list[dict[str, Any]]:
    """Run one of the studies and return the parameters of its trials."""
    build, objective = STUDIES[name]
    n_objectives = 2 if objective is two_objectives else 1
    study = optuna.create_study(
        sampler=build(seed),
        directions=["minimize"] * n_objectives,
        pruner=optuna.pruners.HyperbandPruner(1, 9) if objective is pruned else None,
        study_name=name,
    )
    study.optimize(objective, n_trials=N_TRIALS, catch=(MemoryError,))
    return [t.params for t in study.trials]


def _difference(old: Sequence[Any], new: Sequence[Any]) -> str:
    for number, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after:
            return f"differs from trial {number} on: {before} before, {after} now"
    return "same"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", default="", help="only studies whose names contain this")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = [n for n in STUDIES if arguments.only in n]
    if arguments.action == "record":
        found = {n: proposals(n) for n in names}
        arguments.file.write_text(json.dumps(found))
        print(f"Recorded {len(found)} studies of {N_TRIALS} trials in {arguments.file}.")
        return
    before = json.loads(arguments.file.read_text())
    told = {n: _difference(before[n], json.loads(json.dumps(proposals(n)))) for n in names}
    for name, text in told.items():
        print(f"{name:28} {text}")
    print(f"{sum(t == 'same' for t in told.values())} of {len(told)} studies are the same.")


if __name__ == "__main__":
    main()
