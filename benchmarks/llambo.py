"""What ``LLAMBOSampler`` makes of a model that can read examples, and what it costs.

The model is ``tests.support.neighbours``: it knows nothing but its prompts, proposes near their
best examples, and predicts by their nearest ones, with noise. It is served over HTTP.

python -m benchmarks.llambo --tasks report --seeds 10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
import warnings

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from tqdm import tqdm

from benchmarks.references import UnknownTaskError
from benchmarks.tasks import load
from benchmarks.tasks import select
from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.predictions import Predictions
from optuna_llm.history.scores import ScoreScale
from tests.support.neighbours import Neighbours
from tests.support.server import ChatServer


if TYPE_CHECKING:
    from benchmarks.task import Task
    from optuna_llm.llambo import Surrogate


N_TRIALS = 25
SURROGATES: tuple[Surrogate, ...] = ("discriminative", "generative", "statistical")


@dataclass
class Found:
    """What came of the studies of one sampler.

    Attributes:
        regrets: The smallest normalised regret of each study.
        covered, raw: Whether each outcome fell into the recalibrated 80 % interval, and into the
            model's own.
        requests, prompt_tokens: Of each trial after the warm start.
        weights: The weight of the model in each of these trials.
    """

    regrets: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    raw: list[bool] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, study: optuna.Study, task: Task) -> None:
        """Add a finished study."""
        self.regrets.append(task.regret(study.best_value))
        history = History.from_study(study)
        for trial in study.trials:
            told, cost = Predictions.read(trial), Cost.read(trial)
            if not told.scale:
                continue
            self.requests.append(cost.requests)
            self.prompt_tokens.append(cost.prompt_tokens)
            self.weights.append(told.weight)
            if told.interval is not None and told.raw_interval is not None:
                score = ScoreScale.from_dict(told.scale).scores(history)[trial.number]
                for hits, interval in (
                    (self.covered, told.interval),
                    (self.raw, told.raw_interval),
                ):
                    hits.append(interval[0] <= score <= interval[-1])


def run(task: Task, sampler: BaseSampler, found: Found) -> None:
    """Run one study."""
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: task.loss(task.ask(trial)), n_trials=N_TRIALS)
    found.add(study, task)


def table(results: dict[str, Found], baseline: str) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [
        f"| sampler | studies | regret at {N_TRIALS} (ratio to {baseline}, 95 %) | 80 % interval, "
        "recalibrated | 80 % interval, the model's own | weight of the model | requests a trial | "
        "prompt tokens a trial |",
        "|" + " --- |" * 8,
    ]
    base = np.array(results[baseline].regrets)
    rng = np.random.default_rng(0)
    for name, found in results.items():
        own = np.array(found.regrets)
        drawn = rng.integers(len(own), size=(2000, len(own)))
        low, high = np.quantile(own[drawn].mean(1) / base[drawn].mean(1), [0.025, 0.975])
        cells = [
            name,
            str(len(own)),
            f"{own.mean():.4f} ({own.mean() / base.mean():.2f}x, {low:.2f}-{high:.2f})",
            *(f"{np.mean(hits):.0%}" if hits else "-" for hits in (found.covered, found.raw)),
            *(
                f"{np.mean(values):{form}}" if values else "-"
                for values, form in (
                    (found.weights, ".2f"),
                    (found.requests, ".1f"),
                    (found.prompt_tokens, ".0f"),
                )
            ),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all studies and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="report", help="development, report, or names")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--surrogates", default=",".join(SURROGATES))
    options = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    try:
        tasks = [load(name) for name in select(["guard"], options.tasks.split(","))]
    except UnknownTaskError as error:
        parser.error(str(error))
    results = {name: Found() for name in ("TPE", "Random", "CQR")}
    for task in tqdm(tasks, unit="task"):
        for seed in range(options.seeds):
            run(task, TPESampler(seed=seed), results["TPE"])
            run(task, RandomSampler(seed=seed), results["Random"])
            run(task, CQRSampler(seed=seed), results["CQR"])
            for surrogate in options.surrogates.split(","):
                with ChatServer(Neighbours(seed)) as server:
                    sampler = LLAMBOSampler(
                        "stand-in", base_url=server.base_url, surrogate=surrogate, seed=seed
                    )
                    found = results.setdefault(f"LLAMBO, {surrogate}", Found())
                    run(task, sampler, found)
    print("\n".join(table(results, "TPE")))


if __name__ == "__main__":
    main()
