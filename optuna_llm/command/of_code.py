"""The subcommand `code`: the best version of a function whose code was tuned, and its family."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from optuna_llm.ask_tell.plain import as_json
from optuna_llm.command.arguments import add_command
from optuna_llm.command.arguments import add_json
from optuna_llm.command.arguments import add_study
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.stored import load_study


if TYPE_CHECKING:
    from optuna_llm.command.arguments import Commands
    from optuna_llm.history.family import Member


def add_code(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, "code", _run_code)
    add_study(parser)
    parser.add_argument("--name", help="the function, where a study tunes several")
    parser.add_argument("--all", action="store_true", help="all versions as a family tree")
    add_json(parser)


def _run_code(arguments: argparse.Namespace) -> int:
    """Print the best version of a function whose code was tuned.

    Print the source of the best version with the numbers of its best trial, ready to be pasted.
    With --all, print every version under the one that it comes from, with what it changes.
    Nothing is run.
    """
    from optuna_llm.code.suggest import source_of
    from optuna_llm.history.births import coded_names
    from optuna_llm.history.family import family
    from optuna_llm.history.history import History

    study = load_study(arguments.storage, arguments.study)
    history = History.from_study(study)
    name = _name(arguments.name, coded_names([o.trial for o in history.observations]))
    members = family(history, name)
    if arguments.all and not arguments.json:
        print("\n".join(_lines(members)))
        return 0
    run = [m for m in members if m.best is not None]
    rank = {o.number: place for place, o in enumerate(history.ranking)}
    best = min(run, key=lambda m: rank[m.best.number] if m.best else len(rank), default=None)
    if best is None or best.best is None:
        raise ConfigurationError(f"no trial with a version of {name!r} has completed.")
    trial = best.best.trial
    source = source_of(trial, name)
    if arguments.json:
        told = [_plain(m) for m in members] if arguments.all else []
        beside = {"versions": told} if arguments.all else {}
        shown = {"name": name, "version": best.number, "trial": trial.number}
        print(as_json({**shown, "values": trial.values, "source": source, **beside}))
        return 0
    values = ", ".join(f"{value:.6g}" for value in trial.values)
    print(f"# {name}, version {best.number}, trial {trial.number}: {values}\n{source}")
    return 0


def _name(given: str | None, names: list[str]) -> str:
    """Return the function that is meant."""
    if not names:
        raise ConfigurationError("the study has tuned no code; see docs/code.md.")
    if given is None and len(names) == 1:
        return names[0]
    if given in names:
        return str(given)
    raise ConfigurationError(f"--name {given or ''} must be one of {', '.join(names)}.")


def _lines(members: list[Member]) -> list[str]:
    from optuna_llm.reporting.versions import diff
    from optuna_llm.space.words import visible

    by_number = {member.number: member for member in members}
    lines: list[str] = []
    for member in members:
        margin = "  " * member.depth
        best = "no result"
        if member.best is not None:
            best = "best " + ", ".join(f"{v:.6g}" for v in member.best.trial.values or ())
        by = f", by {member.birth.by}" if member.birth and member.birth.by else ""
        why = f": {member.birth.reason}" if member.birth and member.birth.reason else ""
        lines.append(f"{margin}version {member.number}{by}, {member.n_trials} trials, {best}{why}")
        parent = by_number.get(member.parent)
        body = member.stored.text.splitlines() if parent is None else diff(parent, member)
        lines += [f"{margin}  | {line.expandtabs()}" for line in body]
    return [visible(line) for line in lines]  # Anybody may have written them.


def _plain(member: Member) -> dict[str, object]:
    birth = member.birth
    return {
        "version": member.number,
        "parent": None if member.parent < 0 else member.parent,
        "by": birth.by if birth else "",
        "reason": birth.reason if birth else "",
        "trials": member.n_trials,
        "failed": member.n_failed,
        "values": member.best.trial.values if member.best else None,
        "source": member.stored.text,
    }
