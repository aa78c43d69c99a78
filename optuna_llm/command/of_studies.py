"""Subcommands that tell what came of a stored study: `best`, `report`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from optuna_llm.ask_tell.plain import as_json
from optuna_llm.command.arguments import add_command
from optuna_llm.command.arguments import add_json
from optuna_llm.command.arguments import add_study
from optuna_llm.history.stored import load_study


if TYPE_CHECKING:
    from optuna_llm.command.arguments import Commands


def add_best(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, "best", _run_best)
    add_study(parser)
    add_json(parser)


def _run_best(arguments: argparse.Namespace) -> int:
    """Tell which configuration of a stored study to keep.

    Tell the configuration of a study to keep, and what to expect of it. With a noisy objective
    that is not the luckiest value, but the best expectation of a surrogate of all trials.
    """
    from optuna_llm.reporting.best import best_configuration

    best = best_configuration(load_study(arguments.storage, arguments.study))
    print(as_json(asdict(best)) if arguments.json else best)
    return 0


def add_report(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, "report", _run_report)
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="PATH", help="the page to write")


def _run_report(arguments: argparse.Namespace) -> int:
    """Sum up a stored study, or write an HTML page about it.

    Sum up a study in the terminal. With --output, write one self-contained HTML page about it
    instead: the best configuration, what matters, who proposed what, what the language model
    used, figures and trials.
    """
    study = load_study(arguments.storage, arguments.study)
    if arguments.output is None:
        from optuna_llm.reporting.summary import summary

        print(summary(study))
        return 0
    from optuna_llm.reporting.page import report

    print(report(study, arguments.output).resolve())
    return 0
