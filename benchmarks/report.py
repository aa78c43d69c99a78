"""Markdown tables, drawn from results files."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks import statistics
from benchmarks.statistics import Estimate


BUDGETS = (5, 10, 25, 50, 100)


def markdown(rows: pd.DataFrame, baseline: str) -> str:
    """Return all tables of a report.

    Args:
        rows: What :func:`benchmarks.results.read` returns.
        baseline: The sampler that the others are compared with.
    """
    table = statistics.regrets(rows)
    sections = [
        (
            "Mean normalised regret",
            _absolute(table, lambda found: found, "{0.value:.4f} ({0.low:.4f}-{0.high:.4f})"),
        ),
        (
            "Mean rank",
            _absolute(table, statistics.ranks, "{0.value:.2f} ({0.low:.2f}-{0.high:.2f})"),
        ),
        ("Mean normalised regret by suite", by_suite(table)),
    ]
    if baseline in table.index.unique("sampler"):
        sections.insert(2, (f"Against {baseline}, paired", paired(rows, baseline)))
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in sections)


def paired(rows: pd.DataFrame, baseline: str) -> str:
    """Return each sampler's mean regret over the studies that the baseline has too."""
    table = statistics.regrets(rows)
    budgets = _budgets(table)
    seconds = rows.groupby("sampler")["seconds"].mean()
    reference = table.xs(baseline, level="sampler")
    header = ["sampler", "studies", *(f"regret at {b}" for b in budgets), "ms a proposal"]
    lines = [header, ["---"] * len(header)]
    for name in table.index.unique("sampler"):
        own = table.xs(name, level="sampler")
        pairs = own.index.intersection(reference.index)
        if pairs.empty:
            continue
        cells = [_pair(own.loc[pairs, b - 1], reference.loc[pairs, b - 1]) for b in budgets]
        lines.append([name, str(len(pairs)), *cells, f"{1000 * seconds[name]:.0f}"])
    note = (
        f"Mean normalised regret (0 best, 1 median configuration) of the studies that {baseline}"
        " has too, and its ratio to that with its 95 % bootstrap interval."
    )
    return f"{_lines(lines)}\n\n{note}"


def by_suite(table: pd.DataFrame) -> str:
    """Return the mean regrets in each suite, and in each scenario of YAHPO, at all budgets."""
    budgets = _budgets(table)
    suites, tasks = (table.index.get_level_values(n) for n in ("suite", "task"))
    groups = np.array([_group(s, t) for s, t in zip(suites, tasks, strict=True)])
    found = {
        g: [statistics.blocks(table[groups == g], b) for b in budgets]
        for g in dict.fromkeys(groups.tolist())
    }
    lines = [["sampler", *found], ["---"] * (1 + len(found))]
    for name in table.index.unique("sampler"):
        cells = [
            " / ".join(f"{f[name].mean():.3f}" if name in f else "-" for f in own)
            for own in found.values()
        ]
        lines.append([name, *cells])
    at = " / ".join(map(str, budgets))
    counts = ", ".join(f"{g} {len(own[0])}" for g, own in found.items())
    return f"{_lines(lines)}\n\nAfter {at} trials. Tasks times seeds: {counts}."


def _group(suite: str, task: str) -> str:
    """Return ``lcbench-noisy`` for the suite ``yahpo-noisy`` and the task ``lcbench/3945``."""
    scenario, slash, _ = task.partition("/")
    return scenario + suite.removeprefix("yahpo") if slash else suite


def _absolute(table: pd.DataFrame, of: Callable[[pd.DataFrame], pd.DataFrame], form: str) -> str:
    """Return one estimate a sampler and budget, over the blocks that all samplers have."""
    budgets = _budgets(table)
    found = {b: of(statistics.blocks(table, b)) for b in budgets}
    lines = [["sampler", *map(str, budgets)], ["---"] * (1 + len(budgets))]
    for name in table.index.unique("sampler"):
        cells = [
            form.format(statistics.mean(found[b][name].to_numpy()))
            if name in found[b] and len(found[b])
            else "-"
            for b in budgets
        ]
        lines.append([name, *cells])
    sizes = ", ".join(f"{len(f)} and {len(f.columns)} at {b}" for b, f in found.items())
    note = f"With 95 % bootstrap intervals. Tasks times seeds, and samplers: {sizes} trials."
    return f"{_lines(lines)}\n\n{note}"


def _budgets(table: pd.DataFrame) -> list[int]:
    return [b for b in BUDGETS if b - 1 in table.columns]


def _pair(own: pd.Series[float], reference: pd.Series[float]) -> str:
    a, b = own.to_numpy(), reference.to_numpy()
    both = ~np.isnan(a) & ~np.isnan(b)
    if not both.any():
        return "not run"
    estimate: Estimate = statistics.ratio(a[both], b[both])
    return f"{a[both].mean():.4f} ({estimate.value:.2f}x, {estimate.low:.2f}-{estimate.high:.2f})"


def _lines(cells: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
