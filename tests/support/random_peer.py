"""A peer that draws at random, to test how peers are talked to."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import json
import os
from pathlib import Path
import random
from typing import Any

from benchmarks.peers.worker import Parameter
from benchmarks.peers.worker import Peer


class Random(Peer):
    """Writes down what it is told, and what it is asked to do: fail, end or talk."""

    def __init__(
        self, space: Sequence[Parameter], seed: int, n_trials: int, *, log: str, trick: str = ""
    ) -> None:
        self._space = space
        self._random = random.Random(seed)
        self._log = Path(log)
        self._trick = trick
        Path(f"{log}.pid").write_text(str(os.getpid()))

    def propose(self, number: int) -> Mapping[str, Any]:
        """Draw every value."""
        if self._trick == "raise":
            raise ValueError("no more points")
        if self._trick == "end":
            raise SystemExit("out of luck")
        print("thinking aloud")
        return {p.name: self._draw(p) for p in self._space}

    def _draw(self, p: Parameter) -> Any:
        if p.kind == "categorical":
            return self._random.choice(p.choices)
        return self._random.uniform(p.low, p.high)

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Write down a result."""
        self._write(number, params, loss)

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Write down a failure."""
        self._write(number, params, None)

    def _write(self, *told: Any) -> None:
        with self._log.open("a") as file:
            file.write(json.dumps(told) + "\n")


build = Random
