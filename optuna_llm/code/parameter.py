"""A function whose code is tuned: its contract, and whether a version of it keeps that."""

from __future__ import annotations

import ast
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
import functools
import hashlib
import inspect
import json
import re
import textwrap
from typing import Any
from typing import overload

from optuna_llm.code.sandbox.child import encode
from optuna_llm.code.sandbox.level import Trust
from optuna_llm.code.sandbox.probe import sandbox_level
from optuna_llm.code.sandbox.process import Sandbox
from optuna_llm.code.source import Source
from optuna_llm.code.source import checked_source
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import SandboxError
from optuna_llm.history.attributes import shorten


# Outputs that agree in so many digits are the same behaviour.
_DIGITS = 9
_IMPORT = re.compile(r"[A-Za-z_][\w.]*( as [A-Za-z_]\w*)?")


@dataclass(frozen=True)
class Limits:
    """How versions are run, see :class:`~optuna_llm.code.sandbox.process.Sandbox`."""

    imports: Sequence[str] = ("math",)
    seconds: float = 10.0
    memory: int = 512
    trust: Trust | None = None

    def __post_init__(self) -> None:
        """Check the imports, which become lines of source."""
        if isinstance(self.imports, str):
            raise ConfigurationError(
                f"imports={self.imports!r:.80} must be a list, such as [{self.imports!r:.40}]."
            )
        object.__setattr__(self, "imports", tuple(self.imports))
        for name in self.imports:
            if not isinstance(name, str) or not _IMPORT.fullmatch(name):
                raise ConfigurationError(
                    f"imports: {name!r:.80} must be a module, such as 'math' or 'numpy as np'."
                )

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that may be used."""
        return tuple(dict.fromkeys(n.split(" as ")[0].strip() for n in ("math", *self.imports)))

    def sandbox(self, source: str, function: str) -> Sandbox:
        """Return the function of a source, with its imports known to it."""
        heads = [f"import {name}" for name in ("math", *self.imports)]
        heads += ["def number(value, low=0, high=0, log=False): return value"]
        return Sandbox(
            "\n".join([*heads, source]),
            function,
            imports=self.modules,
            seconds=self.seconds,
            memory=self.memory,
            trust=self.trust,
        )

    def reached(self) -> str:
        """Return how far versions are locked in on this machine."""
        return "in-process" if self.trust == "in-process" else sandbox_level()


class CodeParameter:
    """A function whose code is a parameter; made by :func:`code_parameter`.

    Called itself, it is the function as it was written.

    Attributes:
        name: Of the function and of the parameter.
        text: Its source, version 0.
        limits: How versions are run.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        examples: Sequence[Sequence[Any]],
        tests: Sequence[Callable[[Callable[..., Any]], object]],
        limits: Limits,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.name = function.__name__
        self.examples = _checked_examples(examples)
        self.tests = tuple(tests)
        for test in self.tests:
            if not callable(test):
                raise ConfigurationError(
                    f"tests: {test!r:.80} must be a function that is called with a version."
                )
        self.limits = limits
        self._tree, self.text = _source_of(function)
        limits.sandbox(self.text, self.name)  # Raises where a limit is wrong.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as it was written, in this process."""
        return self._function(*args, **kwargs)

    def source(self, text: object) -> Source:
        """Return a version's source, if it is one of this function.

        Raises:
            ConfigurationError: It is not; the message says why.
        """
        return checked_source(text, self._tree, self.limits.modules)

    def behaviour(self, source: Source) -> str | None:
        """Run a version on the examples and tests, and return a digest of what it gives.

        Returns:
            None without examples.

        Raises:
            ConfigurationError: It breaks the contract; the message says how.
        """
        with self.limits.sandbox(source.text, self.name) as call:
            outputs = []
            for arguments in self.examples:
                try:
                    outputs.append(_rounded(encode(call(*arguments))))
                except (SandboxError, TypeError) as error:
                    raise self._broken(f"on {shown_arguments(arguments)} {error}") from None
            for test in self.tests:
                try:
                    kept = test(call)
                except (SandboxError, AssertionError) as error:
                    why = shorten(str(error)) or "an assertion fails"
                    raise self._broken(f"{_called(test)}: {why}") from None
                if kept is False:
                    raise self._broken(f"{_called(test)} says no")
        if not outputs:
            return None
        return hashlib.sha256(json.dumps(outputs).encode()).hexdigest()

    def _broken(self, why: str) -> ConfigurationError:
        if "NameError" in why:
            why += " (it knows its arguments, built-ins and the modules of imports= only)"
        return ConfigurationError(f"a version of {self.name!r} breaks the contract: {why}.")


