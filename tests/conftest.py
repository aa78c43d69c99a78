from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
import logging
import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings
import optuna
import pytest

from tests.support.server import ChatServer
from tests.support.server import script


pytest.register_assert_rewrite("optuna.testing.pytest_samplers")

# Bare times say nothing on a busy machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one process takes together where several share them, and which go first.

    A slow test stands alone unless it is marked with a group, whose tests share what is costly to
    start or must not run side by side. The other tests of a file stay together. What takes longest
    comes first, so that no process ends long before the others.
    """
    for item in items:
        is_grouped = item.get_closest_marker("xdist_group") is not None
        if not is_grouped and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=_urgency)


def _urgency(item: pytest.Item) -> int:
    if item.get_closest_marker("slow") is None:
        return 2
    return 1 if item.get_closest_marker("xdist_group") is None else 0


@pytest.fixture(autouse=True)
def _quiet_and_keyless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees a key or a model of the machine it runs on."""
    for name in os.environ:
        if name.endswith("_API_KEY") or name.startswith(("OPTUNA_LLM_MODEL", "OPTUNA_LLM_BASE")):
            monkeypatch.delenv(name)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with recorded replies and benchmark data, if the machine has one."""
    folder = os.environ.get("OPTUNA_LLM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set OPTUNA_LLM_DATA to the folder with recorded replies and benchmark data")
    return Path(folder)


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no time pass between retries; the seconds that would have passed."""
    waited: list[float] = []
    monkeypatch.setattr("optuna_llm.chat.client.time.sleep", waited.append)
    return waited


@pytest.fixture
def serve() -> Iterator[Callable[..., ChatServer]]:
    """Start servers that give the answers one after the other, or play a script."""
    with ExitStack() as stack:

        def start(*answers: Any) -> ChatServer:
            play = answers[0] if callable(answers[0]) else script(*answers)
            return stack.enter_context(ChatServer(play))

        yield start


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What this package's samplers log."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    collector = Collector()
    logger = logging.getLogger("optuna.optuna_llm")
    logger.addHandler(collector)
    yield messages
    logger.removeHandler(collector)
