"""Calls that end in time, whatever the other side does."""

from __future__ import annotations

from collections.abc import Callable
import contextvars
import threading
from typing import Generic
from typing import TypeVar


_Result = TypeVar("_Result")


class GivenUp(Exception):
    """A call took longer than it may; it goes on in its thread, and nobody waits for it."""


class Attempt(Generic[_Result]):
    """One call in a daemon thread that the caller waits for only so long.

    The timeouts of HTTP libraries bound each read, so a server that sends a byte now and then
    outlasts them; a Python function has no timeout at all.
    """

    def __init__(self) -> None:
        self._given_up = threading.Event()
        self._closers: list[Callable[[], None]] = []

    @property
    def given_up(self) -> bool:
        """Whether the caller has stopped waiting; a call that can see this should end."""
        return self._given_up.is_set()

    def on_give_up(self, close: Callable[[], None]) -> None:
        """Have ``close`` called, from the caller's thread, when the caller stops waiting."""
        self._closers.append(close)
        if self.given_up:
            close()

    def run(self, call: Callable[[], _Result], seconds: float) -> _Result:
        """Return what ``call`` returns, or raise what it raises.

        Raises:
            GivenUp: It took longer than ``seconds``.
        """
        results: list[_Result] = []
        errors: list[BaseException] = []

        def target() -> None:
            try:
                results.append(call())
            except BaseException as error:
                errors.append(error)

        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(target,), name="optuna-llm-chat", daemon=True
        )
        thread.start()
        try:
            thread.join(seconds)
        finally:
            # Also when the wait is interrupted from the keyboard.
            if thread.is_alive():
                self._give_up()
        if errors:
            raise errors[0]
        if not results:
            raise GivenUp
        return results[0]

    def _give_up(self) -> None:
        self._given_up.set()
        for close in list(self._closers):
            close()
