"""The process of a peer: reads a request a line, answers with a line.

    .venv-peers/smac/bin/python -m benchmarks.peers.worker benchmarks.peers.smac_forest

The first line is ``{"space": [...], "seed": 0, "n_trials": 50, "options": {}}``. Then
``{"ask": number}`` is answered with ``{"params": {...}}``, and ``{"tell": number, "params": {...},
"loss": 0.1}``, without a loss if the trial has failed, with ``{}``. An error is
``{"error": text}``. This runs where neither Optuna nor our package is installed.
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import importlib
import json
import os
import sys
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """One parameter, as all peers understand it.

    Attributes:
        name: Its name.
        kind: ``float``, ``int`` or ``categorical``.
        low, high: The ends of the range of a number, both included.
        log: Whether its scale is logarithmic.
        choices: Those of a categorical parameter: the texts ``"0"``, ``"1"``, ... stand for them,
            as hardly any peer takes choices of all types.
        usual: What is usual; a peer may begin there, or believe in it.
        spread: The standard deviation of good values around it, as a share of the range on its
            scale; None if nothing is known.
        weights: Those of the choices, as far as they are known to be good.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: Sequence[str] = ()
    usual: Any = None
    spread: float | None = None
    weights: Sequence[float] = ()


class Peer(ABC):
    """A search, asked and told.

    Args:
        space: All parameters; there are no conditional ones.
        seed: Of its random numbers.
        n_trials: How many there will be.
    """

    @abstractmethod
    def __init__(self, space: Sequence[Parameter], seed: int, n_trials: int) -> None: ...

    @abstractmethod
    def propose(self, number: int) -> Mapping[str, Any]:
        """Return a value of every parameter for a trial."""

    @abstractmethod
    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Take the result of a trial, whether it was proposed or not."""

    def fail(self, number: int, params: dict[str, Any]) -> None:  # noqa: B027
        """Take notice of a trial without a result."""


def answer(peer: Peer, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked for."""
    if "ask" in request:
        return {"params": dict(peer.propose(request["ask"]))}
    if request["loss"] is None:
        peer.fail(request["tell"], request["params"])
    else:
        peer.observe(request["tell"], request["params"], request["loss"])
    return {}


def plain(value: Any) -> Any:
    """Return a NumPy number as JSON has it."""
    return value.item()


def main(module: str) -> None:
    """Serve one study."""
    # What a package prints is no answer.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    peer: Peer | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if peer is None:
                build = importlib.import_module(module).build
                space = [Parameter(**p) for p in request["space"]]
                peer = build(space, request["seed"], request["n_trials"], **request["options"])
                told: dict[str, Any] = {}
            else:
                told = answer(peer, request)
        except Exception as error:
            told = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(told, default=plain) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
