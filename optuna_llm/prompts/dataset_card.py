"""A data set in a few sentences: statistics only, never rows, names of columns or of classes.

LLAMBO (Liu et al. 2024, section 3) tells a model the size of the data, its kinds of features and
classes (partial context), and marginal statistics and correlations with it (full context).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import get_args

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import Scale


if TYPE_CHECKING:
    import pandas as pd


Context = Literal["partial", "full"]
Kind = Literal["classification", "regression"]

# Above this many rows or columns a sample is looked at.
_MAX_ROWS = 20_000
_MAX_COLUMNS = 200
# A numeric target with at most this many different whole values names classes.
_MAX_CLASSES = 20
_CORRELATED = 0.5
_SKEWED = 1.0
_MAX_SHARES = 8


@dataclass(frozen=True)
class DatasetCard:
    """What a language model is told of a data set; pass it as ``Task(dataset=card)``.

    Attributes:
        text: The sentences.
        scale: Its numbers of rows, columns and classes, with which usual values move.
    """

    text: str
    scale: Scale | None = None

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        target: str,
        *,
        kind: Kind | None = None,
        context: Context = "full",
    ) -> DatasetCard:
        """Describe a data frame with columns of any type.

        Args:
            frame: The data, a row for each example: a pandas DataFrame, or what has a method
                ``to_pandas``, such as one of Polars.
            target: The column to be predicted.
            kind: ``classification`` or ``regression``; None finds it out: words, truth values
                and at most 20 different whole numbers are classes.
            context: ``partial``: sizes, kinds of features, classes; ``full``: also balance,
                missing values, skewness, and counts of correlated features.

        Raises:
            ConfigurationError: There is no such column, no data, or an argument is not known.
        """
        known, names = _columns(frame)
        is_name = isinstance(target, Hashable)
        positions = [i for i, name in enumerate(names) if is_name and {name: i}.get(target) == i]
        if not positions:
            raise ConfigurationError(
                f"target={target!r:.80} is not a column of frame; name one of its "
                f"{len(names)} columns."
            )
        if len(positions) > 1:
            raise ConfigurationError(
                f"target={target!r:.80} names {len(positions)} columns of frame; rename all but "
                "one of them."
            )
        for name, value, allowed in (("kind", kind, Kind), ("context", context, Context)):
            is_known = isinstance(value, str) and value in get_args(allowed)
            if not is_known and not (name == "kind" and value is None):
                raise ConfigurationError(
                    f"{name}={value!r:.80} is not known; choose one of {get_args(allowed)}."
                )
        known = known[known[positions[0]].notna()].reset_index(drop=True)
        wanted, features = known[positions[0]], known.drop(columns=positions)
        if len(known) == 0 or features.shape[1] == 0:
            raise ConfigurationError(
                "frame needs a feature beside the target, and a row in which the target is known."
            )
        kind = kind or _kind_of(wanted)
        if kind == "regression" and _numbers(wanted, times=True) is None:
            raise ConfigurationError(
                f"target={target!r:.80} holds no numbers, so kind='regression' does not fit; "
                "leave kind out, or name another column."
            )
        numbers = {name: _numbers(column) for name, column in features.items()}
        numeric = _frame({name: array for name, array in numbers.items() if array is not None})
        n_times = sum(column.dtype.kind in "mM" for _, column in features.items())
        n_other = features.shape[1] - numeric.shape[1] - n_times
        times = f", {n_times} dates or durations" if n_times else ""
        sentences = [
            f"{kind}, {len(known)} rows, {_count(features.shape[1], 'feature')} "
            f"({numeric.shape[1]} numeric, {n_other} categorical{times})"
        ]
        n_classes = len(np.unique(_classes(wanted))) if kind == "classification" else None
        if n_classes is not None:
            sentences[0] += f", {n_classes} classes"
        if context == "full":
            sentences += _details(wanted, kind, features, numeric)
        told = n_classes if n_classes is not None and n_classes > 1 else None
        scale = Scale(rows=len(known), columns=features.shape[1], classes=told)
        return cls(". ".join(sentences) + ".", scale)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _columns(frame: Any) -> tuple[pd.DataFrame, list[Any]]:
    """Return a frame whose columns have numbers, and their names, of which two may be the same."""
    if hasattr(frame, "to_pandas"):  # Polars, PyArrow, cuDF and others.
        frame = frame.to_pandas()
    if not hasattr(frame, "columns") or not hasattr(frame, "select_dtypes"):
        raise ConfigurationError(
            f"frame must be a pandas DataFrame, got {type(frame).__name__}; use "
            "pandas.DataFrame(...)."
        )
    names = list(frame.columns)
    known = frame.copy(deep=False)
    known.columns = range(len(names))
    return known, names


def _frame(columns: dict[Any, np.ndarray]) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame


def _numbers(column: pd.Series, *, times: bool = False) -> np.ndarray | None:
    """Return a column as floats, infinite ones as NaN; None where it holds no real numbers.

    Args:
        column: Of any type.
        times: Whether dates and durations count as numbers, too.
    """
    from pandas.api import types

    if column.dtype.kind in "mM" and times:
        values = column.to_numpy(dtype="int64").astype(float)
    elif types.is_numeric_dtype(column.dtype) and column.dtype.kind in "iuf":
        values = column.to_numpy(dtype=float, na_value=np.nan)
    else:
        return None
    return np.where(np.isfinite(values), values, np.nan)


def _classes(target: pd.Series) -> np.ndarray:
    """Return the number of each row's class, shape (n,); lists and the like go by their text."""
    import pandas as pd

    try:
        return np.asarray(pd.factorize(target)[0])
    except TypeError:
        return np.asarray(pd.factorize(target.map(repr))[0])


