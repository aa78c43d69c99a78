"""What `optuna-llm done` does: from the rules that are named to the verdict on a study."""

from __future__ import annotations

from dataclasses import asdict
import json
from typing import TYPE_CHECKING

from optuna_llm.command.arguments import add_study_command
from optuna_llm.command.arguments import positive


if TYPE_CHECKING:
    import argparse

    from optuna_llm.command.arguments import Commands
    from optuna_llm.stopping import Rule


def add_done(commands: Commands) -> None:
    """Add the command."""
    parser = add_study_command(commands, "done", _run)
    parser.add_argument("--target", type=float, metavar="VALUE", help="value that is enough")
    parser.add_argument(
        "--min-trials",
        type=positive,
        default=20,
        metavar="N",
        help="finished trials that come first (default: %(default)s)",
    )
    parser.add_argument(
        "--worth",
        type=float,
        metavar="VALUE",
        help="smallest improvement of the objective that is worth a trial",
    )
    parser.add_argument(
        "--patience", type=positive, metavar="N", help="trials without any improvement"
    )
    parser.add_argument(
        "--trials",
        type=positive,
        metavar="N",
        help="announced number of trials: a quarter of them is always run, and all are enough"
        " (default: as the study was created with)",
    )
    parser.add_argument(
        "--price",
        type=float,
        metavar="VALUE",
        help="what a second of a trial is worth, in units of the objective",
    )
    parser.add_argument(
        "--regret-bound",
        action="store_true",
        help="a bound on the regret against the error of the best trial's folds",
    )


def _run(arguments: argparse.Namespace) -> int:
    """Tell whether a stored study is done, by its exit code.

    Tell whether further trials of a study are worth running. For workers in a shell: run a
    trial as long as the exit code is 1. Of several rules any may decide; without one, the study
    is done when the next trial is expected to bring too little.

    The exit code is 0 if the study is done or was stopped, 1 if it is to go on, 2 for a wrong
    argument.
    """
    from optuna_llm.ask_tell.desk import open_desk
    from optuna_llm.history.stored import storage_errors
    from optuna_llm.stopping import StopWhenDone

    desk = open_desk(arguments.storage, arguments.study)
    n_trials = arguments.trials or desk.setup.n_trials
    stop = StopWhenDone(_rules(arguments), n_trials=n_trials, min_trials=arguments.min_trials)
    # Who asks only looks: nobody else is stopped by it.
    with storage_errors():
        found = stop.verdict(desk.study, leave_mark=False)
    print(json.dumps(asdict(found)) if arguments.json else found)
    return 0 if found.done else 1


def _rules(arguments: argparse.Namespace) -> list[Rule]:
    """Return the rules that are named; the default one where none is."""
    from optuna_llm import stopping

    rules: list[Rule] = []
    if arguments.target is not None:
        rules.append(stopping.Target(arguments.target))
    if arguments.patience is not None:
        rules.append(stopping.Patience(arguments.patience))
    if arguments.price is not None:
        rules.append(stopping.Cost(arguments.price))
    if arguments.regret_bound:
        rules.append(stopping.RegretBound())
    if arguments.worth is not None or not rules:
        rules.append(stopping.ExpectedImprovement(arguments.worth))
    return rules
