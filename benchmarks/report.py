"""Tables of mean normalised regret, drawn from a results file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd


_BUDGETS = (5, 10, 25, 50, 100)
_N_BOOTSTRAP = 2000


def best_so_far(path: Path) -> pd.DataFrame:
    """Return the smallest regret until each trial: one row a study, one column a trial."""
    rows = pd.read_csv(path)
    table = rows.pivot_table(
        index=["task", "seed", "sampler"], columns="trial", values="regret", aggfunc="last"
    )
    best: pd.DataFrame = table.sort_index().cummin(axis=1)
    return best


def markdown(path: Path, baseline: str, samplers: Sequence[str] | None = None) -> str:
    """Return the table: mean normalised regret, and its ratio to the baseline's, with intervals.

    Ratios are of means over the same tasks and seeds; the 95 % intervals are of 2,000 bootstrap
    samples of (task, seed) pairs.
    """
    table = best_so_far(path)
    budgets = [b for b in _BUDGETS if b - 1 in table.columns]
    names = list(samplers or table.index.unique("sampler"))
    seconds = pd.read_csv(path).groupby("sampler")["seconds"].median()
    header = ["sampler", "studies", *(f"regret at {b}" for b in budgets), "ms a proposal"]
    lines = [_line(header), _line(["---"] * len(header))]
    reference = table.xs(baseline, level="sampler")
    for name in names:
        own = table.xs(name, level="sampler")
        pairs = own.index.intersection(reference.index)
        cells = [_cell(own.loc[pairs, b - 1], reference.loc[pairs, b - 1]) for b in budgets]
        lines.append(_line([name, str(len(pairs)), *cells, f"{1000 * seconds[name]:.0f}"]))
    note = (
        f"Mean normalised regret (0 best, 1 median configuration) of the studies that {baseline}"
        " has too, and its ratio to that with its 95 % bootstrap interval."
    )
    return "\n".join([*lines, "", note])


def _cell(own: pd.Series[float], reference: pd.Series[float]) -> str:
    a, b = own.to_numpy(), reference.to_numpy()
    both = ~np.isnan(a) & ~np.isnan(b)
    if not both.any():
        return "not run"
    a, b = a[both], b[both]
    rng = np.random.default_rng(0)
    samples = rng.integers(len(a), size=(_N_BOOTSTRAP, len(a)))
    low, high = np.quantile(a[samples].mean(axis=1) / b[samples].mean(axis=1), [0.025, 0.975])
    return f"{a.mean():.4f} ({a.mean() / b.mean():.2f}x, {low:.2f}-{high:.2f})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
