"""The commands about earlier studies: what they teach, and how one goes on in a new space."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.command.arguments import add_command
from optuna_llm.command.arguments import add_study
from optuna_llm.command.arguments import positive
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.stored import load_study


if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from optuna_llm.command.arguments import Commands


# --------------------------------------------------------------------------------------
# sources


def add_sources(commands: Commands) -> None:
    """Add the command ``sources``."""
    parser = add_command(commands, "sources", _run_sources)
    add_study(parser)
    _add_named(parser)
    parser.add_argument(
        "-n", type=positive, default=5, metavar="N", help="trials at most (default: %(default)s)"
    )


def _add_named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="name of a study in the same storage, or a CSV file (default: the studies of the same"
        " family, by the user attribute llm:family or by name)",
    )
    _add_repeated(
        parser, "--rename", ("OLD", "NEW"), "a parameter's name in the sources, and in the study"
    )


def _add_repeated(
    parser: argparse.ArgumentParser, option: str, values: tuple[str, ...], told: str
) -> None:
    """Add an option with several values, which may be given several times."""
    parser.add_argument(
        option, nargs=len(values), metavar=values, help=told, action="append", default=[]
    )


def _run_sources(arguments: argparse.Namespace) -> int:
    """Tell what earlier studies would teach a stored study.

    Show how earlier studies fit a study, parameter by parameter, and the trials that warm_start
    would begin it with. Nothing is written.
    """
    from optuna_llm.transfer.plan import plan
    from optuna_llm.transfer.plan import space_of_sources

    study = load_study(arguments.storage, arguments.study)
    found = [n if Path(n).is_file() else (n, arguments.storage) for n in arguments.sources]
    sources = found or "auto"
    space = None
    if not any(t.distributions for t in study.get_trials(deepcopy=False)):
        space = space_of_sources(study, sources)
        print(f"{arguments.study!r} has no trial yet: its space is taken for that of its sources.")
    print(plan(study, sources, n=arguments.n, search_space=space, rename=dict(arguments.rename)))
    return 0


# --------------------------------------------------------------------------------------
# continue


def add_continue(commands: Commands) -> None:
    """Add the command ``continue``."""
    parser = add_command(commands, "continue", _run_continue)
    add_study(parser)
    parser.add_argument("name", metavar="NEW", help="name of the new study")
    _add_repeated(
        parser,
        "--choice",
        ("NAME", "VALUE"),
        "a further choice of a parameter, as JSON or as plain text",
    )
    _add_repeated(
        parser,
        "--range",
        ("NAME", "LOW", "HIGH"),
        "the new range of a number; its kind, scale and step stay",
    )
    _add_repeated(parser, "--rename", ("OLD", "NEW"), "a new name")
    _add_repeated(
        parser,
        "--fix",
        ("NAME", "VALUE"),
        "a parameter that is constant from now on: trials with this value are taken over",
    )


def _run_continue(arguments: argparse.Namespace) -> int:
    """Go on with a stored study after its space has changed.

    Make a new study in the same storage that takes over, with their results, all finished
    trials that mean the same in the changed space. The old one stays as it is.
    """
    from optuna.trial import TrialState

    from optuna_llm.history.history import History
    from optuna_llm.transfer.continued import continue_study

    old = load_study(arguments.storage, arguments.study)
    new = continue_study(
        old,
        name=arguments.name,
        search_space=_changes(History.from_study(old).distributions, arguments),
        rename=dict(arguments.rename),
        fixed={name: _value(text) for name, text in arguments.fix},
    )
    trials = new.get_trials(deepcopy=False)
    n_waiting = sum(t.state == TrialState.WAITING for t in trials)
    print(
        f"{new.study_name!r} has {len(trials) - n_waiting} of the"
        f" {len(old.get_trials(deepcopy=False))} trials of {old.study_name!r}"
        + (f", and {n_waiting} that are to be run again." if n_waiting else ".")
    )
    return 0


def _changes(
    old: Mapping[str, BaseDistribution], arguments: argparse.Namespace
) -> dict[str, BaseDistribution]:
    """Return the distributions that have changed, by their new names."""
    from optuna.distributions import CategoricalDistribution
    from optuna.distributions import FloatDistribution
    from optuna.distributions import IntDistribution

    changed: dict[str, BaseDistribution] = {}
    for name, text in arguments.choice:
        before = changed.get(name, old.get(name))
        if not isinstance(before, CategoricalDistribution):
            raise ConfigurationError(f"--choice {name}: {_known(name, old)} with choices.")
        changed[name] = CategoricalDistribution((*before.choices, _value(text)))
    for name, low, high in arguments.range:
        before = old.get(name)
        if not isinstance(before, FloatDistribution | IntDistribution):
            raise ConfigurationError(f"--range {name}: {_known(name, old)} that is a number.")
        ends = {"low": _value(low), "high": _value(high)}
        try:
            changed[name] = type(before)(**ends, log=before.log, step=before.step)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"--range {name} {low} {high}: {error}") from None
    renamed = dict(arguments.rename)
    return {renamed.get(name, name): d for name, d in changed.items()}


def _known(name: str, old: Mapping[str, BaseDistribution]) -> str:
    return f"the study has no parameter {name!r} (it has {', '.join(old) or 'none'})"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
