"""Portfolios: a few configurations of a family of models, of which one is good on most tables.

    OMP_NUM_THREADS=1 python -m benchmarks.dev.portfolios evaluate --models xgboost svm
    python -m benchmarks.dev.portfolios choose > optuna_llm/prior/knowledge/portfolios.toml

``evaluate`` trains 48 configurations of each family on the twelve tables of
``real_tables.PORTFOLIO``: the usual one, some around it, and as many drawn uniformly, all with
two digits. It goes on where it stopped. ``choose`` adds, one after another, the configuration that
lowers the mean regret of the best so far most, for each family that has been evaluated. A table's
regret is normalised by the best and the median of what was drawn uniformly. It also says, on
stderr, what the mean would be on a table that nothing was chosen on (each is left out once), and
what the usual values and as many others around them reach.

None of the tables is used by any task of the lists, and none is one of OpenML's from which YAHPO's
``lcbench`` and ``rbv2_*``, HPOBench's or HPOlib's tasks were made.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
import csv
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from tqdm import tqdm

from benchmarks.suites import knowledge
from benchmarks.suites.knowledge import MODELS
from benchmarks.suites.knowledge import OnTable
from benchmarks.suites.real_tables import PORTFOLIO
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior.knowledge import FAMILY_OF
from optuna_llm.space.search_space import SearchSpace


Configuration = dict[str, Any]
# The prior's family for each model. The linear ones are one family: what is called C where classes
# are predicted is called alpha where numbers are.
_FAMILIES = {
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "forest": "random forest",
    "svm": "support vector machine",
    "linear": "linear model",
    "knn": "nearest neighbours",
    "network": "network training",
}
# What is fixed is in no row. More trees never hurt, so their number tells nothing; how classes are
# weighed is a matter of the loss, which is the log-loss here.
_FIXED: dict[str, Configuration] = {
    "forest": {"n_estimators": 60},
    "linear": {"class_weight": None},
}
_N_CONFIGURATIONS = 48
_N_ROWS = 4
_N_REPEATS = 5000
_FOLDER = Path("build/benchmarks/portfolios")


def _task(model: str, table: str) -> OnTable:
    if model == "linear":
        model = "logistic" if PORTFOLIO[table].classes else "elastic"
    return knowledge.load(f"knowledge/{model}-{table}")


def _space(model: str) -> dict[str, BaseDistribution]:
    if model == "linear":
        return {**MODELS["elastic"].space, **MODELS["logistic"].space}
    return MODELS[model].space


def _prior(model: str) -> EmbeddedPrior:
    return EmbeddedPrior(FAMILY_OF[_FAMILIES[model]].words[0])


def configurations(model: str) -> list[Configuration]:
    """Return what is evaluated: the usual one, then every second one around it and uniform."""
    prior, space = _prior(model), _space(model)
    rng = np.random.default_rng(0)
    found = [prior.default(space)]
    while len(found) < _N_CONFIGURATIONS:
        if len(found) % 2:
            found.append(_drawn(space, rng))
        else:
            found.append(prior.sample(space, rng))
    fixed = _FIXED.get(model, {})
    return [{n: _rounded(v) for n, v in c.items()} | fixed for c in found]


def _drawn(space: Mapping[str, BaseDistribution], rng: np.random.Generator) -> Configuration:
    """Draw a configuration uniformly."""
    return SearchSpace(dict(space)).configuration(rng.random(len(space)))


def _rounded(value: Any) -> Any:
    return float(f"{value:.2g}") if isinstance(value, float) else value


def evaluate(model: str) -> None:
    """Train what is missing of a family's configurations, and keep the losses in a file."""
    path = _FOLDER / f"{model}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = _read(path) if path.exists() else {}
    missing = [
        (table, i, c)
        for i, c in enumerate(configurations(model))
        for table in PORTFOLIO
        if (table, i) not in found
    ]
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        for table, index, configuration in tqdm(missing, desc=model):
            task = _task(model, table)
            writer.writerow([table, index, repr(task.loss(task.active(configuration)))])
            file.flush()


def _read(path: Path) -> dict[tuple[str, int], float]:
    with path.open(newline="") as file:
        return {(t, int(i)): float(loss) for t, i, loss in csv.reader(file)}


