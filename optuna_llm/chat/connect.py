"""One door to all models."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import inspect
import math
import os
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat.callable_client import CallableChatModel
from optuna_llm.chat.client import RemoteChatModel
from optuna_llm.chat.client import Settings
from optuna_llm.chat.credentials import ApiKey
from optuna_llm.chat.endpoints import LiteLLMEndpoint
from optuna_llm.chat.endpoints import OpenAIEndpoint
from optuna_llm.chat.endpoints import ReadyEndpoint
from optuna_llm.chat.in_process import PREFIX
from optuna_llm.chat.in_process import GGUFEndpoint
from optuna_llm.chat.model import ChatModel
from optuna_llm.chat.numbers import real
from optuna_llm.chat.prices import check_prices
from optuna_llm.chat.providers import PROVIDERS
from optuna_llm.chat.providers import base_url_of
from optuna_llm.chat.providers import check_base_url
from optuna_llm.chat.providers import hint_for
from optuna_llm.chat.providers import is_local
from optuna_llm.chat.providers import provider_at
from optuna_llm.errors import ConfigurationError


if TYPE_CHECKING:
    import openai


_MODEL_VARIABLE = "OPTUNA_LLM_MODEL"
_URL_VARIABLE = "OPTUNA_LLM_BASE_URL"
_KEY_VARIABLE = "OPTUNA_LLM_API_KEY"

_FREE = (0.0, 0.0)
# As the name of a model: there is to be none, whatever keys the environment holds.
NO_MODEL = "none"
# A few thousand tokens on the cores that the objective leaves take minutes.
_TIMEOUT_IN_PROCESS = 600.0


def connect(
    model: str | openai.OpenAI | Callable[[str], str] | ChatModel | None = None,
    *,
    model_name: str | None = None,
    base_url: str | None = None,
    api_key: str | Callable[[], str] | None = None,
    temperature: float | None = None,
    timeout: float | None = None,
    deadline: float | None = None,
    max_retries: int = 2,
    extra_body: Mapping[str, Any] | None = None,
    prices: Sequence[float] | None = None,
) -> ChatModel | None:
    """Return a chat model for whatever the user means by ``model``.

    Nothing is sent and no SDK is imported before the first request; a missing key or an unknown
    model is a :class:`~optuna_llm.errors.ModelSetupError` then.

    Args:
        model: One of

            - a model of OpenAI: ``"gpt-5.4-mini"``;
            - a provider and its model: ``"ollama/qwen3"``, ``"groq/openai/gpt-oss-120b"``; known
              are openai, anthropic, gemini, openrouter, groq, deepseek, mistral, ollama and
              lm_studio; all others go through LiteLLM (the extra ``litellm``);
            - a model in a file, run in this process: ``"gguf:path/to/model.gguf"`` (the extra
              ``local``);
            - with ``base_url``, the name that the server there uses, taken as it is;
            - an ``openai.OpenAI`` or ``openai.AzureOpenAI`` object, with ``model_name``;
            - a function from a prompt to an answer;
            - any :class:`ChatModel`, which is returned as it is;
            - ``"none"``: no model, whatever keys the environment holds;
            - None: the environment variable ``OPTUNA_LLM_MODEL``, with ``OPTUNA_LLM_BASE_URL`` and
              ``OPTUNA_LLM_API_KEY``; else the default model of the first provider of which the
              environment holds the key.
        model_name: Name of the model that a ready client should ask for, or of a function.
        base_url: Address of an OpenAI-compatible server, such as ``"http://127.0.0.1:8000/v1"``. A
            server on this machine or its network needs no key.
        api_key: The key, or a function that returns it, called for each request. None reads the
            provider's environment variable (with ``base_url``: ``OPTUNA_LLM_API_KEY``). A key is
            sent in a header only, and never shown or pickled: in another process, give it again
            or have it in the environment.
        temperature: Sampling temperature; None leaves it to the server.
        timeout: Most seconds for one HTTP request or call; None: 60, or 600 for a model in a file.
            After one that takes longer, the next try gets twice as many, if ``deadline`` leaves
            them; else there is none.
        deadline: Most seconds for one answer with its retries; None: twice the timeout.
        max_retries: Times that a request which failed for a passing reason is sent again.
        extra_body: More parameters for each request, such as ``{"reasoning_effort": "low"}``.
        prices: Price of a million prompt tokens and of a million completion tokens, to know the
            cost; None takes them from LiteLLM where that is installed and a limit on cost is set.

    Returns:
        The model, or None if ``model`` is ``"none"``, or is None and the environment names none.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    timeout, deadline = time_limits(model, timeout, deadline)
    if model_name is not None and not (isinstance(model_name, str) and model_name.strip()):
        raise ConfigurationError(
            f'model_name={model_name!r:.80} must be the name of a model, such as "gpt-5.4-mini"'
        )
    settings = Settings(
        temperature=temperature,
        timeout=timeout,
        deadline=deadline,
        max_retries=max_retries,
        extra_body=extra_body,
        prices=None if prices is None else check_prices(prices),
    )
    if base_url is not None:
        base_url = check_base_url(base_url)
    request = {"temperature": temperature, "extra_body": extra_body}
    if is_none(model):
        given = {"base_url": base_url, "api_key": api_key, "model_name": model_name}
        _refuse("no model", **given, **request, prices=prices)
        return None
    variables: tuple[str, ...] = (_KEY_VARIABLE,) if base_url is not None else ()
    if model is None and (base_url is not None or _variable(_MODEL_VARIABLE, _URL_VARIABLE)):
        model, base_url = _from_variables(base_url)
        variables = (_KEY_VARIABLE,)
    elif model is None:
        if api_key is not None:
            raise ConfigurationError(
                f"api_key without a model to use it for; give model or set {_MODEL_VARIABLE}"
            )
        model = _default_model()
    if model is None:
        return None
    remote = {"base_url": base_url, "api_key": api_key}
    if isinstance(model, str):
        _refuse(f"model={model!r}", model_name=model_name)
        return _named(model, base_url, api_key, variables, settings)
    if _is_openai_client(model):
        _refuse("a ready openai client", **remote)
        return _ready(model, model_name, settings)
    if isinstance(model, ChatModel) and not isinstance(model, type):
        _refuse("a ready chat model", **remote, **request, model_name=model_name, prices=prices)
        return model
    if callable(model) and not isinstance(model, type):
        _refuse("a function as model", **remote, **request)
        return _function(model, model_name, settings)
    raise ConfigurationError(
        "model must be a model name, an openai client, a function from str to str, an object with "
        f"a name and a complete method, or None; got {type(model).__name__}"
    )


