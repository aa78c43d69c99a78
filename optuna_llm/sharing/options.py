"""The arguments that all samplers with a language model share: defined here and nowhere else.

Type checkers read them from :class:`SharedArguments`; signatures and help are made from it by
:func:`takes_shared_arguments`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import difflib
import inspect
import os
import textwrap
from typing import Any
from typing import Literal
from typing import TypedDict
from typing import TypeVar
from typing import get_type_hints

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from optuna_llm.chat import Cassette
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prompts import Task


Model = Any
"""A model name, an ``openai`` client, a callable ``prompt -> str``, or a ``ChatModel``."""

_Class = TypeVar("_Class", bound=type)


class SharedArguments(TypedDict, total=False):
    """The arguments that all samplers with a language model share.

    All are given by name and may be left out. Beside them stands ``model``, the first argument: a
    model name (``"gpt-5-mini"``, ``"ollama/qwen3"``, any LiteLLM name with the extra
    ``[litellm]``), a file (``"gguf:path/to/model.gguf"``, run in this process, with the extra
    ``[local]``), an ``openai.OpenAI`` or ``openai.AzureOpenAI`` client together with
    ``model_name``, a callable ``prompt -> str``, or an object with the method ``complete`` of
    :class:`optuna_llm.chat.ChatModel`. None takes the environment variable ``OPTUNA_LLM_MODEL``,
    else a provider's key found in the environment with that provider's default model, else no
    model: the embedded prior takes its place. ``"none"`` means no model in any case.

    Attributes:
        model_name: The model to ask for, where ``model`` is a client.
        base_url: Address of an OpenAI-compatible server, such as ``http://127.0.0.1:8000/v1``.
        api_key: The key, or a callable that returns it. None reads the environment. Never stored.
        task: What is tuned, as text or as :class:`optuna_llm.Task`. It is sent to the model.
        param_docs: What a parameter means, by name. It is sent to the model.
        n_trials: How many trials the study will have, as ``Task.n_trials``: give either. The
            default base sampler explores less towards their end.
        known_good: Configurations (or parts of one) to try first. Names and values count exactly
            as they are given; a value that is not legal is an error at construction where
            ``search_space`` tells, else it is left out with a warning. One that fails is tried
            once more.
        search_space: The whole search space. With it the model is asked before the first trial is
            known; without it from the second trial on.
        prior: An :class:`optuna_llm.Prior`: usual values of your own, before the embedded ones.
            The values that it gives a study are sent to the model.
        sources: Earlier studies that teach the default base sampler, in all forms that
            :func:`optuna_llm.warm_start` takes; ``"auto"`` for those of the same family.
        base_sampler: Any Optuna sampler that does not enumerate a grid; the default is
            :class:`optuna_llm.CQRSampler`.
        seed: Seed of all random decisions of this sampler and of the default base sampler.
        on_error: ``"fallback"``: the base sampler takes over when the model cannot be used, the
            trial says so, and after three failures in a row the model is left alone for a growing
            number of trials; ``"raise"``: the error is raised.
        max_requests: Limit of requests to the model, for the whole study.
        max_tokens: Limit of prompt and completion tokens together, for the whole study.
        max_cost: Limit of money, in the currency of ``prices``, for the whole study.
        max_seconds: Limit of the time spent in requests, for the whole study.
        prices: Price of a million prompt tokens and of a million completion tokens. None takes
            LiteLLM's table where LiteLLM is installed.
        temperature: Sent to the model if given.
        max_output_tokens: Most tokens of an answer. None takes what its form may need, and sets no
            limit for a model that is seen to think before it answers.
        timeout: Seconds until one request is given up and tried again. None: 60, or 600 for a
            model in a file.
        deadline: Seconds until all tries of a request are given up. None: twice ``timeout``.
        max_retries: Times that a request is tried again after a passing fault; 2 by default.
        extra_body: Sent with every request, for options of a particular server.
        cassette: A :class:`optuna_llm.chat.Cassette`, or the path of one, that records the
            exchanges with the model or replays them. One in mode "replay" needs no model.
        anonymize: Send neither names, labels, texts nor error messages: parameters are ``p1``,
            ``p2``, ..., choices ``option_a``, ``option_b``, ..., and ``task`` (but for
            ``n_trials``) and ``param_docs`` stay on this machine. Numbers are sent as they are:
            ranges, values, results. The model then knows nothing of the problem but its numbers;
            the embedded prior still reads the names, locally, and its usual values are sent.
        notes: Save a note with each trial, for Optuna Dashboard, that says who proposed it and
            what else there was to choose from (extra ``[dashboard]``).
    """

    model_name: str | None
    base_url: str | None
    api_key: str | Callable[[], str] | None
    task: str | Task | Mapping[str, object] | None
    param_docs: Mapping[str, str] | None
    n_trials: int | None
    known_good: Sequence[Mapping[str, Any]] | None
    search_space: Mapping[str, BaseDistribution] | None
    prior: EmbeddedPrior | None
    sources: Any
    base_sampler: BaseSampler | None
    seed: int | None
    on_error: Literal["fallback", "raise"]
    max_requests: int | None
    max_tokens: int | None
    max_cost: float | None
    max_seconds: float | None
    prices: tuple[float, float] | None
    temperature: float | None
    max_output_tokens: int | None
    timeout: float | None
    deadline: float | None
    max_retries: int
    extra_body: Mapping[str, Any] | None
    cassette: Cassette | str | os.PathLike[str] | None
    anonymize: bool
    notes: bool


# What is not named here is None by default.
_DEFAULTS: SharedArguments = {
    "on_error": "fallback",
    "max_retries": 2,
    "anonymize": False,
    "notes": False,
}
_SHARED = {
    name: inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=hint
    )
    for name, hint in get_type_hints(SharedArguments).items()
}


def with_defaults(sampler: str, given: SharedArguments) -> SharedArguments:
    """Return all shared arguments, those that are not given with their defaults.

    Args:
        sampler: Name of the sampler that they were given to.
        given: What the user has given by name.

    Raises:
        TypeError: There is no such argument.
    """
    for name in given:
        if name not in _SHARED:
            message = f"{sampler}() got an unexpected keyword argument {name!r}"
            near = difflib.get_close_matches(name, _SHARED, 1)
            raise TypeError(message + (f". Did you mean {near[0]!r}?" if near else ""))
    every: Any = {name: parameter.default for name, parameter in _SHARED.items()} | given
    shared: SharedArguments = every
    return shared


def takes_shared_arguments(sampler: _Class) -> _Class:
    """Let signature and help of a sampler show every argument in place of ``**shared``."""
    initialise: Any = sampler.__init__  # type: ignore[misc]
    own = inspect.signature(initialise).parameters.values()
    named = [p for p in own if p.kind is not inspect.Parameter.VAR_KEYWORD]
    # Of the method, not of the class: a subclass with a constructor of its own shows that one.
    initialise.__signature__ = inspect.Signature([*named, *_SHARED.values()])
    if sampler.__doc__ and SharedArguments.__doc__:  # Both are None under python -OO.
        described = inspect.cleandoc(SharedArguments.__doc__).partition("Attributes:\n")[2]
        text = textwrap.indent(textwrap.dedent(described), " " * 4)
        before, _, after = inspect.cleandoc(sampler.__doc__).partition("    **shared:")
        sampler.__doc__ = before + text + after[after.find("\n\n") :]
    return sampler