def regrets(model: str) -> np.ndarray:
    """Return the regret of each configuration (rows) on each table, from 0 to 1.

    Every second configuration is one of those drawn uniformly.
    """
    found = _read(_FOLDER / f"{model}.csv")
    losses = np.array([[found[t, i] for t in PORTFOLIO] for i in range(_N_CONFIGURATIONS)])
    best, median = losses.min(axis=0), np.median(losses[1::2], axis=0)
    regret: np.ndarray = (losses - best) / np.maximum(median - best, 1e-12)
    return regret.clip(0.0, 1.0)


def greedy(regret: np.ndarray, n: int, first: Sequence[int] = ()) -> list[int]:
    """Return the rows that, after the first ones, lower the mean of the least regrets most."""
    chosen = list(first)
    reached = regret[chosen].min(axis=0) if chosen else np.ones(regret.shape[1])
    for _ in range(n):
        best = int(np.minimum(regret, reached).mean(axis=1).argmin())
        chosen.append(best)
        reached = np.minimum(reached, regret[best])
    return chosen


def _course(regret: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Return the least regret so far on each table after each of the chosen rows."""
    return np.minimum.accumulate(regret[list(chosen)], axis=0)


def left_out(regret: np.ndarray, n: int, first: Sequence[int] = ()) -> np.ndarray:
    """Return the mean course on tables that are each left out when rows are chosen."""
    courses = [
        _course(regret[:, [t]], greedy(np.delete(regret, t, axis=1), n, first))[:, 0]
        for t in range(regret.shape[1])
    ]
    mean: np.ndarray = np.mean(courses, axis=0)
    return mean


def around(regret: np.ndarray, n: int) -> np.ndarray:
    """Return the mean course of the usual configuration and n of those drawn around it."""
    rng = np.random.default_rng(0)
    drawn = np.arange(2, len(regret), 2)
    courses = [
        _course(regret, [0, *rng.choice(drawn, n, replace=False)]).mean(axis=1)
        for _ in range(_N_REPEATS)
    ]
    mean: np.ndarray = np.mean(courses, axis=0)
    return mean


def choose(models: Sequence[str]) -> None:
    """Print the portfolios as the prior reads them, and their worth on stderr."""
    print(
        "# Written by `python -m benchmarks.dev.portfolios choose`; the usual values come first."
    )
    for model in models:
        regret = regrets(model)
        chosen = greedy(regret, _N_ROWS, [0])
        alone = greedy(regret, _N_ROWS + 1)
        for title, course in (
            ("usual and rows", _course(regret, chosen).mean(axis=1)),
            ("- on other tables", left_out(regret, _N_ROWS, [0])),
            ("rows alone", _course(regret, alone).mean(axis=1)),
            ("- on other tables", left_out(regret, _N_ROWS + 1)),
            ("usual and around", around(regret, _N_ROWS)),
        ):
            print(f"{model:9}{title:18}", *(f"{r:.3f}" for r in course), file=sys.stderr)
        known = configurations(model)
        rows = ",\n".join(f"  {_as_toml(model, known[i])}" for i in chosen[1:])
        print("\n[[portfolio]]")
        print(f'family = "{_FAMILIES[model]}"')
        print('source = "python -m benchmarks.dev.portfolios"')
        print(f"rows = [\n{rows},\n]")


def _as_toml(model: str, configuration: Configuration) -> str:
    """Return a configuration under the table's own names, as an inline table."""
    prior, space = _prior(model), _space(model)
    active = _task(model, "boston").active(configuration) if model in MODELS else configuration
    cells = []
    for name, value in active.items():
        if name in _FIXED.get(model, {}):
            continue
        found = prior.lookup(name, space[name], space)
        assert found is not None
        is_choice = isinstance(space[name], CategoricalDistribution)
        shown = json.dumps(str(value).lower()) if is_choice else _two_digits(value)
        cells.append(f"{found.name} = {shown}")
    return "{" + ", ".join(cells) + "}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def main() -> None:
    """Evaluate or choose."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("evaluate", "choose"))
    parser.add_argument("--models", nargs="+", choices=_FAMILIES, default=list(_FAMILIES))
    arguments = parser.parse_args()
    if arguments.command == "choose":
        choose([m for m in arguments.models if (_FOLDER / f"{m}.csv").exists()])
        return
    for model in arguments.models:
        evaluate(model)


if __name__ == "__main__":
    main()