def is_none(model: object) -> bool:
    """Whether somebody has said that there is to be no model, by argument or environment."""
    said = _variable(_MODEL_VARIABLE) if model is None else model
    return isinstance(said, str) and said.strip().lower() == NO_MODEL


def time_limits(
    model: object, timeout: float | None, deadline: float | None
) -> tuple[float, float]:
    """Return the limits of time for a model: those given, or what its kind may need."""
    if timeout is None:
        timeout = _TIMEOUT_IN_PROCESS if _is_file(model) else Settings.timeout
    if deadline is None:
        # What is no number is refused with the settings.
        seconds = real(timeout)
        deadline = Settings.deadline if math.isnan(seconds) else 2 * seconds
    return timeout, deadline


def _is_file(model: object) -> bool:
    """Whether a name stands for a model in a file."""
    return isinstance(model, str) and model.strip().startswith(PREFIX)


def _variable(*names: str) -> str | None:
    """Return the value of the first of the environment variables that is set."""
    values = (os.environ.get(name, "").strip(" \t\r\n\"'") for name in names)
    return next((value for value in values if value), None)


def _from_variables(base_url: str | None) -> tuple[str, str | None]:
    """Return the model and the base URL that this package's environment variables name."""
    address = _variable(_URL_VARIABLE)
    if base_url is None and address is not None:
        base_url = check_base_url(address, name=_URL_VARIABLE)
    model = _variable(_MODEL_VARIABLE)
    if model is None:
        raise ConfigurationError(
            f"base_url={base_url!r} without a model name; give model or set {_MODEL_VARIABLE}"
        )
    return model, base_url


