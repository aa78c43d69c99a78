"""What versions of a function by a model are worth: against numbers only, chance, and no feedback.

``python -m benchmarks.code`` fits a curve by a sum of terms with tuned factors. The stand-in
for a model knows a list of terms, and nothing of the curve: it takes one of the versions that it
is shown and adds, drops or exchanges one term. So only results can tell it where to go on:

- ``versions``: it goes on from the best version that it is shown.
- ``permuted results``: it goes on from any of those; what it is shown of results tells nothing.
- ``random choice``: as many versions by a random walk, each trial runs any of them.
- ``numbers only``: the user's version, whose numbers are tuned.

All have the same base sampler, and one process for each trial's version.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
import csv
import math
from pathlib import Path
import re

import numpy as np
import optuna

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm import code_parameter
from optuna_llm import suggest_code
from optuna_llm.code.suggest import Version


RESULTS = Path(__file__).parent / "results" / "code.csv"
ARMS = ("versions", "permuted results", "random choice", "numbers only")
AT = (10, 20, 30)
TERMS = ("x", "x * x", "math.sin(x)", "math.sin(3 * x)", "math.exp(-x * x)", "abs(x)")
_POINTS = np.linspace(-3, 3, 41)
# The curve: three of the terms, with factors that are none of a model's.
_CURVE = 1.3 * np.sin(3 * _POINTS) + 0.35 * _POINTS**2 + 0.8 * np.abs(_POINTS)


@code_parameter(examples=[([-1.0, 0.0, 2.0],)], trust="limits", seconds=60.0)
def curve(points: list[float]) -> list[float]:
    """Return a value for each point."""
    return [0.5 * x for x in points]


def source_of(terms: tuple[str, ...]) -> str:
    summed = " + ".join(f"0.5 * {term}" for term in terms)
    return f"def curve(points):\n    return [{summed} for x in points]\n"


def terms_in(source: str) -> tuple[str, ...]:
    """Return the terms of a version, whatever its factors are."""
    body = re.search(r"return \[(.*) for x in points\]", source)
    assert body is not None, source
    return tuple(re.sub(r"^[\d.e+-]+ \* ", "", t) for t in re.split(r" \+ (?=[\d.])", body[1]))


def changed(terms: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """Add, drop or exchange one term."""
    others = [t for t in TERMS if t not in terms]
    kept = list(terms)
    step = rng.integers(3)
    if len(kept) > 1 and (step > 0 or not others):
        kept.pop(int(rng.integers(len(kept))))
    if others and (step < 2 or not kept):
        kept.append(others[int(rng.integers(len(others)))])
    return tuple(kept)


class StandIn:
    """A model that changes a version by one term, and proposes no configurations."""

    def __init__(self, seed: int, *, reads_results: bool) -> None:
        self._rng = np.random.default_rng(seed)
        self._reads_results = reads_results

    def __call__(self, prompt: str) -> str:
        """Answer a prompt."""
        if "VERSIONS (worst first" not in prompt:
            return "I cannot say."
        known = r"return \[.* for x in points\]"
        shown = re.findall(known, prompt.partition("VERSIONS (")[2]) or re.findall(known, prompt)
        chosen = shown[-1] if self._reads_results else shown[self._rng.integers(len(shown))]
        source = source_of(changed(terms_in(chosen), self._rng))
        return f"Another term.\n```python\n{source}```"


def loss(version: Version) -> float:
    return float(np.sqrt(np.mean((np.array(version(_POINTS.tolist())) - _CURVE) ** 2)))


def run(arm: str, seed: int, n_trials: int) -> list[float]:
    """Return the best values after each trial."""
    rng = np.random.default_rng(seed)
    sampler: optuna.samplers.BaseSampler = CQRSampler(seed=seed)
    if arm in ("versions", "permuted results"):
        model = StandIn(seed, reads_results=arm == "versions")
        sampler = LLMSampler(model, base_sampler=CQRSampler(seed=seed), seed=seed)
    study = optuna.create_study(sampler=sampler)
    pool = [terms_in(curve.text)]
    for number in range(n_trials):
        if arm == "random choice" and number > 0:
            if rng.random() < 0.3:
                pool.append(changed(pool[int(rng.integers(len(pool)))], rng))
            source = source_of(pool[int(rng.integers(len(pool)))])
            born = {t.user_attrs["llm:choice:curve"]: t.params["curve"] for t in study.trials}
            study.enqueue_trial({"curve": born.get(source, source)})
        study.optimize(lambda trial: loss(suggest_code(trial, curve)), n_trials=1)
    values = [math.inf if t.value is None else t.value for t in study.trials]
    best: list[float] = np.minimum.accumulate(values).tolist()
    return best


def table(done: Mapping[tuple[str, int], Sequence[float]], seeds: Sequence[int]) -> list[str]:
    """Return mean and range of the best values of each arm, as lines of Markdown."""
    lines = ["| | " + " | ".join(f"after {n} trials" for n in AT) + " |", "|---" * 4 + "|"]
    for arm in ARMS:
        cells = []
        for n in AT:
            values = [done[arm, seed][n - 1] for seed in seeds]
            cells.append(f"{np.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines


def read(path: Path) -> dict[tuple[str, int], list[float]]:
    """Return the best values after each trial, by arm and seed."""
    if not path.exists():
        return {}
    with path.open() as file:
        return {(arm, int(seed)): [float(v) for v in row] for arm, seed, *row in csv.reader(file)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    done = read(arguments.results)
    for seed in range(arguments.seeds):
        for arm in ARMS:
            if (arm, seed) not in done:
                done[arm, seed] = run(arm, seed, AT[-1])
                with arguments.results.open("a") as file:
                    shown = (f"{v:.5g}" for v in done[arm, seed])
                    csv.writer(file, lineterminator="\n").writerow([arm, seed, *shown])
    print("\n".join(table(done, range(arguments.seeds))))


if __name__ == "__main__":
    main()
