"""API keys: read when needed, and known by where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import os
import re
import types
from typing import Any
from typing import Protocol

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelSetupError
from optuna_llm.errors import redact
from optuna_llm.errors import remember


_AROUND = " \t\r\n\"'`"


class KeyOrigin(Protocol):
    """Where a key comes from, for the message when a server refuses it."""

    @property
    def source(self) -> str | None:
        """Where it comes from, in words; None if there is no key."""
        ...

    @property
    def fix(self) -> str:
        """What to do about a missing or refused key, in words."""
        ...


@dataclass(frozen=True)
class ForeignKey:
    """A key that somebody else holds and sends."""

    source: str
    fix: str


class ApiKey:
    """Where a key comes from. Its value is read at every use and never shown or pickled.

    A key given as a string, a lambda or a function of ``__main__`` is left out of pickles (a
    function of an importable module travels by its name). After unpickling, the environment
    variables are read instead. A copy in the same process keeps the key.

    Args:
        given: The key, a function that returns it, or None for the environment.
        variables: Environment variables to read, first found first taken.
        optional: Whether the server may need no key, as a local one.
    """

    def __init__(
        self,
        given: str | Callable[[], str] | None = None,
        *,
        variables: tuple[str, ...] = (),
        optional: bool = False,
    ) -> None:
        if isinstance(given, str) and not _bare(given):
            raise ConfigurationError("api_key is empty; give a key, or None for the environment")
        if given is not None and not isinstance(given, str) and not callable(given):
            raise ConfigurationError(
                f"api_key must be a string, a function or None, got {type(given).__name__}"
            )
        self._given = given
        self._variables = variables
        self._optional = optional
        self._left_behind = False

    def read(self) -> str | None:
        """Return the key, or None if there is none and none may be needed.

        Raises:
            ModelSetupError: There is no key, or it cannot be put in an HTTP header.
        """
        key = self._read()
        if key is None and not self._optional:
            raise ModelSetupError(f"no API key: {self.fix}")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ModelSetupError(
                f"the API key from {self.source} holds characters that no key has, such as line "
                f"breaks or letters outside ASCII: {self.fix}"
            )
        if key is not None:
            remember(key)
        return key

    @property
    def source(self) -> str | None:
        """Where the key comes from, in words; None if there is no key."""
        if self._given is not None:
            return "the argument api_key"
        for variable in self._variables:
            if _bare(os.environ.get(variable, "")):
                return f"the environment variable {variable}"
        return None

    @property
    def fix(self) -> str:
        """What to do about a missing or refused key."""
        fix = "give api_key"
        if self._variables:
            fix = f"set the environment variable {' or '.join(self._variables)}, or {fix}"
        if self._left_behind:
            fix += " again (a key given as an argument is left out of pickles)"
        return fix

    def _read(self) -> str | None:
        if isinstance(self._given, str):
            return _bare(self._given)
        if self._given is None:
            values = (_bare(os.environ.get(variable, "")) for variable in self._variables)
            return next((value for value in values if value), None)
        try:
            key = self._given()
        except Exception as error:
            problem = f"raised {type(error).__name__}: {redact(str(error))}"
        else:
            if isinstance(key, str) and _bare(key):
                return _bare(key)
            problem = "returned no text"
        raise ModelSetupError(f"the function given as api_key {problem}")

    def __repr__(self) -> str:
        return f"ApiKey({self.source or 'none'})"

    def __deepcopy__(self, memo: dict[int, Any]) -> ApiKey:
        return self

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._given is not None and not _travels(self._given):
            state["_given"] = None
            state["_left_behind"] = True
        return state


def _bare(key: str) -> str:
    """Return a key without what is copied along with one: space, quotes, the word Bearer."""
    return re.sub(r"^bearer\s+", "", key.strip(_AROUND), flags=re.IGNORECASE).strip(_AROUND)


def _travels(given: str | Callable[[], str]) -> bool:
    """Whether a pickle holds ``given`` as a name only, and so no secret with it."""
    return (
        isinstance(given, types.FunctionType)
        and given.__module__ != "__main__"
        and "<" not in given.__qualname__
    )
