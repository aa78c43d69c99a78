"""Means, ranks and paired ratios with bootstrap intervals, from the regrets of many studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.results import is_constrained


_N_BOOTSTRAP = 2000
_INTERVAL = (0.025, 0.975)
BLOCK = ["suite", "task", "seed"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def regrets(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the regret of the best configuration so far: one row a study, one column a trial."""
    table: pd.DataFrame = rows.pivot(index=[*BLOCK, "sampler"], columns="trial", values="regret")
    ordered: pd.DataFrame = table.sort_index()
    return ordered


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """Return regrets as means count them: those of constrained tasks up to 1.

    Before the first feasible trial a regret is infinite; it counts like the median feasible
    configuration. Nothing that is found counts as worse than nothing.
    """
    constrained = is_constrained(table.index.to_frame()["suite"])
    capped: pd.DataFrame = table.mask(constrained, table.clip(upper=1.0))
    return capped


def blocks(table: pd.DataFrame, n_trials: int) -> pd.DataFrame:
    """Return regrets after ``n_trials``, one row a (suite, task, seed), one column a sampler.

    Only blocks that all of these samplers have: what is compared is compared on the same tasks
    and seeds. A sampler that was run so long on less than half of the blocks is left out.
    """
    found = table.reindex(columns=[n_trials - 1])[n_trials - 1].unstack("sampler")
    counts = found.count()
    complete: pd.DataFrame = found.loc[:, 2 * counts >= max(counts.max(), 1)].dropna()
    return complete


def ranks(found: pd.DataFrame) -> pd.DataFrame:
    """Rank the samplers in each block, 1 for the smallest regret; ties share their mean."""
    ranked: pd.DataFrame = found.rank(axis=1)
    return ranked


def mean(values: np.ndarray) -> Estimate:
    """Return the mean over blocks; the bootstrap draws blocks."""
    means = values[_resampled(len(values))].mean(axis=1)
    return Estimate(float(values.mean()), *map(float, np.quantile(means, _INTERVAL)))


def ratio(values: np.ndarray, baseline: np.ndarray) -> Estimate:
    """Return the ratio of two means over the same blocks; the bootstrap draws blocks."""
    drawn = _resampled(len(values))
    # Both may have found the best known everywhere.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = values[drawn].mean(axis=1) / baseline[drawn].mean(axis=1)
        low, high = np.quantile(ratios, _INTERVAL)
        whole = np.divide(values.mean(), baseline.mean())
    return Estimate(float(whole), float(low), float(high))


def _resampled(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(n, size=(_N_BOOTSTRAP, n))
