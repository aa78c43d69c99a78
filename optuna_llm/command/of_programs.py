"""The subcommand `run`: a program that is not Python, run for trial after trial."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.ask_tell.plain import as_json
from optuna_llm.command.arguments import add_study_command
from optuna_llm.command.arguments import positive
from optuna_llm.command.arguments import quiet
from optuna_llm.errors import ConfigurationError


if TYPE_CHECKING:
    from optuna_llm.ask_tell.desk import Desk
    from optuna_llm.ask_tell.program import Metric
    from optuna_llm.command.arguments import Commands


def add_run(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_study_command(commands, "run", _run)
    parser.add_argument(
        "--trials",
        type=positive,
        metavar="N",
        help="how many trials the study shall have (default: as it was created with)",
    )
    parser.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="how many run at a time (default: 1)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--pattern",
        action="append",
        metavar="REGEX",
        help="where the value stands in the output: the first group of the last match; once for"
        " each objective (default: the last line that is a number)",
    )
    where.add_argument(
        "--json-path",
        action="append",
        metavar="PATH",
        help="where it stands in the last line that is a JSON object, such as eval.loss",
    )
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="longest time of one run"
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=2,
        metavar="N",
        help="how often a trial is run again that was preempted (default: %(default)s)",
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        help="folder of the log files (default: STUDY-logs); keep it the same to resume",
    )
    parser.add_argument(
        "--progress",
        action="store_true",
        help="in a terminal, show a bar below the lines: the best value, what the language model"
        " has cost, the time left",
    )
    parser.add_argument(
        "program", nargs="+", metavar="PROGRAM", help="after --, such as ./train.sh --lr {lr}"
    )


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return number


def _run(arguments: argparse.Namespace) -> int:
    """Run a program, in any language, for trial after trial.

    Run a program for the trials of a study that 'optuna-llm new' has created, until it has
    enough of them. Each trial has a log file. Run it again to go on where it stopped: trials
    that were running are run again.

    The program gets its parameters in its arguments, {name} for each, and as JSON in the
    variable OPTUNA_LLM_PARAMS. An exit code other than 0 is a failure of the trial; 75, or a
    signal such as SIGTERM, is a preemption.
    """
    from optuna_llm.ask_tell.desk import open_desk
    from optuna_llm.ask_tell.program import Program
    from optuna_llm.ask_tell.running import Plan
    from optuna_llm.ask_tell.running import Runner
    from optuna_llm.reporting.progress import Progress

    desk = open_desk(arguments.storage, arguments.study)
    history = desk.history()
    desk.space(history)  # Raises where there are no parameters yet.
    names = list(history.distributions)
    program = Program.of(arguments.program, names)
    unused = program.unused(names)
    if unused:
        text = f"the command does not pass on {', '.join(unused)}; {{name}} stands for a parameter"
        print(f"optuna-llm: {text}", file=sys.stderr)
    n_trials = arguments.trials or desk.setup.n_trials
    if n_trials is None:
        raise ConfigurationError(
            "trials: nobody has said how many; give --trials N, here or to 'optuna-llm new'"
        )
    logs = arguments.logs or Path(f"{arguments.study}-logs")
    metrics = _metrics(desk, arguments)
    plan = Plan(
        program, metrics, n_trials, logs, arguments.jobs, arguments.timeout, arguments.retries
    )

    def show(line: str, told: dict[str, Any]) -> None:
        print(as_json(told) if arguments.json else line, flush=True)

    def show_above(line: str, told: dict[str, Any]) -> None:
        progress.write(as_json(told) if arguments.json else line)
        if told["state"] != "again":
            progress(desk.study, desk.study.get_trials(deepcopy=False)[told["trial"]])

    # Without a terminal the lines say all that the bar does.
    has_bar = arguments.progress and sys.stderr.isatty()
    with quiet(), Progress(n_trials=n_trials, bar=True) as progress:
        Runner(desk, plan, show_above if has_bar else show)()
    return 0


def _metrics(desk: Desk, arguments: argparse.Namespace) -> list[Metric]:
    from optuna_llm.ask_tell.program import Metric

    metrics = [Metric.matching(p) for p in arguments.pattern or ()]
    metrics += [Metric.at(p) for p in arguments.json_path or ()]
    n = len(desk.study.directions)
    if not metrics and n == 1:
        return [Metric()]
    if len(metrics) != n:
        raise ConfigurationError(
            f"pattern or json_path: there are {len(metrics)} for {n} objectives; give one for each"
        )
    return metrics