@overload
def code_parameter(function: Callable[..., Any]) -> CodeParameter: ...


@overload
def code_parameter(
    function: None = None, **contract: Any
) -> Callable[[Callable[..., Any]], CodeParameter]: ...


def code_parameter(  # type: ignore[misc]  # Unknown names are refused when called.
    function: Callable[..., Any] | None = None,
    *,
    examples: Sequence[Sequence[Any]] = (),
    tests: Sequence[Callable[[Callable[..., Any]], object]] = (),
    imports: Sequence[str] = ("math",),
    seconds: float = 10.0,
    memory: int = 512,
    trust: Trust | None = None,
) -> CodeParameter | Callable[[Callable[..., Any]], CodeParameter]:
    """Make the code of a function a parameter, for :func:`optuna_llm.suggest_code`.

    The function's name and arguments are what every version must have, its docstring says what it
    is to do, and it is itself version 0.

    Args:
        function: The function; it may use its arguments, built-ins and the imports only.
        examples: Tuples of arguments on which every version must return something. Versions that
            return the same on all of them are one.
        tests: Called with each version; one that raises AssertionError or returns False refuses
            it.
        imports: Modules that versions may use, such as ``"math"`` or ``"numpy as np"``.
        seconds: Most that one call may take.
        memory: MiB that a version may use.
        trust: How far versions must be locked in, see
            :class:`~optuna_llm.code.sandbox.process.Sandbox`: None refuses to run them where a
            machine has no namespaces; ``"limits"``; ``"in-process"``.

    Returns:
        The function, which may be called as before, as a :class:`CodeParameter`.

    Raises:
        ConfigurationError: Its source cannot be found, or is none that a version may have.
    """
    limits = Limits(imports, seconds, memory, trust)

    def decorated(function: Callable[..., Any]) -> CodeParameter:
        parameter = CodeParameter(function, examples, tests, limits)
        parameter.source(parameter.text)
        return parameter

    return decorated if function is None else decorated(function)


def _checked_examples(examples: object) -> tuple[tuple[Any, ...], ...]:
    found: list[tuple[Any, ...]] = []
    for arguments in examples if isinstance(examples, list | tuple) else [examples]:
        if not isinstance(arguments, list | tuple):
            raise ConfigurationError(
                f"examples={examples!r:.80} must be a list of tuples of arguments, such as [(1,)]."
            )
        found.append(tuple(arguments))
    return tuple(found)


def _source_of(function: Callable[..., Any]) -> tuple[ast.FunctionDef, str]:
    """Return a function's tree and its source, without decorators."""
    try:
        lines, _ = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise ConfigurationError(
            f"code_parameter: the source of {function!r:.80} cannot be found ({error}); define it"
            " in a file."
        ) from None
    text = textwrap.dedent("".join(lines))
    tree = ast.parse(text).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise ConfigurationError(
            f"code_parameter: {function!r:.80} must be a plain function made by def."
        )
    first = tree.lineno - 1
    tree.decorator_list = []
    return tree, "".join(text.splitlines(keepends=True)[first:]).strip() + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value


def shown_arguments(arguments: tuple[Any, ...]) -> str:
    """Show the arguments of a call on one line."""
    return f"({', '.join(f'{a!r:.40}' for a in arguments)})"


def _called(test: Callable[..., object]) -> str:
    return str(getattr(test, "__name__", "a test"))
