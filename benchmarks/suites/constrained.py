"""Tasks with constraints that only an evaluation shows: smooth functions and models to deploy.

A task ``constrained/ellipsoid-ball-4d-i1`` is the first instance of an objective under a kind of
constraint (see :class:`Function`); the others are models (:mod:`benchmarks.suites.deployed`).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Any
import zlib

import numpy as np
from optuna.distributions import FloatDistribution

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.suites import deployed
from benchmarks.task import Report
from benchmarks.task import Task


_BOUND = 5.0
_N_RANDOM = 20_000
# The share of the box that is feasible lies between these.
_FEASIBLE = (0.02, 0.3)
# What a ball takes of the box, unless the border cuts it off.
_BALL_SHARE = 0.06
# Half the angle between the normals of two constraints that meet in the optimum.
_HALF_ANGLE = 0.9


@dataclass(frozen=True)
class _Objective:
    """A smooth function of the rotated distance from a centre, whose level sets are convex.

    Attributes:
        value: Its values at points, shape (n, d) to (n,).
        gradient: Its gradient at one point, shape (d,).
    """

    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]


def _scales(d: int, condition: float) -> np.ndarray:
    scales: np.ndarray = condition ** np.linspace(0.0, 1.0, d)
    return scales


def _ellipsoid(z: np.ndarray) -> np.ndarray:
    total: np.ndarray = (_scales(z.shape[-1], 100.0) * z**2).sum(axis=-1)
    return total


def _powers(d: int) -> np.ndarray:
    return np.linspace(2.0, 4.0, d)


_OBJECTIVES = {
    "linear": _Objective(lambda z: z.sum(axis=-1), np.ones_like),
    "sphere": _Objective(lambda z: (z**2).sum(axis=-1), lambda z: 2 * z),
    "ellipsoid": _Objective(_ellipsoid, lambda z: 2 * _scales(len(z), 100.0) * z),
    "powers": _Objective(
        lambda z: (np.abs(z) ** _powers(z.shape[-1])).sum(axis=-1),
        lambda z: _powers(len(z)) * np.sign(z) * np.abs(z) ** (_powers(len(z)) - 1),
    ),
    "valley": _Objective(
        lambda z: np.log1p(_ellipsoid(z)),
        lambda z: 2 * _scales(len(z), 100.0) * z / (1 + _ellipsoid(z)),
    ),
}
# Points of shape (n, d) to values of shape (n,); feasible where all are at most 0.
_Constraint = Callable[[np.ndarray], np.ndarray]


def _slope(optimum: np.ndarray, inward: np.ndarray) -> _Constraint:
    """Return a half-space with the optimum on its border."""
    return lambda x: (optimum - x) @ inward


def _ball(optimum: np.ndarray, inward: np.ndarray, sample: np.ndarray) -> _Constraint:
    """Return the ball that touches the half-space in the optimum and holds a share of the box."""
    away = sample - optimum
    depth = away @ inward
    # The radius of the ball through each point, infinite beyond the half-space.
    radii = np.full(len(sample), np.inf)
    np.divide((away**2).sum(axis=1), 2 * depth, out=radii, where=depth > 0)
    radius = np.quantile(radii, _BALL_SHARE, method="lower")
    centre = optimum + radius * inward
    return lambda x: ((x - centre) ** 2).sum(axis=-1) - radius**2


def _scaled(constraint: _Constraint, unit: float) -> _Constraint:
    return lambda x: unit * constraint(x)


class Function(Task):
    """A smooth function under smooth constraints, with a feasible optimum that is known exactly.

    The instance draws a centre, a rotation and the optimum; the first constraints' normals there
    add up to the objective's gradient. As the objective's level sets and what these constraints
    leave are convex, no feasible point is better (Karush, Kuhn and Tucker), whatever a further
    constraint takes away. The kinds: ``slope``, a half-space; ``slopes``, two that meet in the
    optimum; ``ball``; ``hole``, a half-space with a hole close to the optimum, so that what is
    feasible is not convex. The constraints have units of their own. The objective alone would be
    best where they are broken, and 2 to 30 % of the box is feasible.
    """

    def __init__(self, name: str) -> None:
        found = re.fullmatch(r"constrained/([a-z]+)-([a-z]+)-([2-9]|10)d-i(\d+)", name)
        kinds = ("slope", "slopes", "ball", "hole")
        # A slope leaves a linear objective no single optimum.
        if (
            found is None
            or found[1] not in _OBJECTIVES
            or found[2] not in kinds
            or (found[1] == "linear" and found[2] != "ball")
        ):
            raise UnknownTaskError(
                f"the form is constrained/sphere-ball-4d-i1, with one of {', '.join(_OBJECTIVES)} "
                f"and one of {', '.join(kinds)} (linear: ball only), in 2 to 10 dimensions, "
                f"or it is one of {', '.join(deployed.NAMES)}"
            )
        self.name = name
        self._objective, kind, d = _OBJECTIVES[found[1]], found[2], int(found[3])
        self.space = {f"x{i}": FloatDistribution(-_BOUND, _BOUND) for i in range(d)}
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        self._sample = rng.uniform(-_BOUND, _BOUND, size=(_N_RANDOM, d))
        while True:
            self._centre = rng.uniform(-3.0, 3.0, d)
            self._rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
            self._optimum = rng.uniform(-3.5, 3.5, d)
            self._constraints = self._around_optimum(kind, rng)
            low, high = _FEASIBLE
            if low <= self.is_feasible_at(self._sample).mean() <= high:
                break

    def _around_optimum(self, kind: str, rng: np.random.Generator) -> list[_Constraint]:
        gradient = self._rotation.T @ self._objective.gradient(self._z(self._optimum))
        inward = gradient / np.linalg.norm(gradient)
        across = rng.normal(size=len(inward))
        across -= (across @ inward) * inward
        across /= np.linalg.norm(across)
        units = 10.0 ** rng.uniform(-1.0, 1.0, size=2)
        if kind == "ball":
            found = [_ball(self._optimum, inward, self._sample)]
        elif kind == "slopes":
            sides = [
                np.cos(_HALF_ANGLE) * inward + s * np.sin(_HALF_ANGLE) * across for s in (1, -1)
            ]
            found = [_slope(self._optimum, side) for side in sides]
        else:
            found = [_slope(self._optimum, inward)]
        if kind == "hole":
            hole = self._optimum + 2.5 * inward
            found.append(lambda x: 2.0**2 - ((x - hole) ** 2).sum(axis=-1))
        return [_scaled(c, float(u)) for c, u in zip(found, units, strict=False)]

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the objective."""
        return float(self.losses_at(self._point(params)))

    def constraints(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return ``c0`` and, where there is a second constraint, ``c1``."""
        x = self._point(params)
        return {f"c{i}": float(c(x)) for i, c in enumerate(self._constraints)}

    def find_reference(self) -> Reference:
        """Return the known optimum, and the median of those of 20,000 points that are feasible."""
        feasible = self._sample[self.is_feasible_at(self._sample)]
        median = float(np.median(self.losses_at(feasible)))
        best = dict(zip(self.space, map(float, self._optimum), strict=True))
        return Reference(self.loss(best), median, best)

    def losses_at(self, x: np.ndarray) -> np.ndarray:
        """Return the objective at points, shape (n, d) to (n,)."""
        return self._objective.value(self._z(x))

    def is_feasible_at(self, x: np.ndarray) -> np.ndarray:
        """Return which points are feasible, shape (n, d) to (n,)."""
        feasible: np.ndarray = np.all([c(x) <= 0 for c in self._constraints], axis=0)
        return feasible

    def _point(self, params: Mapping[str, Any]) -> np.ndarray:
        return np.array([params[n] for n in self.space])

    def _z(self, x: np.ndarray) -> np.ndarray:
        z: np.ndarray = (x - self._centre) @ self._rotation.T
        return z


def load(name: str) -> Task:
    """Load one task by its name, such as ``constrained/ellipsoid-ball-4d-i1``."""
    if name.partition("/")[2] in deployed.NAMES:
        return deployed.load(name)
    return Function(name)
