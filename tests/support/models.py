"""Stand-ins for a language model: scripts for the server, and a model without one."""

from __future__ import annotations

from collections.abc import Callable
import json
import re
import threading
from typing import Any

import numpy as np

from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from tests.support.server import Script


_NUMBER = r"(-?[\d.]+(?:e[-+]?\d+)?)"


def schema_of(request: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one configuration, as the request carries it."""
    schema = request["response_format"]["json_schema"]["schema"]
    params: dict[str, Any] = schema["properties"]["candidates"]["items"]["properties"]["params"]
    return params


def random_value(schema: dict[str, Any], rng: np.random.Generator) -> Any:
    """Return a legal value, read off the description as a model would read it."""
    if "enum" in schema:
        return schema["enum"][rng.integers(len(schema["enum"]))]
    found = re.search(f"from {_NUMBER} to {_NUMBER}", schema["description"])
    assert found is not None, schema
    low, high = float(found[1]), float(found[2])
    value = rng.uniform(low, high)
    if "log scale" in schema["description"]:
        value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return round(value) if schema["type"] in ("integer", ["integer", "null"]) else value


def well_behaved(seed: int = 0) -> Script:
    """Return a script that proposes random legal configurations, as many as are asked for."""
    rng = np.random.default_rng(seed)
    return proposing(
        lambda request: {
            name: random_value(schema, rng)
            for name, schema in schema_of(request)["properties"].items()
        }
    )


def proposing(propose: Callable[[dict[str, Any]], dict[str, Any]]) -> Script:
    """Return a script that answers every request with configurations made one by one."""

    def reply(request: dict[str, Any]) -> str:
        asked = re.search(r"exactly (\d+) ", request["messages"][-1]["content"])
        n = int(asked[1]) if asked else 1
        candidates = [{"reason": f"reason {i}", "params": propose(request)} for i in range(n)]
        return json.dumps({"candidates": candidates})

    return reply


class Local:
    """A model without a server, which keeps the prompts.

    Args:
        reply: What it answers to a request; a text.
    """

    name = "local"

    def __init__(self, reply: Script) -> None:
        self.prompts: list[str] = []
        self._reply = reply

    def complete(self, messages: Any, *, schema: Any = None, **options: Any) -> Completion:
        """Answer."""
        self.prompts.append("\n".join(m["content"] for m in messages))
        form = {"json_schema": {"schema": schema}}
        text = self._reply({"messages": messages, "response_format": form})
        assert isinstance(text, str)
        return Completion(text, "local", Usage(1, 1), None, 0.0, 1, "json_schema", "stop")


class ScriptedModel:
    """A chat model that answers any schema with random legal values, the same ones for a seed.

    Args:
        seed: Seed of the values.
        n_candidates: Configurations in an answer.
    """

    name = "scripted"
    prices = (1.0, 1.0)

    def __init__(self, seed: int = 0, *, n_candidates: int = 5) -> None:
        self._rng = np.random.default_rng(seed)
        self._n_candidates = n_candidates

    def _answer(self, schema: dict[str, Any] | None) -> str:
        if schema is None:
            return "\n".join(f"{c}: {self._rng.integers(2)}" for c in "ABCDEFGHIJKL")
        if "scores" in schema["properties"]:
            names = schema["properties"]["scores"]["properties"]
            return json.dumps({"scores": {n: self._rng.uniform(0, 1000) for n in names}})
        of = schema["properties"]["candidates"]["items"]["properties"]["params"]["properties"]
        candidates = [
            {"reason": "r", "params": {n: random_value(s, self._rng) for n, s in of.items()}}
            for _ in range(self._n_candidates)
        ]
        return json.dumps({"candidates": candidates})

    def complete(self, messages: Any, *, schema: Any = None, **options: Any) -> Completion:
        """Answer."""
        text = self._answer(schema)
        return Completion(text, self.name, Usage(100, 100), 2e-4, 0.0, 1, "json_schema", "stop")


def wait_for_answers() -> None:
    """Wait until nothing is asked in the background any more."""
    for thread in threading.enumerate():
        if thread.name == "optuna-llm-exchange":
            thread.join()
