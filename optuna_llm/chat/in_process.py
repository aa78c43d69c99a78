"""A model in a GGUF file, run in this process by llama.cpp (extra ``[local]``)."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import ctypes
import json
import logging
import math
import os
from pathlib import Path
import secrets
import threading
import time
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat.client import Request
from optuna_llm.chat.credentials import ForeignKey
from optuna_llm.chat.model import estimate_prompt_tokens
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.stream import Stream
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from optuna_llm.extras import check_extra


if TYPE_CHECKING:
    from optuna_llm.chat.attempt import Attempt


_logger = logging.getLogger(__name__)

PREFIX = "gguf:"
_MAGIC = b"GGUF"
# Room for the prompts and answers of the default arguments. Longer ones get a longer context, as
# far as the model has been trained for it; each token of it costs memory.
_CONTEXT = 8192
_EXPECTED_OUTPUT_TOKENS = 2048
# Digits after the first one of the smallest number of a range; llguidance follows no more
# decimals than ten.
_DIGITS, _MOST_DECIMALS = 2, 10
# Seconds that the end of the program waits for requests, which end with their next token.
_PATIENCE = 60.0


class GGUFEndpoint:
    """One model in a file, loaded at the first request and shared by all samplers of a process.

    Args:
        path: The file; of a model in several files the first.

    Raises:
        ConfigurationError: It is no GGUF file.
        MissingExtraError: xllamacpp is not installed.
    """

    # Never sent: the engine speaks OpenAI's language.
    token_limit = "max_tokens"
    streams = True
    hint = ""
    key = ForeignKey(source="nobody", fix="none is needed")

    def __init__(self, path: str) -> None:
        self._path = _checked(path)
        self.model = self._path.stem
        self.address = f"{PREFIX}{path}"

    def load(self) -> None:
        """Load the model.

        Raises:
            ModelSetupError: llama.cpp cannot load it.
        """
        _engines.get(self._path, _CONTEXT)

    def prices(self) -> Prices | None:
        """Return that it costs nothing."""
        return (0.0, 0.0)

    def send(self, request: Request) -> Mapping[str, Any]:
        """Answer one request; requests of several threads are answered one after the other."""
        body = {**request.parameters, "messages": list(request.messages), "stream": True}
        form = body.pop("response_format", {})
        if form.get("type") == "json_schema":
            body["grammar"] = grammar_of(form["json_schema"]["schema"])
        needed = body.get("max_tokens", _EXPECTED_OUTPUT_TOKENS)
        needed += estimate_prompt_tokens(request.messages)
        engine = _engines.get(self._path, needed)
        stream = Stream()
        with _engines.use():
            engine.handle_chat_completions(body, _listener(stream, request.attempt))
        response = stream.response()
        if response is None:
            raise ModelError(f"{self.address} ended without an answer")
        return response


def _listener(stream: Stream, attempt: Attempt[Any]) -> Any:
    """Return what llama.cpp calls with each piece; it stops where that returns true."""

    def listen(chunk: Mapping[str, Any]) -> bool:
        stream.add(chunk)
        return attempt.given_up or _engines.closing or stream.repeats()

    return listen


def grammar_of(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema as a grammar of llguidance, which keeps to the ranges of numbers.

    llama.cpp's own grammars do so for integers only. Without a limit on decimals a weak model
    goes on with them; numbers get three digits from the first one of the lower end on.
    """
    guided = {**_with_digits(schema), "x-guidance": {"whitespace_flexible": False}}
    return "%llguidance {}\nstart: %json " + json.dumps(guided)


