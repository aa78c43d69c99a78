"""What failures cost beyond the trials that they take.

    python -m benchmarks.dev.lost_trials benchmarks/results/failures.csv --rate 0.2

With a share of the trials failing, a study has as many results as a shorter one without
failures. Two ratios of mean regrets, with 95 % intervals: that of the shorter study to the whole
one, both without failures, and that of the study with failures to the shorter one. The latter is
1 where a failed trial costs itself and nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import results
from benchmarks import statistics


def main() -> None:
    """Print both ratios for each sampler after 50 trials and at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--rate", type=float, default=0.2)
    arguments = parser.parse_args()
    variant = f"-flaky-{arguments.rate:g}"
    table = statistics.regrets(results.read([arguments.results]))
    for sampler, own in table.groupby(level="sampler"):
        rows = own.droplevel("sampler")
        is_flaky = rows.index.get_level_values("suite").str.endswith(variant)
        flaky = rows[is_flaky].rename(lambda suite: suite.removesuffix(variant), level="suite")
        plain = rows[~is_flaky]
        pairs = plain.index.intersection(flaky.index)
        plain, flaky = plain.loc[pairs], flaky.loc[pairs]
        for n in (50, len(rows.columns)):
            fewer = round((1 - arguments.rate) * n)
            whole, shorter = _after(plain, n), _after(plain, fewer)
            bound = statistics.ratio(shorter, whole)
            cost = statistics.ratio(_after(flaky, n), shorter)
            print(
                f"{sampler}, {len(pairs)} pairs: {fewer} to {n} trials {_shown(bound)}; ", end=""
            )
            print(f"{n} with failures to {fewer} without {_shown(cost)}")


def _after(table: pd.DataFrame, n_trials: int) -> np.ndarray:
    return np.asarray(table[n_trials - 1])


def _shown(estimate: statistics.Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f}-{estimate.high:.2f})"


if __name__ == "__main__":
    main()
