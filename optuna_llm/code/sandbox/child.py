"""The process that runs foreign code: it locks itself in, then answers call after call.

It is started as a program, ``python -I -S child.py``, and imports nothing of this package. Lines
of JSON come in by one descriptor and go out by another; nothing is ever unpickled.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import signal
import sys
from typing import Any


ARRAY = "__array__"
_MAX_TEXT = 300


def main(requests: int, answers: int, lifeline: int) -> None:
    """Set up, fork, and answer.

    Args:
        requests: Descriptor that lines of JSON are read from.
        answers: Descriptor that they are written to.
        lifeline: Descriptor that ends when the process which started this one does.
    """
    reader = os.fdopen(requests, "rb")
    task = json.loads(reader.readline())
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.path[:] = [*sys.path, *task["paths"]]
    for name in task["imports"]:
        importlib.import_module(name)
    os.environ.clear()
    isolation = _neighbour("isolation")
    measures = ["limits"]
    if sys.platform == "linux" and _works(isolation.enter_namespaces):
        measures.append("namespaces")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child:
        reader.close()
        os.close(answers)
        _watch(child, lifeline)
    os.close(lifeline)
    _print_nowhere()
    try:
        _lock_in(isolation, measures, task)
    except OSError as error:
        _send(answers, {"failed": f"{type(error).__name__}: {error}"[:_MAX_TEXT]})
        return
    sys.path.clear()
    del sys.modules["__main__"].__dict__["__file__"]
    # Told before any foreign code has run, which could tell something else.
    _send(answers, {"measures": measures})
    function: Any = None
    while line := reader.readline():
        request = json.loads(line)
        try:
            if "source" in request:
                function, value = _loaded(request["source"], request["function"]), None
            else:
                value = _called(function, request)
            answer = json.dumps({"id": request["id"], "value": value})
        except BaseException as error:
            answer = json.dumps({"id": request["id"], **_failure(error)})
        _write(answers, answer)


def _neighbour(name: str) -> Any:
    """Return a module that stands beside this file."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _works(step: Any) -> bool:
    try:
        step()
    except OSError:
        return False
    return True


def _watch(child: int, lifeline: int) -> None:
    """Wait until the child ends, or whoever started this process does; never return.

    On SIGTERM it ends the child by its number, which holds wherever the child has gone: it may
    have left the group of processes.
    """
    import select

    def end(*_: object) -> None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while not os.waitpid(child, os.WNOHANG)[0]:
        # The end of the child closes nothing here; a moment later is soon enough.
        if select.select([lifeline], [], [], 0.5)[0]:
            end()
    os._exit(0)


class _Nowhere(io.TextIOBase):
    """Where prints go."""

    def write(self, text: str) -> int:
        """Forget a text."""
        return len(text)


def _print_nowhere() -> None:
    """Give up the standard streams: a device of the machine is one that could be changed."""
    ended, end = os.pipe()
    os.close(end)
    for descriptor in range(3):
        os.dup2(ended, descriptor)
    os.close(ended)
    sys.stdout = sys.stderr = _Nowhere()


def _lock_in(isolation: Any, measures: list[str], task: dict[str, Any]) -> None:
    """Take every measure that this machine offers, and write down which."""
    if sys.platform == "linux":
        isolation.die_with_parent()
    root = task["folder"]
    memory, size = task["memory"], task["disk"]
    if "namespaces" in measures:
        isolation.bound(memory, size)
        isolation.empty_root(root, size)
        root = "/"
    else:
        os.chdir(root)
        isolation.bound(memory, size)
    if sys.platform != "linux":
        return
    if _works(lambda: isolation.restrict_files(root)):
        measures.append("landlock")
    if "namespaces" in measures:
        isolation.drop_capabilities()
    if _works(isolation.filter_calls):
        measures.append("seccomp")


def _loaded(source: str, name: str) -> Any:
    """Run the source, and return its function."""
    space: dict[str, Any] = {"__name__": "version"}
    exec(compile(source, "version", "exec"), space)
    return space[name]


def _called(function: Any, request: dict[str, Any]) -> Any:
    """Return what the function makes of some arguments, as JSON."""
    arguments = [decode(value) for value in request["args"]]
    named = {name: decode(value) for name, value in request["kwargs"].items()}
    return encode(function(*arguments, **named))


def _failure(error: BaseException) -> dict[str, Any]:
    """Describe what was raised; its own text may raise, too."""
    try:
        text = str(error)[:_MAX_TEXT]
    except BaseException:
        text = ""
    return {"error": type(error).__name__[:_MAX_TEXT], "text": text}


def _send(descriptor: int, message: dict[str, Any]) -> None:
    _write(descriptor, json.dumps(message))


def _write(descriptor: int, text: str) -> None:
    data = text.encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


# ---- values


def encode(value: Any) -> Any:
    """Return a value as JSON: arrays and scalars of NumPy included, nothing else of any class.

    Raises:
        TypeError: It is something else.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [encode(item) for item in value]
    if type(value) is dict:
        if ARRAY in value or any(type(key) is not str for key in value):
            raise TypeError(f"a dict must have texts as keys, and none {ARRAY!r}")
        return {key: encode(item) for key, item in value.items()}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return encode(value.item())
    if numpy is not None and type(value) is numpy.ndarray and value.dtype.kind in "biuf":
        return {
            ARRAY: str(value.dtype),
            "shape": list(value.shape),
            "data": value.ravel().tolist(),
        }
    raise TypeError(
        f"a {type(value).__name__} cannot pass; numbers, texts, truth values, None, lists, dicts"
        " and arrays of numbers can"
    )


def decode(value: Any) -> Any:
    """Return what :func:`encode` has described."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict) and ARRAY in value:
        numpy = importlib.import_module("numpy")
        kind = numpy.dtype(value[ARRAY])
        if kind.kind not in "biuf":
            raise TypeError(f"an array of {kind} cannot pass")
        return numpy.array(value["data"], dtype=kind).reshape(value["shape"])
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    return value


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
