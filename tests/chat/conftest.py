from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
import os
from typing import Any

import pytest

from optuna_llm.chat import ChatModel
from optuna_llm.chat import Message
from optuna_llm.chat import connect
from tests.server import Answer
from tests.server import ChatServer
from tests.server import Script
from tests.server import script


# Importing LiteLLM downloads its table of prices unless told not to.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

Start = Callable[..., tuple[ChatModel, ChatServer]]

HELLO: list[Message] = [{"role": "user", "content": "Say hello, as JSON."}]
SCHEMA = {
    "type": "object",
    "properties": {"x": {"type": "number"}},
    "required": ["x"],
    "additionalProperties": False,
}


@pytest.fixture
def serve() -> Iterator[Callable[..., ChatServer]]:
    """Start servers that give the answers one after the other, or play a script."""
    with ExitStack() as stack:

        def start(*answers: Any) -> ChatServer:
            play = answers[0] if callable(answers[0]) else script(*answers)
            return stack.enter_context(ChatServer(play))

        yield start


@pytest.fixture
def start(serve: Callable[..., ChatServer]) -> Start:
    """Start a server and connect to it; keyword arguments go to ``connect``."""

    def run(*answers: Answer | Script, **options: Any) -> tuple[ChatModel, ChatServer]:
        server = serve(*answers)
        model = connect("tiny", base_url=server.base_url, **{"max_retries": 0, **options})
        assert model is not None
        return model, server

    return run


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no time pass between retries; the seconds that would have passed."""
    waited: list[float] = []
    monkeypatch.setattr("optuna_llm.chat.client.time.sleep", waited.append)
    return waited
