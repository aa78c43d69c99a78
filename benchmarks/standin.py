"""Stand-ins for language models: what they propose is known, and it travels over real HTTP.

Nobody can promise how good a user's model is. These three mark the range: one that knows a good
configuration, one that knows nothing, one that is always wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
import json
import re
from typing import Any

import numpy as np

from benchmarks.suites.tables import Table
from tests.support.server import ChatServer


# The good model proposes around a configuration that only one in a hundred beats,
_GOOD_QUANTILE = 0.01
# the worst around one that beats only one in a hundred.
_WORST_QUANTILE = 0.99
_SHARE_MOVED = 0.25


def near(task: Table, quantile: float, rng: np.random.Generator) -> Callable[[], dict[str, Any]]:
    """Return a source of configurations near one whose loss is at a quantile of the table.

    Each parameter moves with probability 1/4 to a neighbouring value of its grid.
    """
    order = np.argsort(task.losses, axis=None)
    position = int(quantile * (len(order) - 1))
    around = range(max(position - 50, 0), min(position + 50, len(order)))
    centre = task.configuration(int(order[rng.choice(np.array(around))]))

    def propose() -> dict[str, Any]:
        params = {}
        for name, values in task.grid.items():
            index = values.index(centre[name])
            if rng.random() < _SHARE_MOVED:
                index = int(np.clip(index + rng.choice([-1, 1]), 0, len(values) - 1))
            params[name] = values[index]
        return params

    return propose


def at_random(task: Table, rng: np.random.Generator) -> Callable[[], dict[str, Any]]:
    """Return a source of uniformly random configurations."""
    return lambda: {n: v[int(rng.integers(len(v)))] for n, v in task.grid.items()}


def source(task: Table, kind: str, seed: int) -> Callable[[], dict[str, Any]]:
    """Return a source of configurations: ``good``, ``random`` or ``worst``."""
    rng = np.random.default_rng([seed, 2024])
    if kind == "random":
        return at_random(task, rng)
    return near(task, {"good": _GOOD_QUANTILE, "worst": _WORST_QUANTILE}[kind], rng)


@contextmanager
def serve(task: Table, kind: str, seed: int) -> Iterator[str]:
    """Serve a stand-in on 127.0.0.1 and yield its base URL.

    Args:
        task: The task that is being tuned.
        kind: ``good``, ``random`` or ``worst``.
        seed: Seed of what it proposes.
    """
    propose = source(task, kind, seed)

    def reply(request: dict[str, Any]) -> str:
        asked = re.search(r"exactly (\d+) ", request["messages"][-1]["content"])
        n = min(int(asked[1]), 10) if asked else 5
        return json.dumps(
            {"candidates": [{"reason": kind, "params": propose()} for _ in range(n)]}
        )

    with ChatServer(reply) as server:
        yield server.base_url
