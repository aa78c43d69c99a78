"""Coverage of 80, 60 and 50 % intervals on exchangeable data, and of others along the search.

python -m benchmarks.dev.coverage --repeats 100
python -m benchmarks.dev.coverage --along-search --samplers CQR "LLM, no model"

Along the search: what a sampler has predicted of its own proposals on development tasks, before
and after the correction online, held against what came.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import warnings

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from tqdm import tqdm

from benchmarks.dev.tasks import CHEAP
from benchmarks.dev.tasks import MORE
from benchmarks.samplers import SAMPLERS
from benchmarks.samplers import Study
from benchmarks.tasks import load
from benchmarks.variants import Variant
from optuna_llm.history.expected import Expected
from optuna_llm.surrogate import ConformalQuantileTrees
from optuna_llm.surrogate import QuantileEnsemble
from optuna_llm.surrogate.online import Recalibration
from optuna_llm.surrogate.online import deviations


NOISES: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "none": lambda rng, X: np.zeros(len(X)),
    "normal": lambda rng, X: 0.3 * rng.standard_normal(len(X)),
    "heteroscedastic": lambda rng, X: (0.1 + 0.5 * X[:, 3]) * rng.standard_normal(len(X)),
    "skewed": lambda rng, X: 0.3 * rng.exponential(size=len(X)),
}
WIDE, NARROW = (0.1, 0.2, 0.8, 0.9), (0.25, 0.5, 0.75)
SURROGATES = {"ensemble": QuantileEnsemble, "gbt": ConformalQuantileTrees}
COVERAGES = (0.2, 0.4, 0.6, 0.8)
# Each as a pair of levels; and the median.
LEVELS = (*(0.5 - c / 2 for c in reversed(COVERAGES)), 0.5, *(0.5 + c / 2 for c in COVERAGES))
PHASES = ((0, 20), (20, 40), (40, 1000))


def draw(n: int, noise: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return five uniform features and three one-hot ones, and noisy values of a smooth bowl."""
    X = np.zeros((n, 8))
    X[:, :5] = rng.random((n, 5))
    X[np.arange(n), 5 + rng.integers(3, size=n)] = 1
    mean = 3 * ((X[:, :3] - 0.4) ** 2).sum(axis=1) + X[:, 0] * X[:, 1] + 0.5 * X[:, 5]
    return X, mean + NOISES[noise](rng, X)


def finished(task: str, sampler: str, seed: int, n_trials: int) -> list[FrozenTrial]:
    """Return the trials of one study."""
    loaded = load(task)
    variant = loaded if isinstance(loaded, Variant) else Variant(loaded)
    noise = variant.noise * (variant.median - variant.best) if variant.noise else 0.0
    rng = np.random.default_rng([seed, 77])
    with SAMPLERS[sampler].open(Study(loaded, seed, n_trials)) as built:
        study = optuna.create_study(sampler=built)
        study.optimize(
            lambda trial: variant.loss(variant.ask(trial)) + noise * rng.standard_normal(),
            n_trials=n_trials,
            catch=(MemoryError,),
        )
    return study.trials


def along_search(trials: Sequence[FrozenTrial]) -> np.ndarray:
    """Return for each trial of which something was predicted (n, 4): see the columns.

    Its number; the size of the smallest of the central intervals that holds the outcome, as it
    was predicted and as it was told; whether the outcome lies above the median that was told.
    Sizes count in steps of the intervals that are looked at.
    """
    scores, rows = np.empty(0), []
    for trial in trials:
        expected = np.array([Expected.read(trial).expected])
        if trial.value is None or expected.size == 0:
            continue
        sizes = []
        for correction in (Recalibration(), Recalibration(scores)):
            (told,) = correction.quantiles(expected, LEVELS)
            pairs = zip(COVERAGES, told[3::-1], told[5:], strict=True)
            sizes.append(min((c for c, a, b in pairs if a <= trial.value <= b), default=1.0))
        rows.append([trial.number, *sizes, trial.value > told[4]])
        scores = np.append(scores, deviations(expected, np.array([trial.value])))
    return np.array(rows)


def print_along_search(arguments: argparse.Namespace) -> None:
    """Print which shares of the outcomes lie in intervals, by sampler and part of the search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    wanted = "  ".join(f"{c:6.0%}" for c in COVERAGES)
    for sampler in arguments.samplers:
        jobs = [(t, s) for t in arguments.tasks for s in range(*arguments.seeds)]
        studies = [
            along_search(finished(task, sampler, seed, arguments.trials))
            for task, seed in tqdm(jobs, unit="study")
        ]
        rows = np.vstack([s for s in studies if len(s)])
        print(f"{sampler}, {len(jobs)} studies\n{'':32}  {wanted}  above median")
        for column, how in ((1, "as predicted"), (2, "as told")):
            for low, high in ((0, 1000), *PHASES):
                part = rows[(low <= rows[:, 0]) & (rows[:, 0] < high)]
                if len(part) == 0:
                    continue
                held = [np.mean(part[:, column] <= c) for c in COVERAGES]
                above = f"{part[:, 3].mean():.3f}" if column == 2 else ""
                which = "all" if high - low == 1000 else f"trials {low}-{high - 1}"
                shares = "  ".join(f"{h:6.3f}" for h in held)
                print(f"{how:13} {which:12} n={len(part):4}  {shares}  {above}", flush=True)


def main() -> None:
    """Print mean coverage and its standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 500, 1000, 3000])
    parser.add_argument("--surrogates", nargs="+", choices=SURROGATES, default=list(SURROGATES))
    parser.add_argument("--along-search", action="store_true")
    parser.add_argument("--tasks", nargs="+", default=[*CHEAP, *MORE])
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=["CQR"])
    parser.add_argument("--seeds", nargs=2, type=int, default=[0, 1], help="first, and one more")
    parser.add_argument("--trials", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.along_search:
        print_along_search(arguments)
        return
    print(f"{'':31} {'   '.join(f'{t:15}' for t in ('80 %', '60 %', '50 %', 'above median'))}")
    for name in arguments.surrogates:
        for n in arguments.sizes:
            for noise in NOISES:
                covered = []
                for repeat in range(arguments.repeats):
                    rng = np.random.default_rng([n, repeat])
                    X, y = draw(n, noise, rng)
                    X_new, y_new = draw(400, noise, rng)
                    model = SURROGATES[name](seed=repeat).fit(X, y)
                    wide, narrow = (model.predict(X_new, levels) for levels in (WIDE, NARROW))
                    pairs = (wide[:, [0, 3]], wide[:, [1, 2]], narrow[:, [0, 2]])
                    inside = [np.mean((q[:, 0] <= y_new) & (y_new <= q[:, 1])) for q in pairs]
                    covered.append([*inside, np.mean(y_new > narrow[:, 1])])
                mean = np.mean(covered, axis=0)
                error = np.std(covered, axis=0) / np.sqrt(len(covered))
                shares = (f"{m:.3f} +- {e:.3f}" for m, e in zip(mean, error, strict=True))
                print(f"{name:8} n={n:4} {noise:15} {'   '.join(shares)}", flush=True)


if __name__ == "__main__":
    main()
