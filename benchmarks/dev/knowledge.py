"""What each kind of knowledge is worth: regret after 1, 5, 10 and 25 trials, and on each model.

    python -m benchmarks run --suite knowledge --samplers knowledge --trials 25 \
        --results build/benchmarks/knowledge.csv
    python -m benchmarks.dev.knowledge build/benchmarks/knowledge.csv

Without ``--tasks development`` the report tasks are run. Ratios are to usual values alone, paired,
with 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from benchmarks import statistics
from benchmarks.results import read


_BUDGETS = (1, 5, 10, 25)
_BASELINE = "CQR, usual values"


def table(rows: pd.DataFrame) -> str:
    """Return the comparison over all tasks, and for each model, as Markdown.

    Args:
        rows: What :func:`benchmarks.results.read` returns.
    """
    regrets = statistics.regrets(rows)
    models = regrets.index.get_level_values("task").str.partition("-").get_level_values(0)
    header = ["tasks", "sampler", "studies", *(f"at {b}" for b in _BUDGETS)]
    lines = [header, ["---"] * len(header)]
    groups = {"all": regrets} | {str(m): regrets[models == m] for m in models.unique()}
    for group, own in groups.items():
        found = {b: statistics.blocks(own, b) for b in _BUDGETS}
        for name in sorted(own.index.unique("sampler"), key=lambda n: n != _BASELINE):
            cells = []
            for each in found.values():
                ratio = statistics.ratio(each[name].to_numpy(), each[_BASELINE].to_numpy())
                cells.append(
                    f"{each[name].mean():.3f} ({ratio.value:.2f}x,"
                    f" {ratio.low:.2f}-{ratio.high:.2f})"
                )
            counts = "/".join(str(len(each)) for each in found.values())
            lines.append([group, name, counts, *cells])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> None:
    """Print the table of a results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    print(table(read(parser.parse_args().results)))


if __name__ == "__main__":
    main()
