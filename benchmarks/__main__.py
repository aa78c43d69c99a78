"""Run samplers side by side on the same tasks, and report.

python -m benchmarks run --tasks report --samplers TPE "LLM, good model" --seeds 0-9 --trials 50
python -m benchmarks report --baseline TPE
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from benchmarks.report import markdown
from benchmarks.run import run
from benchmarks.samplers import SAMPLERS
from benchmarks.tasks import DEVELOPMENT
from benchmarks.tasks import REPORT


_RESULTS = Path(__file__).parent / "results"


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run what is not in the results file yet")
    running.add_argument("--tasks", nargs="+", default=["report"])
    running.add_argument("--samplers", nargs="+", default=list(SAMPLERS), choices=SAMPLERS)
    running.add_argument("--seeds", type=_seeds, default=_seeds("0-9"))
    running.add_argument("--trials", type=int, default=50)
    running.add_argument("--workers", type=int, default=2)
    reporting = commands.add_parser("report", help="print tables as Markdown")
    reporting.add_argument("--baseline", default="TPE", choices=SAMPLERS)
    reporting.add_argument("--samplers", nargs="+", default=None, choices=SAMPLERS)
    for command in (running, reporting):
        command.add_argument("--results", type=Path, default=_RESULTS / "report.csv")
    args = parser.parse_args(argv)
    if args.command == "report":
        print(markdown(args.results, args.baseline, args.samplers))
        return 0
    lists = {"report": REPORT, "development": DEVELOPMENT}
    tasks = [t for name in args.tasks for t in lists.get(name, (name,))]
    run(args.results, tasks, args.samplers, args.seeds, args.trials, args.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
