"""Rules that stop, replayed on recorded studies: what they save, and what that costs on a test.

python -m benchmarks.stopping record --tasks development --seeds 0-1
python -m benchmarks.stopping report --tasks development
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import optuna
import pandas as pd
from tqdm import tqdm

from benchmarks.stopping.record import path_of
from benchmarks.stopping.record import record
from benchmarks.stopping.rules import FAMILIES
from benchmarks.stopping.rules import outcome
from benchmarks.stopping.tasks import DEVELOPMENT
from benchmarks.stopping.tasks import REPORT
from benchmarks.stopping.traces import trace


_LISTS = {"development": DEVELOPMENT, "report": REPORT}
_SHOWN = ("stopped", "saved", "time", "ryc", "lost")


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stopping",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("record", "report"))
    parser.add_argument("--tasks", choices=_LISTS, default="report")
    parser.add_argument("--samplers", nargs="+", default=["CQR"], help="of the benchmark")
    parser.add_argument("--seeds", default="0-1")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("build/stopping"))
    args = parser.parse_args()
    first, _, last = args.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if args.command == "record":
        for sampler in args.samplers:
            record(args.folder, _LISTS[args.tasks], sampler, seeds, args.trials)
        return 0
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    paths = [
        path
        for sampler in args.samplers
        for task in _LISTS[args.tasks]
        for seed in seeds
        if (path := path_of(args.folder, task, sampler, seed)).exists()
    ]
    if not paths:
        print(f"no recording in {args.folder}: `record` makes them", file=sys.stderr)
        return 1
    found = _outcomes(paths)
    print(f"{len(paths)} studies of {found['task'].nunique()} tasks\n\n{_markdown(found)}")
    _draw(found, args.folder / f"{args.tasks}.png")
    return 0


def _outcomes(paths: list[Path]) -> pd.DataFrame:
    """Return what each rule has done in each recorded study, a row for each."""
    rows = []
    for path in tqdm(paths, unit="study"):
        table = trace(path)
        for name, family in FAMILIES.items():
            for setting, stops in family.settings.items():
                own = outcome(table, stops(table))
                task = path.name.partition(".")[0]
                rows.append({"task": task, "rule": name, "setting": setting, **own})
    found: pd.DataFrame = pd.DataFrame(rows)
    return found


def _summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return means over studies: of tasks, all count alike."""
    groups = found.groupby(["rule", "setting"], sort=False)
    table: pd.DataFrame = groups[list(_SHOWN)].mean()
    table["median lost"] = groups["lost"].median()
    table["worst lost"] = groups["lost"].max()
    table["ryc < -1 %"] = groups["ryc"].agg(lambda r: (r < -0.01).mean())
    summary: pd.DataFrame = table.reset_index()
    return summary


def _markdown(found: pd.DataFrame) -> str:
    heads = ["rule", "setting", "stopped after", "trials saved", "time saved (RTC)", "RYC"]
    heads += ["RYC below -1 %", "lost, mean", "median", "worst"]
    lines = [heads, ["---"] * len(heads)]
    for _, r in _summary(found).iterrows():
        is_default = FAMILIES[r["rule"]].default == r["setting"]
        name = f"**{r['rule']}**" if is_default else r["rule"]
        numbers = [f"{r['stopped']:.0f}", f"{r['saved']:.0%}", f"{r['time']:.0%}"]
        numbers += [f"{r['ryc']:+.2%}", f"{r['ryc < -1 %']:.0%}"]
        numbers += [f"{r[c]:.2%}" for c in ("lost", "median lost", "worst lost")]
        lines.append([name, f"{r['setting']:g}", *numbers])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _draw(found: pd.DataFrame, path: Path) -> None:
    """Draw what rules save against what that costs, a line for each family."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for rule, own in _summary(found).groupby("rule", sort=False):
        own = own.sort_values("saved")
        (line,) = axes.plot(own["saved"], own["lost"], marker="o", markersize=4, label=rule)
        default = own[own["setting"] == FAMILIES[str(rule)].default]
        axes.plot(default["saved"], default["lost"], "o", markersize=10, color=line.get_color())
    axes.set_xlabel("share of the trials saved")
    axes.set_ylabel("test loss added, share of its range (mean)")
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
