"""How a subcommand is declared, and the arguments that several of them share."""

from __future__ import annotations

import argparse
from contextlib import contextmanager
import inspect
from typing import TYPE_CHECKING
from typing import Any
import warnings


if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    Commands = argparse._SubParsersAction[Any]

PROGRAM = "optuna-llm"


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], object]
) -> argparse.ArgumentParser:
    """Add a subcommand; what ``--help`` says of it is the docstring of what it runs.

    Args:
        commands: The subcommands so far.
        name: What it is called by.
        run: What it does. The first line of its docstring stands in the list of subcommands, the
            next paragraph describes it, and another one is the last word of its help.
    """
    short, *paragraphs = inspect.cleandoc(run.__doc__ or name).split("\n\n")
    long, last = [*paragraphs, None, None][:2]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=short[0].lower() + short[1:].removesuffix("."),
        description=long or short,
        epilog=last,
    )
    parser.set_defaults(run=run)
    return parser


def add_study_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], object]
) -> argparse.ArgumentParser:
    """Add a subcommand about a stored study, which answers in JSON if that is wished for."""
    parser = add_command(commands, name, run)
    add_study(parser)
    add_json(parser)
    return parser


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add a storage and the name of a study in it."""
    parser.add_argument(
        "storage",
        metavar="STORAGE",
        help="storage URL, such as sqlite:///study.db, or the file of a journal",
    )
    parser.add_argument("study", metavar="STUDY", help="name of the study")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the wish for JSON."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add where a model is and what it costs."""
    parser.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server")
    parser.add_argument(
        "--prices",
        nargs=2,
        type=float,
        metavar=("PROMPT", "COMPLETION"),
        help="price of a million tokens of either kind (default: LiteLLM's table, where LiteLLM is"
        " installed)",
    )


def positive(text: str) -> int:
    """Read a positive whole number."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return number


@contextmanager
def quiet() -> Iterator[None]:
    """Leave the terminal to the answer; what warns of trouble still comes through."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
