"""The functions of BBOB (Hansen et al. 2009) through IOHexperimenter: no knowledge helps here.

A task ``bbob/f10-5d`` is function 10 in 5 dimensions, shifted and rotated as instance 1 is.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.task import Report
from benchmarks.task import Task


_N_FUNCTIONS = 24
_N_RANDOM = 10_000


class Function(Task):
    """One function; its hyperparameters are called x0, x1 and so on."""

    def __init__(self, name: str) -> None:
        import ioh

        found = re.fullmatch(r"bbob/f(\d+)-(\d+)d", name)
        if found is None or not 1 <= int(found[1]) <= _N_FUNCTIONS or int(found[2]) < 2:
            raise UnknownTaskError(f"functions are f1 to f{_N_FUNCTIONS}, in the form bbob/f10-5d")
        self.name = name
        self._problem = ioh.get_problem(int(found[1]), 1, int(found[2]), ioh.ProblemClass.BBOB)
        self.space = {f"x{i}": FloatDistribution(-5.0, 5.0) for i in range(int(found[2]))}

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the function's value."""
        return float(self._problem([params[n] for n in self.space]))

    def find_reference(self) -> Reference:
        """Return the known optimum, and the median of 10,000 random points."""
        optimum = self._problem.optimum
        drawn = self.draw(np.random.default_rng(0), _N_RANDOM)
        median = float(np.median([self.loss(c) for c in drawn]))
        best = dict(zip(self.space, map(float, optimum.x), strict=True))
        return Reference(float(optimum.y), median, best)


def load(name: str) -> Function:
    """Load one function by its name, such as ``bbob/f10-5d``."""
    return Function(name)
