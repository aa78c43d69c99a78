"""The subcommand `mcp`: a server for agents."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from optuna_llm.command.arguments import add_command
from optuna_llm.command.arguments import positive
from optuna_llm.command.arguments import quiet


if TYPE_CHECKING:
    from optuna_llm.command.arguments import Commands


def add_mcp(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, "mcp", _run_mcp)
    parser.add_argument(
        "storage",
        metavar="STORAGE",
        help="storage URL, such as sqlite:///study.db, or the file of a journal",
    )
    parser.add_argument(
        "--max-tokens",
        type=positive,
        default=4000,
        metavar="N",
        help="longest answer, in tokens (default: %(default)s)",
    )


def _run_mcp(arguments: argparse.Namespace) -> int:
    """Serve the studies of one storage to agents, by the Model Context Protocol.

    Serve the studies of one storage on standard input and output, by the Model Context
    Protocol: the tools are those of the commands 'ask', 'judge', 'tell' and so on. Needs the extra
    "mcp".
    """
    from optuna_llm.ask_tell.mcp_server import server

    with quiet():
        server(arguments.storage, max_tokens=arguments.max_tokens).run()
    return 0