def _with_digits(schema: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(schema)
    if "items" in told:
        told["items"] = _with_digits(told["items"])
    if "properties" in told:
        told["properties"] = {n: _with_digits(part) for n, part in told["properties"].items()}
    types = told.get("type", ())
    if "number" in ([types] if isinstance(types, str) else types):
        unit = _unit(told.get("minimum", -math.inf), told.get("maximum", math.inf))
        if unit is None:
            # Nothing of that size can be told from zero in ten decimals.
            told = {k: v for k, v in told.items() if k not in ("minimum", "maximum")}
        else:
            told["multipleOf"] = unit
    return told


def _unit(low: float, high: float) -> float | None:
    """Return the last decimal that numbers of a range are written with; None if none will do."""
    size = low if low > 0 else (high - low) / 10
    if not math.isfinite(size) or size >= 100:
        return 1
    if size <= 0:
        return None
    decimals = min(_DIGITS - math.floor(math.log10(size)), _MOST_DECIMALS)
    unit = float(f"1e-{decimals}")
    return unit if math.floor(high / unit) >= math.ceil(low / unit) else None


# --------------------------------------------------------------------------------------
# The engines of this process


class _Engines:
    """The models that this process has loaded, with the lengths of their contexts."""

    def __init__(self) -> None:
        self.closing = False
        self._lock = threading.Lock()
        self._running = 0
        self._loaded: dict[Path, tuple[int, Any]] = {}

    def get(self, path: Path, context: int) -> Any:
        """Return the engine of a file with room for so many tokens."""
        with self._lock:
            known, engine = self._loaded.get(path, (0, None))
            if context > known:
                length = _CONTEXT
                while length < context:
                    length *= 2
                # The old one first: two of them may not fit into memory.
                self._loaded.pop(path, None)
                del engine
                engine = _load(path, length)
                self._loaded[path] = length, engine
            return engine

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Count a request that is under way."""
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def close(self) -> None:
        """End the requests under way: a piece that comes when Python has ended is a crash."""
        self.closing = True
        end = time.monotonic() + _PATIENCE
        while self._running and time.monotonic() < end:
            time.sleep(0.01)

    def forget(self) -> None:
        """Never free the engines: a forked child would wait for threads that it has not."""
        for _, engine in self._loaded.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))


_engines = _Engines()


def _begin_anew() -> None:
    """Load models again in a forked child."""
    global _engines
    _engines.forget()
    _engines = _Engines()


atexit.register(lambda: _engines.close())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _load(path: Path, context: int) -> Any:
    """Load a model into an engine."""
    import xllamacpp

    _logger.info("Loading %s with room for %d tokens.", path.name, context)
    started = time.monotonic()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {path.stem}
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.use_jinja = True
    parameters.warmup = False
    parameters.verbosity = 0
    # Half of the cores are left to the objective, which may run at the same time.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = max(1, _cores() // 2)
    # The engine listens at an address of this machine, where nobody else has business.
    parameters.api_keys = [secrets.token_urlsafe()]
    try:
        engine = xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise ModelSetupError(
            f"llama.cpp cannot load {path}: {error} Is it whole, does it fit into memory, and does"
            " the installed xllamacpp know its kind (pip install -U xllamacpp)?"
        ) from None
    _logger.info("Loaded %s in %.1f s.", path.name, time.monotonic() - started)
    return engine


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _checked(path: str) -> Path:
    """Return the path of a GGUF file."""
    where = Path(path.strip()).expanduser()
    model = f"model={PREFIX + path!r}"
    if not where.name:
        raise ConfigurationError(f'{model} names no file; write "{PREFIX}path/to/model.gguf"')
    if not where.exists():
        raise ConfigurationError(f"{model}: there is no file {str(where.absolute())!r}")
    if where.is_dir():
        raise ConfigurationError(f"{model} is a folder; name a .gguf file in it")
    try:
        with where.open("rb") as file:
            is_gguf = file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise ConfigurationError(f"{model} cannot be read: {error}") from None
    if not is_gguf:
        raise ConfigurationError(
            f"{model} is no GGUF file; models for llama.cpp come in this format, weights of other"
            " formats need a server or a conversion first"
        )
    check_extra("xllamacpp", extra="local", need=f"{model} needs")
    return where.absolute()
