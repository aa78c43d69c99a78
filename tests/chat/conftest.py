from __future__ import annotations

from collections.abc import Callable
import os
from typing import Any

import pytest

from optuna_llm.chat import ChatModel
from optuna_llm.chat import Message
from optuna_llm.chat import connect
from tests.support.server import Answer
from tests.support.server import ChatServer
from tests.support.server import Script


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
def start(serve: Callable[..., ChatServer]) -> Start:
    """Start a server and connect to it; keyword arguments go to ``connect``."""

    def run(*answers: Answer | Script, **options: Any) -> tuple[ChatModel, ChatServer]:
        server = serve(*answers)
        model = connect("tiny", base_url=server.base_url, **{"max_retries": 0, **options})
        assert model is not None
        return model, server

    return run
