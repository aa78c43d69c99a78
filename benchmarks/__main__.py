"""Run samplers side by side on the same tasks, and report.

python -m benchmarks run --suite quick
python -m benchmarks run --suite hpobench,yahpo --variant failures --samplers TPE CQR --seeds 0-9
python -m benchmarks report --baseline TPE
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from benchmarks.samplers import GROUPS
from benchmarks.samplers import SAMPLERS
from benchmarks.samplers import Endpoint
from benchmarks.tasks import LISTS
from benchmarks.tasks import SELECTIONS
from benchmarks.tasks import SUITES
from benchmarks.tasks import select
from benchmarks.variants import VARIANTS


_FOLDER = Path("build/benchmarks")
_RESULTS = _FOLDER / "trials.csv"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = _parser().parse_args(argv)
    status: int = args.command(args)
    return status


def _run(args: argparse.Namespace) -> int:
    from benchmarks.run import run

    tasks = select(args.suite, args.tasks)
    if args.variant != "plain":
        tasks = [t.replace("/", f"-{args.variant}/", 1) for t in tasks]
    endpoint = Endpoint(args.model, args.base_url, args.cassettes)
    n_errors = run(
        args.results, tasks, args.samplers, args.seeds, args.trials, args.workers, endpoint
    )
    return 1 if n_errors else 0


def _reference(args: argparse.Namespace) -> int:
    from benchmarks.run import has

    found = [has(task) for task in select(args.suite, args.tasks)]
    return 0 if all(found) else 1


def _report(args: argparse.Namespace) -> int:
    from benchmarks.plots import draw
    from benchmarks.report import markdown
    from benchmarks.results import read

    rows = read(args.results)
    if args.suite:
        rows = rows[rows["suite"].isin(args.suite)]
    if args.samplers:
        rows = rows[rows["sampler"].isin(args.samplers)]
    if rows.empty:
        print("no study of these suites and samplers is in the results")
        return 1
    text = markdown(rows, args.baseline)
    print(text)
    paths = draw(rows, args.out)
    page = args.out / "report.md"
    images = "\n".join(f"![{p.stem}]({p.name})" for p in paths)
    page.write_text(f"{text}\n\n{images}\n")
    print(f"\nwritten: {page}, {', '.join(p.name for p in paths)}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    suites = f"{', '.join([*SUITES, *SELECTIONS])}; several with commas"
    run = commands.add_parser("run", help="run what is not in the results file yet")
    run.set_defaults(command=_run)
    reference = commands.add_parser(
        "reference", help="compute the scales of regret that references.json lacks"
    )
    reference.set_defaults(command=_reference)
    for command in (run, reference):
        command.add_argument("--suite", type=_suites, default=["quick"], help=suites)
        command.add_argument(
            "--tasks", nargs="+", default=["report"], help=f"{', '.join(LISTS)}, or tasks by name"
        )
    run.add_argument("--variant", choices=["plain", *VARIANTS], default="plain")
    run.add_argument(
        "--samplers",
        nargs="+",
        action=_Samplers,
        default=list(GROUPS["quick"]),
        help=f"by name, or the groups {', '.join(GROUPS)}",
    )
    run.add_argument("--seeds", type=_seeds, default=_seeds("0-2"), help="such as 0-9")
    run.add_argument("--trials", type=int, default=50)
    run.add_argument("--workers", type=int, default=2, help="processes")
    run.add_argument("--model", help="the language model of the samplers LLM and LLAMBO")
    run.add_argument("--base-url", help="the address of its server")
    run.add_argument("--cassettes", type=Path, help="folder of recorded exchanges")
    run.add_argument("--results", type=Path, default=_RESULTS)
    report = commands.add_parser("report", help="print tables as Markdown and draw plots")
    report.set_defaults(command=_report)
    report.add_argument("--baseline", default="TPE", choices=SAMPLERS)
    report.add_argument("--suite", type=_names, default=[], help="only these suites")
    report.add_argument("--samplers", nargs="+", action=_Samplers, default=[], help="only these")
    report.add_argument("--results", type=Path, nargs="+", default=[_RESULTS])
    report.add_argument("--out", type=Path, default=_FOLDER / "report", help="folder of the plots")
    return parser


class _Samplers(argparse.Action):
    """Names of samplers, and of groups of them."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:  # type: ignore[no-untyped-def]
        names = list(dict.fromkeys(n for v in values for n in GROUPS.get(v, (v,))))
        unknown = [n for n in names if n not in SAMPLERS]
        if unknown:
            parser.error(f"unknown samplers {unknown}: choose from {', '.join(SAMPLERS)}")
        setattr(namespace, self.dest, names)


def _names(text: str) -> list[str]:
    return text.split(",")


def _suites(text: str) -> list[str]:
    names = _names(text)
    unknown = [n for n in names if n not in SUITES and n not in SELECTIONS]
    if unknown:
        known = ", ".join([*SUITES, *SELECTIONS])
        raise argparse.ArgumentTypeError(f"unknown suites {unknown}: choose from {known}")
    return names


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


if __name__ == "__main__":
    sys.exit(main())
