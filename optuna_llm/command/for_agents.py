"""Subcommands for agents and shells, each a process of its own: `new`, `ask`, `tell` and more."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.ask_tell.plain import as_json
from optuna_llm.ask_tell.plain import as_text
from optuna_llm.command.arguments import add_study_command
from optuna_llm.command.arguments import positive
from optuna_llm.command.arguments import quiet
from optuna_llm.errors import ConfigurationError


if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from optuna_llm.command.arguments import Commands


_ENDINGS = ("failed", "pruned", "interrupted")
_CODES = (
    "The exit code is 0; 2 for a wrong argument, 3 for what contradicts what is stored, 4 for a"
    " storage that does not answer, when the same command may be given again. With --json an"
    ' error is an object, too: {"error": {"kind": ..., "message": ..., "fix": ...}}.'
)


def _added(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], dict[str, Any]]
) -> argparse.ArgumentParser:
    parser = add_study_command(commands, name, run)
    parser.epilog = _CODES
    parser.set_defaults(run=lambda arguments: _answer(run, arguments))
    return parser


def _answer(run: Callable[..., dict[str, Any]], arguments: argparse.Namespace) -> int:
    with quiet():
        answer = run(arguments)
    print(as_json(answer) if arguments.json else answer.get("text") or as_text(answer))
    return 0


# --------------------------------------------------------------------------------------
# new


def add_new(commands: Commands) -> None:
    """Add the subcommand."""
    parser = _added(commands, "new", _new)
    parser.add_argument(
        "--space",
        required=True,
        metavar="FILE",
        help="the file, - for JSON on standard input, or the JSON object itself",
    )
    parser.add_argument(
        "--direction",
        action="append",
        choices=("minimize", "maximize"),
        help="what is wanted of the objective (default: minimize); once for each of several",
    )
    parser.add_argument(
        "--metric", action="append", default=[], help="name of the objective; likewise"
    )
    parser.add_argument("--about", default="", metavar="TEXT", help="what the study is about")
    parser.add_argument(
        "--trials", type=positive, metavar="N", help="how many trials it will have, if known"
    )
    parser.add_argument("--seed", type=int, help="seed of the sampler")
    parser.add_argument(
        "--known-good",
        action="append",
        default=[],
        metavar="JSON",
        help="a configuration to try first, such as what is in use; once for each",
    )


def _new(arguments: argparse.Namespace) -> dict[str, Any]:
    """Create a study from a file that describes its search space.

    Create a study, or find the same one there already. The space is a JSON or TOML file that
    maps names to {"type": "float", "low": 1e-5, "high": 0.1, "log": true}, {"type": "int",
    "low": 1, "high": 8} or {"type": "categorical", "choices": ["a", "b"]}. A parameter that
    applies only beside certain values of others says so, too: "when": {"kind": ["a"]} or
    {"depth": {"low": 2}}.
    """
    from optuna_llm.ask_tell.desk import new
    from optuna_llm.ask_tell.space_file import read_space

    return new(
        arguments.storage,
        arguments.study,
        read_space(arguments.space),
        arguments.direction or ["minimize"],
        metrics=arguments.metric,
        about=arguments.about,
        n_trials=arguments.trials,
        seed=arguments.seed,
        known_good=_configurations(arguments.known_good),
    )


# --------------------------------------------------------------------------------------
# ask, judge, enqueue


def add_ask(commands: Commands) -> None:
    """Add the subcommand."""
    parser = _added(commands, "ask", _ask)
    parser.add_argument(
        "-n", type=positive, default=1, metavar="N", help="how many trials (default: 1)"
    )


def _ask(arguments: argparse.Namespace) -> dict[str, Any]:
    """Begin trials: what to run, why, and what is expected of it.

    Begin trials, and say what to run in them: number, parameters, who proposes them and why,
    the quantiles expected of the objective, and the risk to fail. Tell what came of each with
    'tell'.
    """
    from optuna_llm.ask_tell.asking import ask
    from optuna_llm.ask_tell.desk import open_desk

    return ask(open_desk(arguments.storage, arguments.study), arguments.n)


def add_judge(commands: Commands) -> None:
    """Add the subcommand."""
    parser = _added(commands, "judge", _judge)
    _add_configurations(parser)


def _judge(arguments: argparse.Namespace) -> dict[str, Any]:
    """Say what is expected of configurations, without running or storing anything.

    Say what the surrogate of the study expects of configurations: calibrated quantiles, the
    risk to fail, the most similar trial, the rank among the sampler's own candidates, and
    whether a suggestion of it would be vetoed. Nothing is stored.
    """
    from optuna_llm.ask_tell.asking import judge
    from optuna_llm.ask_tell.desk import open_desk

    configurations = _configurations(arguments.configurations)
    return judge(open_desk(arguments.storage, arguments.study), configurations)


def add_enqueue(commands: Commands) -> None:
    """Add the subcommand."""
    parser = _added(commands, "enqueue", _enqueue)
    _add_configurations(parser)
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, kept with trials")
    parser.add_argument(
        "--must", action="store_true", help="run them in the next trials, whatever is expected"
    )


def _enqueue(arguments: argparse.Namespace) -> dict[str, Any]:
    """Suggest configurations for coming trials.

    Suggest configurations, whole ones or parts. They wait for the turns that suggestions have
    earned by what came of earlier ones, and are vetoed there if the surrogate of the study
    expects too little of them.
    """
    from optuna_llm.ask_tell.asking import enqueue
    from optuna_llm.ask_tell.desk import open_desk

    configurations = _configurations(arguments.configurations)
    desk = open_desk(arguments.storage, arguments.study)
    return enqueue(desk, configurations, arguments.why, must=arguments.must)


def _add_configurations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "configurations",
        nargs="+",
        metavar="JSON",
        help="a configuration, such as '{\"lr\": 0.01}', a list of them, or - for standard input",
    )


def _configurations(texts: Sequence[str]) -> list[dict[str, Any]]:
    found: list[Any] = []
    for text in texts:
        read = sys.stdin.read() if text == "-" else text
        try:
            value = json.loads(read)
        except ValueError as error:
            raise ConfigurationError(
                f"configuration={read!r:.80} is no JSON ({error}); write an object such as"
                ' {"lr": 0.01}'
            ) from None
        found += value if isinstance(value, list) else [value]
    return found


# --------------------------------------------------------------------------------------
# tell


def add_tell(commands: Commands) -> None:
    """Add the subcommand."""
    parser = _added(commands, "tell", _tell)
    parser.add_argument("trial", type=int, metavar="TRIAL", help="number of the trial")
    parser.add_argument(
        "result",
        nargs="*",
        metavar="RESULT",
        help=f"a value for each objective, or one of: {', '.join(_ENDINGS)}",
    )
    parser.add_argument(
        "--constraint",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a constraint, which is met where <= 0; once for each",
    )
    parser.add_argument(
        "--step",
        action="append",
        default=[],
        metavar="STEP=VALUE",
        help="value of the objective at a step; once for each",
    )
    parser.add_argument(
        "--why", default="", metavar="TEXT", help="what there is to say, such as why it failed"
    )


def _tell(arguments: argparse.Namespace) -> dict[str, Any]:
    """Tell what has come of a trial.

    Tell what has come of a trial. The same may be told twice; something else is an error with
    exit code 3. Without a result only --step and --constraint are stored, and the answer says
    whether the pruner would stop the trial.
    """
    from optuna_llm.ask_tell.desk import open_desk
    from optuna_llm.ask_tell.telling import tell

    result: Any = arguments.result or None
    if result and result[0] in _ENDINGS and len(result) == 1:
        result = result[0]
    elif result:
        result = [_number("result", value) for value in result]
    constraints = dict(_pair("--constraint", text) for text in arguments.constraint)
    steps = {}
    for name, value in (_pair("--step", text) for text in arguments.step):
        if not name.isdecimal():
            raise ConfigurationError(
                f"--step {name}={value}: the step is no whole number; write --step 3=0.5"
            )
        steps[int(name)] = value
    return tell(
        open_desk(arguments.storage, arguments.study),
        arguments.trial,
        result,
        constraints=constraints,
        intermediate=steps,
        why=arguments.why,
    )


def _pair(option: str, text: str) -> tuple[str, float]:
    name, sign, value = text.rpartition("=")
    if not sign or not name:
        raise ConfigurationError(f"{option} {text!r} is no pair; write {option} NAME=VALUE")
    return name, _number(f"{option} {name}", value)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(
            f"{name}={text!r:.80} is no number; tell numbers, or one of {', '.join(_ENDINGS)}"
        ) from None


# --------------------------------------------------------------------------------------
# state, relations


def add_state(commands: Commands) -> None:
    """Add the subcommand."""
    parser = _added(commands, "state", _state)
    parser.add_argument(
        "--max-tokens",
        type=positive,
        default=1000,
        metavar="N",
        help="length of the text, in tokens (default: %(default)s)",
    )


def _state(arguments: argparse.Namespace) -> dict[str, Any]:
    """Tell where a study stands, in few words.

    Tell where a study stands, in as many words as asked for: parameters, statistics, trials,
    what runs, and what became of suggestions. The text is the one that prompts have.
    """
    from optuna_llm.ask_tell.desk import open_desk
    from optuna_llm.ask_tell.looking import state

    return state(open_desk(arguments.storage, arguments.study), arguments.max_tokens)


def add_relations(commands: Commands) -> None:
    """Add the subcommand."""
    _added(commands, "relations", _relations)


def _relations(arguments: argparse.Namespace) -> dict[str, Any]:
    """Tell what matters: parameters, trends, noise, failures.

    Tell which parameters matter, where the good trials lie and which way they lean, what is
    noise, and what failed trials have in common.
    """
    from optuna_llm.ask_tell.desk import open_desk
    from optuna_llm.ask_tell.looking import relations

    return relations(open_desk(arguments.storage, arguments.study))
