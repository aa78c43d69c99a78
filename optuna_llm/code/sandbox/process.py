"""A function whose source nobody has vouched for, run in a process with nothing in reach."""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
import functools
import importlib.util
import json
import math
import os
from pathlib import Path
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any
from typing import NoReturn
import weakref

from optuna_llm.code.sandbox.child import decode
from optuna_llm.code.sandbox.child import encode
from optuna_llm.code.sandbox.level import Trust
from optuna_llm.code.sandbox.level import check_level
from optuna_llm.code.sandbox.level import level_of
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import SandboxError
from optuna_llm.history.attributes import shorten


_CHILD = Path(__file__).with_name("child.py")
# Starting Python and importing NumPy takes longer than any call, most of all on a busy machine.
_START_SECONDS = 120.0
_END_SECONDS = 5.0
_MEGABYTE = 1 << 20
# Lazy parts of packages have to be there before the files are out of reach.
_PARTS = {"numpy": ("numpy.linalg", "numpy.fft", "numpy.random", "numpy.polynomial", "numpy.ma")}


class Sandbox:
    """A function from source, called in a process of its own that has nothing in reach.

    The process is a fresh interpreter without site packages beside the imports, with an empty
    environment and no descriptors but the two pipes. It lives until it is closed, fails a
    deadline or breaks the protocol, and then the next call starts another one.
    Arguments and results are JSON (numbers, texts, truth values, None, lists, dicts, arrays of
    numbers); a tuple comes out as a list.

    Args:
        source: Defines the function.
        function: The function's name.
        imports: Modules that the source may import; others are out of reach.
        seconds: For one call, before its process is killed.
        memory: MiB of address space that the code may take, beside the interpreter.
        max_answer: MiB of a result's JSON.
        trust: None refuses machines without namespaces; ``"limits"`` takes what there is;
            ``"in-process"`` runs the source in this process, with this process's rights, and
            without a deadline.

    Raises:
        ConfigurationError: An argument is wrong, or this machine cannot lock the code in.
    """

    def __init__(
        self,
        source: str,
        function: str,
        *,
        imports: Sequence[str] = ("math",),
        seconds: float = 10.0,
        memory: int = 512,
        max_answer: int = 16,
        trust: Trust | None = None,
    ) -> None:
        if trust not in (None, "limits", "in-process"):
            raise ConfigurationError(f"trust={trust!r} must be None, 'limits' or 'in-process'.")
        if not 0 < seconds < math.inf:
            raise ConfigurationError(f"seconds={seconds!r} must be above 0, and finite.")
        for name, value in (("memory", memory), ("max_answer", max_answer)):
            if not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}={value!r} must be 1 or more, in MiB.")
        self.source = source
        self.function = function
        self.imports = tuple(imports)
        self._seconds = seconds
        self._memory = memory * _MEGABYTE
        self._max_answer = max_answer * _MEGABYTE
        self._trust = trust
        self._paths = _paths(self.imports)
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._own: Any = None
        self.measures: tuple[str, ...] = ()
        """What the last process has been locked in by; empty before the first call."""
        if trust != "in-process" and os.name != "posix":
            check_level("none", trust)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function.

        Raises:
            SandboxError: It raised, took too long, died, or returned what cannot pass.
            TypeError: An argument cannot pass.
        """
        if self._trust == "in-process":
            return self._in_process(args, kwargs)
        request = {
            "args": [encode(value) for value in args],
            "kwargs": {name: encode(value) for name, value in kwargs.items()},
        }
        with self._lock:
            if self._process is None or self._process.owner != os.getpid():
                self._process = self._started()
            answer = self._exchange(self._process, {**request, "id": self._process.next_id()})
        if "error" in answer:
            raise SandboxError(_raised(answer))
        try:
            return decode(answer["value"])
        except Exception as error:
            raise SandboxError(f"its answer makes no sense: {shorten(str(error))}") from None

    def close(self) -> None:
        """End the process; the next call would start another one."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
            self._process = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        options: dict[str, Any] = {
            "imports": self.imports,
            "seconds": self._seconds,
            "memory": self._memory // _MEGABYTE,
            "max_answer": self._max_answer // _MEGABYTE,
            "trust": self._trust,
        }
        return functools.partial(Sandbox, **options), (self.source, self.function)

    # ---- with a process

    def _started(self) -> _Process:
        """Return a process that has locked itself in and loaded the source."""
        process = _Process(self._max_answer)
        task = {
            "imports": [m for name in self.imports for m in (name, *_PARTS.get(name, ()))],
            "paths": self._paths,
            "folder": process.folder,
            "memory": self._memory,
            "disk": 16 * _MEGABYTE,
        }
        answer = self._exchange(process, task, _START_SECONDS)
        # What is read here was written before any foreign code was there.
        if "failed" in answer or not isinstance(answer.get("measures"), list):
            process.kill()
            raise SandboxError(f"it could not be locked in: {answer.get('failed', 'no answer')}")
        self.measures = tuple(str(measure) for measure in answer["measures"])
        try:
            check_level(level_of(self.measures), self._trust)
        except ConfigurationError:
            process.kill()
            raise
        source = {"source": self.source, "function": self.function, "id": process.next_id()}
        answer = self._exchange(process, source)
        if "error" in answer:
            process.kill()
            raise SandboxError(_raised(answer))
        return process

    def _exchange(
        self, process: _Process, message: dict[str, Any], seconds: float | None = None
    ) -> dict[str, Any]:
        """Send a message and return the answer to it; a process that fails is killed."""
        limit = self._seconds if seconds is None else seconds
        try:
            return process.exchange(message, limit)
        except SandboxError:
            process.kill()
            self._process = None
            raise

    # ---- without one

    def _in_process(self, args: Any, kwargs: Any) -> Any:
        try:
            if self._own is None:
                space: dict[str, Any] = {"__name__": "version"}
                exec(compile(self.source, "version", "exec"), space)
                self._own = space[self.function]
            return self._own(*args, **kwargs)
        except Exception as error:
            raise SandboxError(
                f"it raised {type(error).__name__}: {shorten(str(error))}"
            ) from error


