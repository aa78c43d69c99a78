"""The command ``optuna-llm``. One function each adds a subcommand and runs it."""

from __future__ import annotations

import argparse
from functools import partial
import importlib.util
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from optuna_llm import __version__
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelError
from optuna_llm.errors import OptunaLLMError


if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from optuna import Study
    from optuna.storages import BaseStorage

    from optuna_llm.model_sampler import ModelSampler


_PROGRAM = "optuna-llm"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code: 0; 1 for a model that did not answer, or not usably; 2 for a wrong argument
        or set-up; 130 for an interrupt.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except OptunaLLMError as error:
        print(f"{_PROGRAM}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1 if isinstance(error, ModelError) else 2
    except KeyboardInterrupt:
        print(f"\n{_PROGRAM}: interrupted", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Hyperparameter search with a language model and a statistical sampler.",
        epilog=f"'{_PROGRAM} COMMAND --help' explains a command. Keys of providers are read from"
        " the environment, such as OPENAI_API_KEY.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_demo, _add_check, _add_estimate, _add_report):
        add(commands)
    return parser


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


# --------------------------------------------------------------------------------------
# demo


def _add_demo(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="tune XGBoost on a small data set and write a report",
        description="Tune an XGBoost classifier on scikit-learn's breast-cancer data with"
        " LLMSampler, compare the result with random search and with XGBoost's defaults, and"
        " write a report. Takes a minute or two. Run it again to go on where it stopped.",
    )
    parser.add_argument(
        "--trials",
        type=_positive,
        default=40,
        metavar="N",
        help="trials of each search (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="language model, such as gpt-5-mini or ollama/qwen3; without one, OPTUNA_LLM_MODEL or"
        " the key found in the environment decides, else the embedded prior takes its place",
    )
    parser.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server")
    parser.add_argument(
        "--storage",
        default="sqlite:///optuna-llm-demo.db",
        metavar="URL",
        help="where the trials are stored (default: %(default)s)",
    )
    parser.add_argument(
        "--report",
        default="optuna-llm-demo.html",
        metavar="PATH",
        help="the page to write (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of both searches (default: %(default)s)"
    )
    parser.set_defaults(run=_run_demo)


def _run_demo(arguments: argparse.Namespace) -> int:
    from optuna_llm.demo import demo

    try:
        path = demo(
            n_trials=arguments.trials,
            model=arguments.model,
            base_url=arguments.base_url,
            storage=open_storage(arguments.storage),
            report_path=arguments.report,
            seed=arguments.seed,
        )
    except KeyboardInterrupt:
        print(
            f"\nInterrupted. The finished trials are kept in {arguments.storage};"
            " run the same command again to go on.",
            file=sys.stderr,
        )
        return 130
    print(f"\nReport:    {path.resolve()}")
    print(f"Dashboard: optuna-dashboard {arguments.storage}")
    if importlib.util.find_spec("optuna_dashboard") is None:
        print('           (after pip install "optuna-llm[dashboard]")')
    return 0


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return number


# --------------------------------------------------------------------------------------
# check


def _add_check(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="ask a model once, and say whether it can be used",
        description="Send one request to a language model, in the form in which a sampler sends"
        " it, and say what came of it: which form of answer the server enforces, what it refused,"
        " latency, tokens, cost, and what had to be repaired.",
        epilog="The exit code is 0 if the answer holds a usable configuration, 1 if it does not or"
        " there is none, 2 for a wrong set-up, such as a missing key.",
    )
    parser.add_argument("model", metavar="MODEL", help="such as gpt-5-mini or ollama/qwen3")
    _add_connection(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="longest time to wait, such as for a local model that is loaded first"
        " (default: %(default)g)",
    )
    parser.set_defaults(run=_run_check)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server")
    parser.add_argument(
        "--prices",
        nargs=2,
        type=float,
        metavar=("PROMPT", "COMPLETION"),
        help="price of a million tokens of either kind (default: LiteLLM's table, where LiteLLM is"
        " installed)",
    )


def _run_check(arguments: argparse.Namespace) -> int:
    from optuna_llm.chat import connect
    from optuna_llm.check import check_model

    model = connect(
        arguments.model,
        base_url=arguments.base_url,
        timeout=arguments.timeout,
        deadline=arguments.timeout,
        prices=arguments.prices,
    )
    assert model is not None
    check = check_model(model)
    print(check)
    return 0 if check.works else 1


# --------------------------------------------------------------------------------------
# estimate


def _add_estimate(commands: Commands) -> None:
    parser = commands.add_parser(
        "estimate",
        help="tell requests, tokens and money before a run",
        description="Rehearse a study with a stand-in for the language model, and tell how many"
        " requests and tokens it takes, and what they cost. Nothing is sent. How often the model"
        " is asked depends on how much its proposals help, so there is a least and a most.",
        epilog="Not counted: the description of your task (300 tokens a request at most), and the"
        f" hidden reasoning of models that think before they answer ('{_PROGRAM} check MODEL'"
        " shows the tokens of one real request). Takes about five seconds for 100 trials.",
    )
    parser.add_argument(
        "--trials", type=_positive, default=100, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--params",
        type=_positive,
        default=10,
        metavar="N",
        help="number of hyperparameters (default: %(default)s)",
    )
    parser.add_argument(
        "--sampler",
        choices=("llm", "llambo"),
        default="llm",
        help="LLMSampler or LLAMBOSampler (default: %(default)s)",
    )
    parser.add_argument("--model", metavar="NAME", help="whose prices count, such as gpt-5-mini")
    _add_connection(parser)
    parser.set_defaults(run=_run_estimate)


def _run_estimate(arguments: argparse.Namespace) -> int:
    import optuna

    from optuna_llm import LLAMBOSampler
    from optuna_llm import LLMSampler
    from optuna_llm.chat import connect
    from optuna_llm.chat.prices import check_prices
    from optuna_llm.chat.prices import prices_of
    from optuna_llm.estimate import describe
    from optuna_llm.estimate import estimate

    prices = None if arguments.prices is None else check_prices(arguments.prices)
    if prices is None and arguments.model is not None:
        model = connect(arguments.model, base_url=arguments.base_url)
        assert model is not None
        prices = prices_of(model)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # In the background, the last request might not be over in time to be counted.
    samplers: dict[str, Callable[..., ModelSampler]] = {
        "llm": partial(LLMSampler, prefetch=False),
        "llambo": LLAMBOSampler,
    }
    found = estimate(arguments.trials, arguments.params, samplers[arguments.sampler])
    print(
        f"{arguments.trials} trials, {arguments.params} parameters, sampler {arguments.sampler}\n"
    )
    print(describe(found, prices))
    return 0


# --------------------------------------------------------------------------------------
# report


def _add_report(commands: Commands) -> None:
    parser = commands.add_parser(
        "report",
        help="write an HTML page about a stored study",
        description="Write one self-contained HTML page about a study: the best configuration,"
        " who proposed what, what the language model used, figures and trials.",
    )
    parser.add_argument(
        "storage", metavar="STORAGE", help="storage URL, such as sqlite:///study.db"
    )
    parser.add_argument("study", metavar="STUDY", help="name of the study")
    parser.add_argument("-o", "--output", required=True, metavar="PATH", help="the page to write")
    parser.set_defaults(run=_run_report)


def _run_report(arguments: argparse.Namespace) -> int:
    from optuna_llm.reporting import report

    path = report(load_study(arguments.storage, arguments.study), arguments.output)
    print(path.resolve())
    return 0


def load_study(storage: str, name: str) -> Study:
    """Load a stored study, without creating a database that is not there.

    Raises:
        ConfigurationError: The storage cannot be opened or holds no such study.
    """
    import optuna

    opened = open_storage(storage, must_exist=True)
    names = optuna.get_all_study_names(opened)
    if name not in names:
        known = ", ".join(map(repr, names)) or "none"
        raise ConfigurationError(
            f"study={name!r} is not in {storage!r}; the studies there: {known}."
        )
    return optuna.load_study(study_name=name, storage=opened)


def open_storage(url: str, *, must_exist: bool = False) -> BaseStorage:
    """Open a storage by its URL.

    Raises:
        ConfigurationError: It cannot be opened, or is a file that must exist and does not.
    """
    from optuna.storages import RDBStorage
    import sqlalchemy

    try:
        parsed = sqlalchemy.make_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and bool(parsed.database)
        if must_exist and is_file and not Path(str(parsed.database)).is_file():
            raise ConfigurationError(f"storage={url!r}: there is no file {parsed.database!r}.")
        return RDBStorage(url)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"storage={url!r} cannot be opened ({reason}); give a URL such as sqlite:///study.db."
        ) from error
