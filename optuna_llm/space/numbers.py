"""Numbers: what is one, and one numeric distribution on the unit interval."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
import math
import numbers
from typing import Any
from typing import TypeGuard

import numpy as np
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution


NumericDistribution = FloatDistribution | IntDistribution
# How far from the grid, in steps, Optuna takes a number for one on the grid.
_GRID_TOLERANCE = 1e-8
_DOUBLE = np.dtype(float).itemsize


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number, NumPy's scalars and arrays of one included; a bool is none."""
    value = _scalar(value)
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def whole_number(value: object) -> int | None:
    """Return a whole number, also one of NumPy's, as an int; None for all else, bools too."""
    value = _scalar(value)
    return int(value) if isinstance(value, numbers.Integral) and is_number(value) else None


def as_written(value: Any) -> Any:
    """Return a NumPy float of less than double precision as the number that it is written as.

    ``np.float32(0.1)`` stands for 0.1; converted bit by bit it lies beside it, off a grid or out
    of a range. All else is returned as it is.
    """
    number = _scalar(value)
    is_short = isinstance(number, np.floating) and number.dtype.itemsize < _DOUBLE
    return float(str(number)) if is_short else value


def _scalar(value: object) -> object:
    """Return what an array without dimensions holds; all else as it is."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _bounds(distribution: NumericDistribution) -> tuple[float, float]:
    """Return the interval that maps to [0, 1], on the distribution's own (log) scale.

    Grid points own a cell of equal width each, so that rounding favours none of them.
    """
    low, high = float(distribution.low), float(distribution.high)
    if distribution.step is not None:
        half = distribution.step / 2
        low, high = low - half, high + half
    if distribution.log:
        return math.log(low), math.log(high)
    return low, high


def to_unit(distribution: NumericDistribution, value: float) -> float:
    """Map a native number to [0, 1], on the log scale where the distribution has one."""
    low, high = _bounds(distribution)
    if high == low:
        return 0.5
    scaled = math.log(value) if distribution.log else float(value)
    place = (scaled - low) / (high - low)
    if math.isinf(high - low):
        # The width of a range may overflow; half of it does not.
        place = (scaled / 2 - low / 2) / (high / 2 - low / 2)
    return min(max(place, 0.0), 1.0)


def from_unit(distribution: NumericDistribution, unit: float) -> float | int:
    """Map a number of [0, 1] to a native value inside the range and on the grid.

    The ends of the interval are the ends of the range, to the last digit.
    """
    if unit <= 0:
        return distribution.low
    if unit >= 1:
        return distribution.high
    low, high = _bounds(distribution)
    scaled = low + float(unit) * (high - low)
    if math.isinf(high - low):
        scaled = 2 * (low / 2 + float(unit) * (high / 2 - low / 2))
    return snap(distribution, math.exp(scaled) if distribution.log else scaled)


def snap(distribution: NumericDistribution, value: float) -> float | int:
    """Return the legal native value nearest to ``value``, exactly, however large it is.

    Raises:
        ValueError: ``value`` is NaN.
    """
    if math.isnan(value):
        raise ValueError("NaN has no nearest value.")
    low, high = distribution.low, distribution.high
    if value <= low:
        return low
    if value >= high:
        return high
    whole = whole_number(value)
    value = float(value) if whole is None else whole
    if isinstance(distribution, IntDistribution):
        step = distribution.step
        return int(low) + round((Fraction(value) - int(low)) / step) * step
    return _grid_point(distribution, float(value))


def _grid_point(distribution: FloatDistribution, value: float) -> float:
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is None:
        return value
    cell = round((value - low) / step)
    # The last grid point is `high` itself, not its rounding error.
    if cell >= round((high - low) / step):
        return high
    # As Optuna computes the last grid point: 0.15 is meant, not 3 * 0.05.
    point = float(Decimal(str(low)) + cell * Decimal(str(step)))
    steps = (point - low) / step
    is_legal = low <= point <= high and abs(steps - round(steps)) < _GRID_TOLERANCE
    return point if is_legal else low + cell * step


def format_number(value: float) -> str:
    """Show a number with four significant digits; integers in full."""
    if whole_number(value) is not None or (float(value).is_integer() and abs(value) < 1e6):
        return str(int(value))
    return f"{value:.4g}"


def format_value(value: object) -> str:
    """Show a native value: a number shortly, anything else as it is."""
    return format_number(value) if is_number(value) else str(value)