class _Process:
    """The child, its pipes and its folder."""

    def __init__(self, max_answer: int) -> None:
        self.owner = os.getpid()
        self.folder = tempfile.mkdtemp(prefix="optuna-llm-")
        self._max_answer = max_answer
        self._last_id = 0
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        lifeline, self._lifeline = os.pipe()
        passed = (requests, answers, lifeline)
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_CHILD), *map(str, passed)],
                env={},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=passed,
                start_new_session=True,
            )
        finally:
            for descriptor in passed:
                os.close(descriptor)
        os.set_blocking(self._requests, False)
        os.set_blocking(self._answers, False)
        own = (self._requests, self._answers, self._lifeline)
        self._end = weakref.finalize(self, _end, self._child, own, self.folder, self.owner)

    def next_id(self) -> int:
        """Return a number that no message has had."""
        self._last_id += 1
        return self._last_id

    def exchange(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send one line of JSON and read one.

        Raises:
            SandboxError: No answer in time, an end, or an answer that is none.
        """
        until = time.monotonic() + seconds
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            self._wait(self._requests, select.POLLOUT, until, seconds)
            try:
                data = data[os.write(self._requests, data) :]
            except BlockingIOError:
                continue
            except OSError:
                self._died()
        line = bytearray()
        while not line.endswith(b"\n"):
            self._wait(self._answers, select.POLLIN, until, seconds)
            try:
                piece = os.read(self._answers, 1 << 16)
            except BlockingIOError:
                continue
            if not piece:
                self._died()
            line += piece
            if len(line) > self._max_answer:
                raise SandboxError(
                    f"its answer is longer than {self._max_answer // _MEGABYTE} MiB"
                )
        return _answer(bytes(line), message.get("id"))

    def _wait(self, descriptor: int, event: int, until: float, seconds: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(1000 * max(until - time.monotonic(), 0)):
            raise SandboxError(f"it took longer than {seconds:g} s")

    def _died(self) -> NoReturn:
        raise SandboxError("its process has died: it ran out of memory or crashed the interpreter")

    def kill(self) -> None:
        """End the process and all that it has started, and remove its folder."""
        self._end()


def _end(
    child: subprocess.Popen[bytes], descriptors: Sequence[int], folder: str, owner: int
) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    if os.getpid() != owner:
        return  # In a forked process it is another one's.
    # The first one asks the watcher, who knows the child even where that has left the group.
    for number, patience in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    shutil.rmtree(folder, ignore_errors=True)


def _answer(line: bytes, number: int | None) -> dict[str, Any]:
    """Read an answer, which may be anything: whoever runs there can write there."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    is_answer = isinstance(answer, dict) and answer.get("id") == number
    if is_answer and (number is None or answer.keys() & {"value", "error"}):
        return dict(answer)
    raise SandboxError("its answer is none: the code has written to the channel itself")


def _raised(answer: dict[str, Any]) -> str:
    text = shorten(str(answer.get("text") or ""))
    return f"it raised {shorten(str(answer['error']), 80)}" + (f": {text}" if text else "")


def _paths(imports: Sequence[str]) -> list[str]:
    """Return the folders that hold the modules which are not of the standard library."""
    found: dict[str, None] = {}
    for name in imports:
        root = name.split(".")[0]
        if root in sys.stdlib_module_names:
            continue
        try:
            spec = importlib.util.find_spec(root)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.origin is None:
            raise ConfigurationError(f"imports: there is no module {root!r}; install it.")
        is_package = spec.submodule_search_locations is not None
        found[str(Path(spec.origin).parents[1 if is_package else 0])] = None
    return list(found)
