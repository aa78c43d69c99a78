"""The command ``optuna-llm``: its subcommands, and how each of them ends."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING
from typing import Any
from typing import NoReturn

from optuna_llm import __version__
from optuna_llm.ask_tell.plain import as_error
from optuna_llm.ask_tell.plain import as_json
from optuna_llm.command.arguments import PROGRAM
from optuna_llm.command.done import add_done
from optuna_llm.command.for_agents import add_ask
from optuna_llm.command.for_agents import add_enqueue
from optuna_llm.command.for_agents import add_judge
from optuna_llm.command.for_agents import add_new
from optuna_llm.command.for_agents import add_relations
from optuna_llm.command.for_agents import add_state
from optuna_llm.command.for_agents import add_tell
from optuna_llm.command.of_code import add_code
from optuna_llm.command.of_programs import add_run
from optuna_llm.command.of_servers import add_mcp
from optuna_llm.command.of_studies import add_best
from optuna_llm.command.of_studies import add_report
from optuna_llm.command.transfer import add_continue
from optuna_llm.command.transfer import add_sources
from optuna_llm.command.with_models import add_check
from optuna_llm.command.with_models import add_demo
from optuna_llm.command.with_models import add_estimate
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ConflictError
from optuna_llm.errors import ModelError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.errors import StorageError
from optuna_llm.errors import redact


if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna_llm.command.arguments import Commands


# What is not here is a wrong argument or set-up: 2.
_EXIT_CODES: tuple[tuple[type[OptunaLLMError], int], ...] = (
    (ModelError, 1),
    (ConflictError, 3),
    (StorageError, 4),
)


_SUBCOMMANDS = (
    add_demo,
    add_check,
    add_estimate,
    add_best,
    add_code,
    add_done,
    add_report,
    add_sources,
    add_continue,
    add_new,
    add_ask,
    add_judge,
    add_tell,
    add_enqueue,
    add_state,
    add_relations,
    add_run,
    add_mcp,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code: 0; 1 for a model that did not answer, or not usably, and for a study that is
        not done; 2 for a wrong argument or set-up; 3 for what contradicts what is stored; 4 for a
        storage that does not answer; 130 for an interrupt.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    # What follows belongs to somebody else's program.
    own = given[: given.index("--")] if "--" in given else given
    is_json = "--json" in own
    try:
        arguments = _parser().parse_args(given)
        code: int = arguments.run(arguments)
    except _UsageError as error:
        if not is_json:
            error.parser.print_usage(sys.stderr)
            error.parser.exit(2, f"{error.parser.prog}: error: {error}\n")
        told = as_error(error)
        told["error"]["fix"] = f"see '{error.parser.prog} --help'"
        print(as_json(told))
        return 2
    except OptunaLLMError as error:
        if is_json:
            print(as_json(as_error(error)))
        else:
            print(f"{PROGRAM}: error: {' '.join(redact(str(error)).split())}", file=sys.stderr)
        return next((n for kind, n in _EXIT_CODES if isinstance(error, kind)), 2)
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    return code


class _UsageError(ConfigurationError):
    """What the parser of a command complains of."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints can become JSON."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Until Python 3.14 it takes -1e-3 for an option.
        self._negative_number_matcher = re.compile(r"-(\d|\.\d|inf$)")

    def error(self, message: str) -> NoReturn:
        raise _UsageError(self, message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Hyperparameter search with a language model and a statistical sampler.",
        epilog=f"'{PROGRAM} COMMAND --help' explains a command. Keys of providers are read from"
        " the environment, such as OPENAI_API_KEY.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands: Commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in _SUBCOMMANDS:
        add(commands)
    return parser
