"""Numbers that users give, as Python's own."""

from __future__ import annotations

import math
import numbers


def real(value: object) -> float:
    """Return a number, NumPy's included, as a float; NaN for all else, bools too.

    What is beyond every float is NaN as well.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def whole(value: object) -> float:
    """Return a whole number, NumPy's included, as an int; NaN for all else, bools too."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        return math.nan
    return int(value)