def _default_model() -> str | None:
    """Return the default model of the first provider whose key the environment holds."""
    for name, provider in PROVIDERS.items():
        if provider.variable is not None and _variable(provider.variable):
            return f"{name}/{provider.default_model}"
    return None


def _named(
    model: str,
    base_url: str | None,
    api_key: str | Callable[[], str] | None,
    variables: tuple[str, ...],
    settings: Settings,
) -> ChatModel:
    """Return the model of a name.

    Args:
        model: The name.
        base_url: Where it is, if that does not follow from the name.
        api_key: The key, if given.
        variables: Environment variables that may hold the key, before the provider's own.
        settings: How to ask it.
    """
    name = model.strip()
    if _is_file(name):
        _refuse(f"model={name!r}", base_url=base_url, api_key=api_key)
        file = GGUFEndpoint(name.removeprefix(PREFIX))
        return RemoteChatModel(file, name=file.model, settings=settings)
    prefix, separator, rest = name.partition("/")
    if not name or (separator and not (prefix and rest)):
        raise ConfigurationError(
            f"model={model!r} is no model name; give one such as 'gpt-5.4-mini' or 'ollama/qwen3'"
        )
    prices, hint = None, ""
    if base_url is not None:
        known = provider_at(base_url)
        if prefix in PROVIDERS and separator:
            hint = f"with base_url a name is taken as it is; write {rest!r} if that is its own"
        rest = name
    elif not separator or prefix in PROVIDERS:
        prefix, rest = (prefix, rest) if separator else ("openai", name)
        known, base_url = PROVIDERS[prefix], base_url_of(prefix)
        hint = hint_for(name) if not separator else ""
        name = rest if prefix == "openai" else name
        prices = _FREE if known.variable is None else None
    else:
        key = ApiKey(api_key, variables=variables, optional=True)
        hint = (
            f"{prefix!r} is no provider that is known here, so LiteLLM is asked; for the model of"
            f" a server of your own give base_url (--base-url), for one of Ollama 'ollama/...'"
        )
        endpoint = LiteLLMEndpoint(name, key=key, hint=hint)
        return RemoteChatModel(endpoint, name=name, settings=settings)
    if known is not None and known.variable is not None:
        variables = (*variables, known.variable)
    optional = is_local(base_url) or (known is not None and known.variable is None)
    key = ApiKey(api_key, variables=variables, optional=optional)
    there = OpenAIEndpoint(rest, base_url=base_url, key=key, prices=prices, hint=hint)
    return RemoteChatModel(there, name=name, settings=settings)


def _ready(client: Any, model_name: str | None, settings: Settings) -> ChatModel:
    if inspect.iscoroutinefunction(inspect.unwrap(client.chat.completions.create)):
        raise ConfigurationError(
            f"model is an asynchronous {type(client).__name__}; give an openai.OpenAI or "
            "openai.AzureOpenAI object"
        )
    if not model_name:
        raise ConfigurationError(
            "model is an openai client, which has no model of its own; give model_name, such as "
            'model_name="gpt-5.4-mini"'
        )
    return RemoteChatModel(ReadyEndpoint(model_name, client), name=model_name, settings=settings)


def _function(
    function: Callable[[str], str], model_name: str | None, settings: Settings
) -> ChatModel:
    called = function if inspect.isroutine(function) else type(function).__call__
    if inspect.iscoroutinefunction(called):
        raise ConfigurationError("model is an asynchronous function; give one that returns text")
    name = model_name or str(getattr(function, "__name__", type(function).__name__))
    return CallableChatModel(function, name=name, settings=settings)


def _is_openai_client(model: object) -> bool:
    """Whether ``model`` is an openai client, found out without importing the SDK."""
    modules = (kind.__module__.partition(".")[0] for kind in type(model).__mro__)
    return "openai" in modules and hasattr(model, "chat")


def _refuse(what: str, **arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ConfigurationError(f"{name} has no effect on {what}; leave it out")
