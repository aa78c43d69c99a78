"""A user's program as an objective: how it is called, and what its output says.

The program may be written in anything. It gets its parameters in its arguments, and in two
variables of its environment: ``OPTUNA_LLM_PARAMS``, a JSON object, and ``OPTUNA_LLM_TRIAL``.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import json
import math
import re
import signal
from typing import Any
from typing import Literal

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.attributes import shorten


_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_WORD = re.compile(r"\w+")
_OPTION = re.compile(r"--?[A-Za-z][\w.-]*")
# Exit code by which programs say that another try may succeed (EX_TEMPFAIL of sysexits.h).
_TEMPORARY = 75
# Signals by which machines are taken back. A shell reports them as 128 and their number.
_PREEMPTING = {
    int(getattr(signal, name))
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)
}
_KILLED = 9
_MAX_WHY = 300


@dataclass(frozen=True)
class Program:
    """A program and its arguments, with parameters to be filled in.

    Where a parameter does not apply, an option with it is left out, written as
    ``--momentum={momentum}`` or as ``--momentum {momentum}``; elsewhere it stands for nothing, so
    that other arguments keep their places.

    Attributes:
        words: Program and arguments. ``{name}`` stands for a parameter, ``{trial}`` for the
            number of the trial, ``{params}`` for all parameters as a JSON object.
        names: The parameters.
    """

    words: tuple[str, ...]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, words: Sequence[str], names: Sequence[str]) -> Program:
        """Return a program for the parameters of a study.

        Raises:
            ConfigurationError: There is no program, or a placeholder stands for nothing.
        """
        if not words:
            raise ConfigurationError(
                "command is empty; give a program after --, such as -- ./train.sh --lr {lr}"
            )
        known = {*names, "trial", "params"}
        for word in words:
            for name in _PLACEHOLDER.findall(word):
                if name not in known and _WORD.fullmatch(name):
                    raise ConfigurationError(
                        f"command: {{{name}}} in {word!r} is no parameter of the study; choose"
                        f" from {', '.join(sorted(known))}"
                    )
        return cls(tuple(words), tuple(names))

    def unused(self, names: Sequence[str]) -> list[str]:
        """Return the parameters that the arguments do not pass on."""
        used = {name for word in self.words for name in _PLACEHOLDER.findall(word)}
        return [] if "params" in used else [name for name in names if name not in used]

    def call(self, params: Mapping[str, Any], trial: int) -> list[str]:
        """Return the words of one call."""
        idle = set(self.names) - params.keys()
        values = {**dict.fromkeys(idle, ""), **params, "trial": trial}
        values["params"] = json.dumps(dict(params), default=str)

        def filled(found: re.Match[str]) -> str:
            return str(values[found[1]]) if found[1] in values else found[0]

        words: list[str] = []
        for before, word in zip(("", *self.words), self.words, strict=False):
            if idle & set(_PLACEHOLDER.findall(word)):
                if _OPTION.match(word):
                    continue
                if _PLACEHOLDER.fullmatch(word) and _OPTION.fullmatch(before):
                    words.pop()
                    continue
            words.append(_PLACEHOLDER.sub(filled, word))
        return words

    def environment(self, params: Mapping[str, Any], trial: int) -> dict[str, str]:
        """Return the variables that one call has beside those of this process."""
        return {
            "OPTUNA_LLM_PARAMS": json.dumps(dict(params), default=str),
            "OPTUNA_LLM_TRIAL": str(trial),
        }


# --------------------------------------------------------------------------------------
# What the output says


@dataclass(frozen=True)
class Metric:
    """Where the value of an objective stands in the output of a program.

    Attributes:
        pattern: A regular expression; its first group is the number, or else all of it. The last
            place that it fits counts.
        path: Keys and indices that lead to the number in the last line that is a JSON object,
            such as ``eval.loss``. Without either the last line that is a number counts.
    """

    pattern: re.Pattern[str] | None = None
    path: tuple[str, ...] = ()

    @classmethod
    def matching(cls, pattern: str) -> Metric:
        """Return a metric by a regular expression.

        Raises:
            ConfigurationError: It is none.
        """
        try:
            return cls(re.compile(pattern, re.M))
        except re.error as error:
            raise ConfigurationError(
                f"pattern={pattern!r} is no regular expression ({error}); write one such as"
                " 'loss: (\\S+)'"
            ) from None

    @classmethod
    def at(cls, path: str) -> Metric:
        """Return a metric by a path of names and indices, with points or slashes between."""
        keys = tuple(filter(None, re.split(r"[./]", path.removeprefix("$"))))
        if not keys:
            raise ConfigurationError(f"json_path={path!r} names nothing; write eval.loss or alike")
        return cls(path=keys)

    def read(self, output: str) -> float | None:
        """Return the number; None where there is none, or NaN."""
        value = self._found(output)
        try:
            number = float(value) if isinstance(value, str | int | float) else math.nan
        except ValueError:
            return None
        return None if math.isnan(number) else number

    def _found(self, output: str) -> Any:
        if self.pattern is not None:
            found = list(self.pattern.finditer(output))
            return found[-1][1 if self.pattern.groups else 0] if found else None
        for line in reversed(output.splitlines()):
            if not self.path and _is_number(line):
                return line
            if self.path and line.lstrip().startswith("{"):
                try:
                    return _at(json.loads(line), self.path)
                except ValueError:
                    continue
        return None

    def __str__(self) -> str:
        if self.pattern is not None:
            return f"the pattern {self.pattern.pattern!r}"
        return f"the JSON path {'.'.join(self.path)!r}" if self.path else "a line with a number"


def _is_number(line: str) -> bool:
    try:
        float(line)
    except ValueError:
        return False
    return True


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and re.fullmatch(r"-?\d+", key):
            value = value[int(key)] if -len(value) <= int(key) < len(value) else None
        else:
            return None
    return value


# --------------------------------------------------------------------------------------
# How it ended


@dataclass(frozen=True)
class Outcome:
    """How a call of a program has ended.

    Attributes:
        kind: ``complete``; ``failed``; or ``preempted``: its machine was taken from it, or it said
            itself that another try may succeed.
        values: Of the objectives, where it is complete.
        why: The reason where it is not.
    """

    kind: Literal["complete", "failed", "preempted"]
    values: tuple[float, ...] = ()
    why: str = ""


def outcome(code: int, output: str, metrics: Sequence[Metric]) -> Outcome:
    """Say how a call has ended.

    Args:
        code: The exit code; negative for a signal.
        output: What it has printed.
        metrics: Where the values stand, one for each objective.
    """
    number = -code if code < 0 else code - 128
    if code == _TEMPORARY:
        return Outcome("preempted", why=f"exit code {code}: another try may succeed")
    if number in _PREEMPTING:
        return Outcome("preempted", why=f"ended by signal {number}")
    said = shorten(next((x for x in reversed(output.splitlines()) if x.strip()), ""), _MAX_WHY)
    if number == _KILLED:
        return Outcome("failed", why="killed, as systems do that are out of memory")
    if code != 0:
        return Outcome("failed", why=f"exit code {code}" + (f": {said}" if said else ""))
    values = [metric.read(output) for metric in metrics]
    for metric, value in zip(metrics, values, strict=True):
        if value is None:
            return Outcome("failed", why=f"its output has no number at {metric}")
    return Outcome("complete", tuple(v for v in values if v is not None))
