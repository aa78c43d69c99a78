"""What earlier studies are worth, by what they were: a table of a results file of the suite.

python -m benchmarks.dev.transfer benchmarks/results/transfer.csv

For each kind of task the mean normalised regret after 5, 10 and 25 trials, and its ratio to that
of CQR on the same tasks and seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import statistics
from benchmarks.results import read


_TRIALS = (5, 10, 25)
_BASELINE = "CQR"
_KINDS = {
    "grow, others, changed": ("grow", "others", "changed"),
    "unrelated": ("unrelated",),
    "hostile": ("hostile",),
}


def table(path: Path) -> str:
    """Return the table in Markdown."""
    regrets = statistics.regrets(read([path]))
    kind = regrets.index.get_level_values("task").str.partition("-").get_level_values(0)
    lines = [
        "| earlier studies | sampler | studies | " + " | ".join(f"at {n}" for n in _TRIALS) + " |",
        "| --- " * (3 + len(_TRIALS)) + "|",
    ]
    for name, kinds in _KINDS.items():
        own = regrets[kind.isin(kinds)]
        blocks = {n: statistics.blocks(own, n) for n in _TRIALS}
        for sampler in blocks[_TRIALS[0]]:
            cells = []
            for found in blocks.values():
                mean, base = found[sampler].mean(), found[_BASELINE].mean()
                cells.append(f"{mean:.4f} ({mean / base:.2f}x)")
            n_studies = len(blocks[_TRIALS[0]])
            lines.append(f"| {name} | {sampler} | {n_studies} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    print(table(parser.parse_args().results))


if __name__ == "__main__":
    main()
