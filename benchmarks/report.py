"""Markdown tables, drawn from results files."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks import statistics
from benchmarks.results import is_constrained
from benchmarks.results import variant_of
from benchmarks.statistics import Estimate


BUDGETS = (5, 10, 25, 50, 100)


def markdown(rows: pd.DataFrame, *baselines: str) -> str:
    """Return all tables of a report; of several variants the comparisons in each, and with plain.

    Args:
        rows: What :func:`benchmarks.results.read` returns.
        baselines: The samplers that the others are compared with.
    """
    of_variants = by_variant(rows)
    sections: list[tuple[str, str]] = []
    if len(of_variants) == 1:
        sections += _sections(rows, baselines)
    else:
        for label, own in of_variants.items():
            sections += [
                (f"Against {baseline} on {label} tasks, paired", paired(own, baseline))
                for baseline in baselines
                if baseline in own["sampler"].to_numpy()
            ]
        if "plain" in of_variants:
            sections.append(("Against the same sampler on plain tasks, paired", _to_plain(rows)))
    if is_constrained(rows["suite"]).any():
        sections.append(("Feasible trials", _feasible(rows)))
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in sections)


def by_variant(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each variant, the plain tasks first."""
    labels = variant_of(rows["suite"])
    names = sorted(labels.unique(), key=lambda n: (n != "plain", n))
    return {name: rows[labels == name] for name in names}


def _sections(rows: pd.DataFrame, baselines: Sequence[str]) -> list[tuple[str, str]]:
    table = statistics.regrets(rows)
    counted = statistics.counted(table)
    regrets = _absolute(counted, lambda found: found, "{0.value:.4f} ({0.low:.4f}-{0.high:.4f})")
    ranks = _absolute(table, statistics.ranks, "{0.value:.2f} ({0.low:.2f}-{0.high:.2f})")
    return [
        ("Mean normalised regret", regrets),
        ("Mean rank", ranks),
        *(
            (f"Against {baseline}, paired", paired(rows, baseline))
            for baseline in baselines
            if baseline in table.index.unique("sampler")
        ),
        ("Mean normalised regret by suite", by_suite(counted)),
    ]


def paired(rows: pd.DataFrame, baseline: str) -> str:
    """Return each sampler's mean regret over the studies that the baseline has too."""
    table = statistics.counted(statistics.regrets(rows))
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


def _to_plain(rows: pd.DataFrame) -> str:
    """Return each sampler's mean regret in each variant, and its ratio to that without."""
    variants = by_variant(rows)
    tables = {n: statistics.counted(statistics.regrets(own)) for n, own in variants.items()}
    plain = tables.pop("plain")
    budgets = sorted({b for table in tables.values() for b in _budgets(table)})
    header = ["sampler", "variant", "studies", *(f"regret at {b}" for b in budgets)]
    lines = [header, ["---"] * len(header)]
    last = [b - 1 for b in budgets]
    for name in plain.index.unique("sampler"):
        reference = plain.reindex(columns=last).xs(name, level="sampler")
        for label, table in tables.items():
            if name not in table.index.unique("sampler"):
                continue
            own = table.reindex(columns=last).xs(name, level="sampler")
            own.index = own.index.map(lambda key: (key[0].partition("-")[0], *key[1:]))
            pairs = own.index.intersection(reference.index)
            if not pairs.empty:
                cells = [_pair(own.loc[pairs, i], reference.loc[pairs, i]) for i in last]
                lines.append([name, label, str(len(pairs)), *cells])
    note = (
        "Mean normalised regret in the variant, and its ratio to that of the same sampler on the "
        "plain tasks with the same seeds, with its 95 % bootstrap interval."
    )
    return f"{_lines(lines)}\n\n{note}"


def _feasible(rows: pd.DataFrame) -> str:
    """Return how many trials of constrained tasks were feasible, and how soon the first was."""
    own = rows[is_constrained(rows["suite"])]
    own = own.assign(feasible=own["value"].notna())
    header = ["sampler", "suite", "feasible", "first feasible trial", "studies without one"]
    lines = [header, ["---"] * len(header)]
    for (sampler, suite), found in own.groupby(["sampler", "suite"]):
        first = found[found["feasible"]].groupby(statistics.BLOCK)["trial"].min() + 1
        n_studies = found.groupby(statistics.BLOCK).ngroups
        share, missing = found["feasible"].mean(), n_studies - len(first)
        when = f"{first.median():.0f}" if len(first) else "-"
        lines.append([sampler, suite, f"{share:.0%}", when, f"{missing} of {n_studies}"])
    note = (
        "Share of all trials, and the median number of the first; failed trials are not feasible. "
        "In constrained tasks a regret counts up to 1, the median feasible configuration; before "
        "the first feasible trial it counts as 1, and ranks last."
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
    """Return the numbers of trials to report: the usual ones, and where the runs ended.

    The end of a run is that of a whole suite or of all of a sampler's studies.
    """
    lengths = (table.notna() * (table.columns.to_numpy() + 1)).max(axis=1)
    ends = {int(n) for by in ("suite", "sampler") for n in lengths.groupby(level=by).max() if n}
    return sorted({b for b in BUDGETS if b - 1 in table.columns} | ends)


def _pair(own: pd.Series[float], reference: pd.Series[float]) -> str:
    a, b = own.to_numpy(), reference.to_numpy()
    both = ~np.isnan(a) & ~np.isnan(b)
    if not both.any():
        return "not run"
    estimate: Estimate = statistics.ratio(a[both], b[both])
    return f"{a[both].mean():.4f} ({estimate.value:.2f}x, {estimate.low:.2f}-{estimate.high:.2f})"


def _lines(cells: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
