"""Scripts for the stand-in server: what a language model might answer to a request."""

from __future__ import annotations

from collections.abc import Callable
import json
import re
from typing import Any

import numpy as np

from tests.server import Script


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
