"""A task that costs nothing, with a known scale: two numbers and a conditional one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution

from benchmarks.references import Reference
from benchmarks.task import Report
from benchmarks.task import Task


class Bowl(Task):
    """The best loss is 1, at x = 0.5 with the kind ``bowl``; three intermediate losses."""

    def __init__(self) -> None:
        self.name = "bbob/bowl"
        self.space = {
            "kind": CategoricalDistribution(["bowl", "tilted"]),
            "x": FloatDistribution(0.0, 1.0),
            "tilt": FloatDistribution(0.0, 1.0),
        }
        self.conditions = {"tilt": ("kind", ("tilted",))}
        self.n_steps = 3

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        final = 1.0 + (params["x"] - 0.5) ** 2 + params.get("tilt", 0.0)
        for step in range(1, 4):
            if report is not None:
                report(step, final + 3 - step)
        return final

    def find_reference(self) -> Reference:
        return Reference(1.0, 1.2, {"kind": "bowl", "x": 0.5})
