"""HEBO (Cowen-Rivers et al. 2022): warped Gaussian processes, a front of acquisitions."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO
import numpy as np
import pandas as pd
import torch

from benchmarks.peers.worker import Parameter
from benchmarks.peers.worker import Peer


class Hebo(Peer):
    """``HEBO`` with its defaults. Of failed trials it knows nothing."""

    def __init__(self, space: Sequence[Parameter], seed: int, n_trials: int) -> None:
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._names = [p.name for p in space]
        self._hebo = HEBO(DesignSpace().parse([_described(p) for p in space]), scramble_seed=seed)

    def propose(self, number: int) -> Mapping[str, Any]:
        """Return its suggestion."""
        (row,) = self._hebo.suggest(n_suggestions=1).to_dict("records")
        return dict(row)

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Add the result."""
        row = pd.DataFrame([params])[self._names]
        self._hebo.observe(row, np.array([[loss]]))


def _described(p: Parameter) -> dict[str, Any]:
    if p.kind == "categorical":
        return {"name": p.name, "type": "cat", "categories": list(p.choices)}
    kind = {
        ("float", False): "num",
        ("float", True): "pow",
        ("int", False): "int",
        ("int", True): "pow_int",
    }[p.kind, p.log]
    return {"name": p.name, "type": kind, "lb": p.low, "ub": p.high}


build = Hebo
