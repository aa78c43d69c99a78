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

from benchmarks.references import UnknownTaskError
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
    try:
        status: int = args.command(args)
    except UnknownTaskError as error:
        print(f"python -m benchmarks: error: {error}", file=sys.stderr)
        return 2
    return status


def _run(args: argparse.Namespace) -> int:
    from benchmarks.run import run

    tasks = select(args.suite, args.tasks)
    tasks = [
        t if v == "plain" else t.replace("/", f"-{v}/", 1) for v in args.variant for t in tasks
    ]
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
    from benchmarks.report import by_variant
    from benchmarks.report import markdown
    from benchmarks.results import read
    from benchmarks.results import variant_of

    absent = [str(path) for path in args.results if not path.exists()]
    if absent:
        print(f"{', '.join(absent)} is not there: `python -m benchmarks run` writes results")
        return 1
    rows = read(args.results)
    if args.suite:
        plain = rows["suite"].str.partition("-")[0]
        rows = rows[rows["suite"].isin(args.suite) | plain.isin(args.suite)]
    if args.variant:
        rows = rows[variant_of(rows["suite"]).isin(args.variant)]
    if args.samplers:
        rows = rows[rows["sampler"].isin(args.samplers)]
    if rows.empty:
        print("no study of these suites, variants and samplers is in the results")
        return 1
    text = markdown(rows, *args.baseline)
    print(text)
    variants = by_variant(rows)
    paths = [
        path
        for label, own in variants.items()
        for path in draw(own, args.out / label if len(variants) > 1 else args.out)
    ]
    page = args.out / "report.md"
    names = [path.relative_to(args.out).as_posix() for path in paths]
    images = "\n".join(f"![{n.removesuffix('.png')}]({n})" for n in names)
    page.write_text(f"{text}\n\n{images}\n")
    print(f"\nwritten: {page}, {', '.join(names)}", file=sys.stderr)
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
    run.add_argument(
        "--variant",
        nargs="+",
        choices=["plain", *VARIANTS],
        default=["plain"],
        metavar="VARIANT",
        help=f"one or several of plain, {', '.join(VARIANTS)}",
    )
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
    report.add_argument(
        "--baseline",
        nargs="+",
        action=_Samplers,
        default=["TPE"],
        help="samplers that the others are compared with",
    )
    report.add_argument(
        "--suite", type=_names, default=[], help="only these suites, with all variants or as named"
    )
    report.add_argument(
        "--variant",
        nargs="+",
        choices=["plain", *VARIANTS],
        default=[],
        metavar="VARIANT",
        help="only these variants",
    )
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
            # Names hold commas.
            known = ", ".join(map(repr, [*SAMPLERS, *GROUPS]))
            parser.error(f"unknown samplers {unknown}: choose from {known}")
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
