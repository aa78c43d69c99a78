"""Plots of a report: regret and rank over trials, and the sampler's time over the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import statistics


# Okabe and Ito's colours, which the colour-blind can tell apart; then again with other dashes.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
_SMOOTHED = 9


def draw(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw all plots into a folder and return their paths.

    Args:
        rows: What :func:`benchmarks.results.read` returns.
        folder: Where to put the images; made if it is not there.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    table = statistics.regrets(rows)
    names = list(table.index.unique("sampler"))
    styles = {
        n: {"color": _COLOURS[i % 7], "linestyle": _DASHES[i // 7 % 4]}
        for i, n in enumerate(names)
    }
    numbers = range(1, len(table.columns) + 1)
    counted = statistics.counted(table)
    found = {n: statistics.blocks(counted, n) for n in numbers}
    most = max(len(f.columns) for f in found.values())
    # Ranks among fewer samplers would be others.
    ranked = {
        n: statistics.ranks(statistics.blocks(table, n))
        for n, f in found.items()
        if len(f.columns) == most
    }
    return [
        _over_trials(_curves(found), styles, "mean normalised regret", folder / "regret.png"),
        _over_trials(_curves(ranked), styles, "mean rank", folder / "rank.png"),
        _overhead(rows, styles, folder / "overhead.png"),
    ]


Curves = dict[str, list[tuple[int, statistics.Estimate]]]


def _curves(found: dict[int, pd.DataFrame]) -> Curves:
    curves: Curves = {}
    for n, values in found.items():
        for name in values:
            curves.setdefault(str(name), []).append((n, statistics.mean(values[name].to_numpy())))
    return curves


def _over_trials(curves: Curves, styles: dict[str, Any], label: str, path: Path) -> Path:
    figure, axes = _figure()
    # The legend reads in the order of the curves' ends, from top to bottom.
    best_first = "rank" in label
    order = sorted(curves, key=lambda n: curves[n][-1][1].value, reverse=not best_first)
    for name in order:
        trials = [n for n, _ in curves[name]]
        means, lows, highs = (
            [getattr(e, a) for _, e in curves[name]] for a in ("value", "low", "high")
        )
        axes.plot(trials, means, label=name, linewidth=1.6, **styles[name])
        axes.fill_between(
            trials, lows, highs, color=styles[name]["color"], alpha=0.07, linewidth=0
        )
    axes.set_xlabel("trials")
    axes.set_ylabel(f"{label}, with 95 % intervals")
    if "regret" in label:
        axes.set_yscale("log")
        # Single first trials may be far worse than the median.
        axes.set_ylim(top=min(axes.get_ylim()[1], 2.0))
    else:
        axes.invert_yaxis()
    return _save(figure, axes, path)


def _overhead(rows: pd.DataFrame, styles: dict[str, Any], path: Path) -> Path:
    figure, axes = _figure()
    # Means, because some samplers refit only now and then.
    means = rows.groupby(["sampler", "trial"])["seconds"].mean().unstack("sampler")
    smooth = 1000 * means.rolling(_SMOOTHED, center=True, min_periods=1).mean()
    smooth = smooth.where(means.notna())
    for name in smooth.ffill().iloc[-1].sort_values(ascending=False).index:
        own = smooth[name].dropna().clip(lower=0.1)
        axes.plot(own.index + 1, own, label=name, linewidth=1.6, **styles[name])
    axes.set_xlabel("trials in the history")
    axes.set_ylabel("milliseconds in the sampler, a trial (mean)")
    axes.set_yscale("log")
    return _save(figure, axes, path)


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> Path:
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    axes.set_xlim(1, max(line.get_xdata()[-1] for line in axes.get_lines()))
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=130)
    return path
