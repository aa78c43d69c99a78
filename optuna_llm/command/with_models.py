"""Subcommands that try things out: `demo`, `check`, `estimate`."""

from __future__ import annotations

import argparse
from functools import partial
import importlib.util
import sys
from typing import TYPE_CHECKING

from optuna_llm.command.arguments import add_command
from optuna_llm.command.arguments import add_connection
from optuna_llm.command.arguments import positive
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import redact
from optuna_llm.extras import install_command
from optuna_llm.history.stored import open_storage


if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna_llm.chat import ChatModel
    from optuna_llm.command.arguments import Commands
    from optuna_llm.sharing.model_sampler import ModelSampler


def add_demo(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, "demo", _run_demo)
    parser.add_argument(
        "--trials",
        type=positive,
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
        "--seed", type=int, default=0, help="seed of all searches (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds",
        type=positive,
        default=1,
        metavar="N",
        help="number of seeds, from --seed on (default: %(default)s)",
    )


def _run_demo(arguments: argparse.Namespace) -> int:
    """Tune LightGBM beside TPE and random search, and write a report.

    Tune LightGBM on flights from New York with LLMSampler, with TPE and with random search,
    compare the results on flights that no search has seen, and write a report and a picture.
    Takes a minute or two. Run it again to go on where it stopped.
    """
    from optuna_llm.command.demo import demo

    try:
        page, picture = demo(
            n_trials=arguments.trials,
            model=arguments.model,
            base_url=arguments.base_url,
            storage=open_storage(arguments.storage),
            report_path=arguments.report,
            seed=arguments.seed,
            n_seeds=arguments.seeds,
        )
    except KeyboardInterrupt:
        print(
            f"\nInterrupted. The finished trials are kept in {redact(arguments.storage)};"
            " run the same command again to go on.",
            file=sys.stderr,
        )
        return 130
    print(f"\nReport:    {page.resolve()}")
    print(f"Picture:   {picture.resolve()}")
    print(f"Dashboard: optuna-dashboard {redact(arguments.storage)}")
    if importlib.util.find_spec("optuna_dashboard") is None:
        print(f"           (after {install_command('dashboard')})")
    return 0


def add_check(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, "check", _run_check)
    parser.add_argument(
        "model", metavar="MODEL", help="such as gpt-5-mini, ollama/qwen3 or gguf:model.gguf"
    )
    add_connection(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="longest time to wait, such as for a local model that is loaded first"
        " (default: as long as a sampler waits)",
    )


def _run_check(arguments: argparse.Namespace) -> int:
    """Ask a model once, and say whether it can be used.

    Send one request to a language model, in the form in which a sampler sends it, and say what
    came of it: which form of answer the server enforces, what it refused, latency, tokens,
    cost, and what had to be repaired.

    The exit code is 0 if the answer holds a usable configuration, 1 if it does not or there is
    none, 2 for a wrong set-up, such as a missing key.
    """
    from optuna_llm.chat import connect
    from optuna_llm.command.check import check_model

    model = connect(
        arguments.model,
        base_url=arguments.base_url,
        timeout=arguments.timeout,
        deadline=arguments.timeout,
        prices=arguments.prices,
    )
    check = check_model(_some(model))
    print(check)
    return 0 if check.works else 1


def _some(model: ChatModel | None) -> ChatModel:
    if model is None:
        raise ConfigurationError('"none" stands for no model; name one, such as ollama/qwen3')
    return model


def add_estimate(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, "estimate", _run_estimate)
    parser.add_argument(
        "--trials", type=positive, default=100, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--params",
        type=positive,
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
    add_connection(parser)


def _run_estimate(arguments: argparse.Namespace) -> int:
    """Tell requests, tokens and money before a run.

    Rehearse a study with a stand-in for the language model, and tell how many requests and
    tokens it takes, and what they cost. Nothing is sent. How often the model is asked depends
    on how much its proposals help, so there is a least and a most.

    Not counted: the description of your task (300 tokens a request at most), and the hidden
    reasoning of models that think before they answer ('optuna-llm check MODEL' shows the tokens
    of one real request). Takes about five seconds for 100 trials.
    """
    import optuna

    from optuna_llm import LLAMBOSampler
    from optuna_llm import LLMSampler
    from optuna_llm.chat import connect
    from optuna_llm.chat.prices import check_prices
    from optuna_llm.chat.prices import prices_of
    from optuna_llm.command.estimate import describe
    from optuna_llm.command.estimate import estimate

    prices = None if arguments.prices is None else check_prices(arguments.prices)
    if prices is None and arguments.model is not None:
        model = connect(arguments.model, base_url=arguments.base_url)
        prices = prices_of(_some(model))
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
