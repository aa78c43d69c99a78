"""Relations that earlier studies teach: which good values move together, and by which power."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import math
from statistics import NormalDist

import numpy as np
from scipy.stats import spearmanr
from scipy.stats import theilslopes

from optuna_llm.prior.fitting import choice_number
from optuna_llm.prior.lookup import of_space
from optuna_llm.prior.relations import parents_first
from optuna_llm.prior.relations import related
from optuna_llm.transfer.sources import Source
from optuna_llm.transfer.sources import SourceTrial


# Read off this share of a study's trials, the best, for a slope needs more of them than a centre.
_BEST_SHARE = 0.25
_LEAST_POINTS = 12
# Parents that vary by less than this, in decades, teach no power; nor does one as steep as that.
_LEAST_VARIATION = 0.1
_STEEPEST = 3.0
# How often, over all pairs of parameters, a relation may be found where there is none.
_ERROR_RATE = 0.05


@dataclass(frozen=True)
class Learned:
    """A relation that results bear out.

    Attributes:
        parent: Name of the parameter with which another one moves.
        power: The power, shrunk towards 0 by its uncertainty.
    """

    parent: str
    power: float


def learned_relations(names: Sequence[str], sources: Sequence[Source]) -> dict[str, Learned]:
    """Return by the child's name what the best trials of the sources say of pairs of parameters.

    The power is the median slope (Theil & Sen) among the best trials of each study, about its own
    middle. It counts if it is surely not 0, for the number of pairs that are looked at, and if the
    distance from the line tells good from bad trials better than the distance from the middle.

    Args:
        names: Positive parameters whose scale is logarithmic. One that the embedded prior knows
            as a parent of another comes before it, else the order decides which is the parent.
        sources: The studies.
    """
    space = {
        name: next(s.distributions[name] for s in sources if name in s.distributions)
        for name in names
    }
    ordered = parents_first(names, related(of_space(space, None, None)))
    pairs = list(itertools.combinations(ordered, 2))
    found: dict[str, tuple[float, Learned]] = {}
    for parent, child in pairs:
        studies = [points for s in sources if (points := _points(s, parent, child)) is not None]
        said = _slope([_best(points) for points in studies], _ERROR_RATE / len(pairs))
        if said is None or not _bears_out(studies, said[0]):
            continue
        slope, certainty = said
        if certainty > found.get(child, (0.0, None))[0]:
            found[child] = certainty, Learned(parent, float(slope * (1 - certainty**-2)))
    return {child: learned for child, (_, learned) in found.items()}


def logarithms(trials: Sequence[SourceTrial], names: Sequence[str]) -> np.ndarray:
    """Return the decades of parameters, shape (trials, names); NaN where there is no number."""
    rows = [[_decades(trial.params, name) for name in names] for trial in trials]
    return np.array(rows, dtype=float).reshape(-1, len(names))


def _decades(params: Mapping[str, object], name: str) -> float:
    number = choice_number(params[name]) if name in params else None
    return math.log10(number) if number is not None and number > 0 else math.nan


def _points(source: Source, parent: str, child: str) -> np.ndarray | None:
    """Return both of all trials, best first, about the middle of the best, shape (n, 2)."""
    points = logarithms(source.trials, (parent, child))
    points = points[~np.isnan(points).any(axis=1)]
    if len(points) < 2:
        return None
    middle = np.median(_best(points), axis=0)
    centred: np.ndarray = points - middle
    return centred


def _best(points: np.ndarray) -> np.ndarray:
    return points[: max(math.ceil(_BEST_SHARE * len(points)), 2)]


def _slope(best: Sequence[np.ndarray], level: float) -> tuple[float, float] | None:
    """Return the slope and by how many of its standard errors it is not 0; None if it may be."""
    points = np.concatenate([*best, np.empty((0, 2))])
    if len(points) < _LEAST_POINTS or points[:, 0].std() < _LEAST_VARIATION:
        return None
    slope, _, low, high = theilslopes(points[:, 1], points[:, 0], 1 - level)
    if not abs(slope) < _STEEPEST or low <= 0 <= high:
        return None
    error = (high - low) / (2 * NormalDist().inv_cdf(1 - level / 2))
    return float(slope), float(abs(slope) / max(error, 1e-9))


def _bears_out(studies: Sequence[np.ndarray], slope: float) -> bool:
    """Whether the distance from the line goes with the place of trials more than without it.

    By more than its standard error over the studies, where there are several.
    """
    gains = list[float]()
    for points in studies:
        place = np.arange(len(points))
        with_it, without = (
            spearmanr(np.abs(points[:, 1] - power * points[:, 0]), place).statistic
            for power in (slope, 0.0)
        )
        gains.append(float(with_it - without))
    error = np.std(gains, ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return bool(np.mean(gains) > error)
