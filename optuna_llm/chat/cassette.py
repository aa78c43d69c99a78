"""Record and replay of exchanges, for tests, offline work and papers that can be repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
import hashlib
import json
import logging
import os
from pathlib import Path
import threading
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import get_args

from optuna_llm.chat.model import ChatModel
from optuna_llm.chat.model import Completion
from optuna_llm.chat.model import Message
from optuna_llm.chat.model import Token
from optuna_llm.chat.model import Usage
from optuna_llm.chat.model import reported_usage
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import check_prices
from optuna_llm.errors import CassetteMissError
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError


if TYPE_CHECKING:
    from typing_extensions import Unpack

    from optuna_llm.chat.model import RequestOptions


_logger = logging.getLogger(__name__)

CassetteMode = Literal["auto", "record", "replay"]

_ERRORS = {error.__name__: error for error in (ModelError, EmptyReplyError)}


class Cassette:
    """A file of exchanges with models, one JSON object a line.

    A request is known by the model's name, its options, the messages, the schema and the limit on
    output tokens. Requests that are alike are answered in the order in which they were recorded.
    Answers and failures of the model are recorded; keys and options are not (a digest of the
    options is). Threads and processes may share one file.

    Args:
        path: The file; made when first needed.
        mode: "record" asks the model and appends to the file; "replay" answers from the file and
            needs neither model nor network; "auto" answers from the file what it can (failures
            are asked again), and records the rest. Where there is no model, "auto" is "replay".
    """

    def __init__(self, path: str | os.PathLike[str], mode: CassetteMode = "auto") -> None:
        if not isinstance(mode, str) or mode not in get_args(CassetteMode):
            raise ConfigurationError(f"mode={mode!r:.80} must be one of {get_args(CassetteMode)}")
        if not isinstance(path, str | os.PathLike):
            raise ConfigurationError(f"path={path!r:.80} must be the path of a file")
        self._path = Path(path).expanduser()
        if self._path.is_dir():
            raise ConfigurationError(f"path={str(path)!r} is a folder; name a file in it")
        self._mode = mode
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._lines: list[dict[str, Any]] | None = None
        self._played: Counter[str] = Counter()

    @property
    def needs_model(self) -> bool:
        """Whether a model must be at hand for what is not recorded."""
        return self._mode != "replay"

    def models(self) -> set[str]:
        """Return the names of the models that are recorded; none if none is replayed."""
        return set() if self._mode == "record" else {line["model"] for line in self._load()}

    def wrap(self, model: ChatModel | None, *, prices: Sequence[float] | None = None) -> ChatModel:
        """Return ``model`` with this cassette between it and the caller.

        Args:
            model: The model. None stands for the only model recorded, and replays it.
            prices: Prices of a model that is not at hand, if a limit on cost needs them.
        """
        if model is None and self._mode == "auto" and self._load():
            return Cassette(self._path, mode="replay").wrap(None, prices=prices)
        if model is not None:
            return _CassetteModel(
                self, model, name=model.name, options=_digest(getattr(model, "options", {}))
            )
        if self._mode != "replay":
            raise ConfigurationError(f'model=None needs mode="replay", got mode={self._mode!r}')
        recorded = {(line["model"], line["options"]) for line in self._load()}
        if len(recorded) != 1:
            raise ConfigurationError(
                f"model=None needs a cassette of one model; {self._path} holds {len(recorded)}"
            )
        ((name, options),) = recorded
        known = None if prices is None else check_prices(prices)
        return _CassetteModel(self, None, name=name, options=options, prices=known)

    def _replay(self, key: str) -> dict[str, Any] | None:
        """Return the next recorded line of a request, if any."""
        if self._mode == "record":
            return None
        with self._here():
            lines = [line for line in self._load() if line["key"] == key]
            if self._mode == "auto":
                lines = [line for line in lines if "completion" in line]
            position = self._played[key]
            self._played[key] += 1
        if position < len(lines):
            return lines[position]
        if self._mode == "auto":
            return None
        raise CassetteMissError(
            f"{self._path} holds {len(lines)} replies to this request and this is request number "
            f'{position + 1}; record it with mode="auto", or repeat the run as it was recorded '
            "(same model, options, seed and versions)"
        )

    def _here(self) -> threading.Lock:
        """Return the lock of this process; one that was held during a fork stays held."""
        if self._process != os.getpid():
            self._process, self._lock = os.getpid(), threading.Lock()
        return self._lock

    def _load(self) -> list[dict[str, Any]]:
        """Return the lines as they were when the file was first read."""
        if self._lines is None:
            self._lines = []
            if self._mode == "replay" and not self._path.exists():
                raise CassetteMissError(
                    f'there is no file {self._path}; record it with mode="auto" first'
                )
            content = self._path.read_bytes() if self._path.exists() else b""
            for number, text in enumerate(content.split(b"\n"), start=1):
                if text.strip():
                    self._lines.extend(_parse(text, f"{self._path}:{number}"))
        return self._lines

    def _append(self, line: dict[str, Any]) -> None:
        # One write with O_APPEND is one piece in the file, whoever else is writing.
        data = json.dumps(line).encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if os.fstat(descriptor).st_size > 0:
                os.lseek(descriptor, -1, os.SEEK_END)
                if os.read(descriptor, 1) != b"\n":
                    data = b"\n" + data  # Ends a line that a crash cut short.
            if os.write(descriptor, data) != len(data):
                _logger.warning("A line of %s was cut short; is the disk full?", self._path)
        finally:
            os.close(descriptor)

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_mode": self._mode}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_path"], state["_mode"])  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"Cassette({str(self._path)!r}, mode={self._mode!r})"


class _CassetteModel:
    """A chat model that a cassette answers for."""

    def __init__(
        self,
        cassette: Cassette,
        model: ChatModel | None,
        *,
        name: str,
        options: str,
        prices: Prices | None = None,
    ) -> None:
        self.name = name
        self._prices = prices
        self._cassette = cassette
        self._model = model
        self._options = options

    @property
    def prices(self) -> Prices | None:
        """The prices of the model behind."""
        return getattr(self._model, "prices", self._prices)

    def complete(
        self, messages: Sequence[Message], **options: Unpack[RequestOptions]
    ) -> Completion:
        """Answer ``messages``; see :meth:`optuna_llm.chat.ChatModel.complete`."""
        schema, max_output_tokens = options.get("schema"), options.get("max_output_tokens")
        top_logprobs = options.get("top_logprobs")
        # An argument that is not used leaves the keys of older recordings as they are.
        more = {} if top_logprobs is None else {"top_logprobs": top_logprobs}
        asked = [self.name, self._options, list(messages), schema, max_output_tokens]
        key = _digest([*asked, more] if more else asked)
        line = self._cassette._replay(key)
        if line is not None:
            return _completion(line)
        assert self._model is not None
        line = {
            "key": key,
            "model": self.name,
            "options": self._options,
            "messages": list(messages),
        }
        try:
            completion = self._model.complete(
                messages, schema=schema, max_output_tokens=max_output_tokens, **more
            )
        except ModelError as error:
            usage = reported_usage(error)
            line["error"] = {
                "kind": type(error).__name__,
                "reason": str(error),
                "usage": usage and asdict(usage),
                "unanswered": error.unanswered,
            }
            self._cassette._append(line)
            raise
        self._cassette._append({**line, "completion": asdict(completion)})
        return completion

    def __repr__(self) -> str:
        return f"{self._cassette!r}.wrap({self._model!r})"


def _completion(line: dict[str, Any]) -> Completion:
    """Return the recorded completion, or raise the recorded failure."""
    if "completion" in line:
        recorded = line["completion"]
        usage = Usage(**recorded["usage"])
        tokens = tuple(
            Token(t["text"], tuple((text, value) for text, value in t["alternatives"]))
            for t in recorded.get("tokens", ())
        )
        return Completion(**{**recorded, "usage": usage, "tokens": tokens})
    recorded = line["error"]
    error = _ERRORS[recorded["kind"]](recorded["reason"])
    error.unanswered = recorded.get("unanswered", 0)
    if recorded["usage"] is not None:
        usage = Usage(**recorded["usage"])
        error.tokens = usage.prompt_tokens, usage.completion_tokens
    raise error


def _parse(text: bytes, where: str) -> list[dict[str, Any]]:
    """Return the line in ``text``, or nothing if it is not whole."""
    try:
        line = json.loads(text)
        whole = {"key", "model", "options"} <= line.keys() and (
            "completion" in line or line["error"]["kind"] in _ERRORS
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        whole = False
    if whole:
        return [line]
    _logger.warning("%s is not a whole line of a cassette and is left out.", where)
    return []


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