def _kind_of(target: pd.Series) -> Kind:
    if target.dtype.kind in "mM":
        return "regression"
    values = _numbers(target)
    if values is None:
        return "classification"
    values = np.unique(values)
    whole = np.all(np.isfinite(values)) and np.all(values == np.round(values))
    return "classification" if whole and len(values) <= _MAX_CLASSES else "regression"


def _details(
    target: pd.Series, kind: Kind, features: pd.DataFrame, numeric: pd.DataFrame
) -> list[str]:
    """Return sentences on the target's distribution, missing values, and numeric features."""
    found = []
    if kind == "classification":
        classes = _classes(target)
        columns = [classes == c for c in np.argsort(-np.bincount(classes), kind="stable")]
        shares = [float(column.mean()) for column in columns]
        shown = ", ".join(f"{share:.0%}" for share in shares[:_MAX_SHARES])
        more = f" and {len(shares) - _MAX_SHARES} smaller ones" * (len(shares) > _MAX_SHARES)
        found.append(f"class shares {shown}{more}")
    else:
        values = _numbers(target, times=True)
        assert values is not None
        columns = [values]
        skewness = _frame({0: values}).skew().iloc[0]
        if np.isfinite(skewness):
            found.append(f"skewness of the target {skewness:.1f}")
    missing = float(features.isna().to_numpy().mean())
    found.append(f"{missing:.0%} of the values are missing" if missing else "no missing values")
    told = _frame(dict(enumerate(columns[:_MAX_CLASSES]))).astype(float)
    if len(numeric) > _MAX_ROWS:
        numeric = numeric.sample(_MAX_ROWS, random_state=0)
        told = told.loc[numeric.index]
    numeric = numeric.iloc[:, :_MAX_COLUMNS]
    varying = numeric.loc[:, numeric.nunique() > 1]
    n = varying.shape[1]
    if n == 0 or len(varying) < 3:
        return found
    skewed = int((varying.skew().abs() > _SKEWED).sum())
    spread = varying.std()
    ratio = float(spread.max() / spread.min()) if spread.min() > 0 else 1.0
    found.append(
        f"of {_count(n, 'numeric feature')} {skewed} are skewed (|skewness| > 1) and "
        f"{_n_correlated(varying, told)} are correlated with the target (|r| > 0.5)"
    )
    if ratio > 10:
        found.append(f"standard deviations of features differ by a factor of {ratio:.0e}")
    if n > 1:
        correlations = np.abs(varying.corr().to_numpy()[np.triu_indices(n, 1)])
        strong = int(np.sum(correlations > _CORRELATED))
        found.append(f"{strong} of {len(correlations)} pairs of features are correlated")
    return found


def _n_correlated(features: pd.DataFrame, told: pd.DataFrame) -> int:
    """Count features that are correlated with one of the columns told of the target."""
    strongest = np.zeros(features.shape[1])
    for _, column in told.items():
        if column.nunique() > 1:
            r = features.corrwith(column).abs().to_numpy()
            strongest = np.maximum(strongest, np.nan_to_num(r))
    return int(np.sum(strongest > _CORRELATED))
