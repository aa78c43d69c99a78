"""A data set in a few sentences: statistics only, never rows, names of columns or of classes.

LLAMBO (Liu et al. 2024, section 3) tells a model the size of the data, its kinds of features and
classes (partial context), and marginal statistics and correlations with it (full context).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Literal
from typing import get_args

import numpy as np

from optuna_llm.errors import ConfigurationError


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
    """

    text: str

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        target: str,
        *,
        kind: Kind | None = None,
        context: Context = "full",
    ) -> DatasetCard:
        """Describe a pandas DataFrame.

        Args:
            frame: The data, a row for each example.
            target: The column to be predicted.
            kind: ``classification`` or ``regression``; None finds it out: words, truth values
                and at most 20 different whole numbers are classes.
            context: ``partial``: sizes, kinds of features, classes; ``full``: also balance,
                missing values, skewness, and counts of correlated features.

        Raises:
            ConfigurationError: There is no such column, no data, or an argument is not known.
        """
        if not hasattr(frame, "columns") or not hasattr(frame, "select_dtypes"):
            raise ConfigurationError(
                f"frame must be a pandas DataFrame, got {type(frame).__name__}; use "
                "pandas.DataFrame(...)."
            )
        if target not in frame.columns:
            raise ConfigurationError(
                f"target={target!r:.80} is not a column of frame; name one of its "
                f"{len(frame.columns)} columns."
            )
        for name, value, allowed in (("kind", kind, Kind), ("context", context, Context)):
            if value not in get_args(allowed) and not (name == "kind" and value is None):
                raise ConfigurationError(
                    f"{name}={value!r:.80} is not known; choose one of {get_args(allowed)}."
                )
        rows = frame[frame[target].notna()]
        if len(rows) == 0 or len(frame.columns) < 2:
            raise ConfigurationError(
                "frame needs a feature beside the target, and a row in which the target is known."
            )
        kind = kind or _kind_of(rows[target])
        features = rows.drop(columns=[target])
        numeric = features.select_dtypes("number")
        n_other = features.shape[1] - numeric.shape[1]
        sentences = [
            f"{kind}, {len(rows)} rows, {features.shape[1]} features "
            f"({numeric.shape[1]} numeric, {n_other} categorical)"
        ]
        if kind == "classification":
            sentences[0] += f", {rows[target].nunique()} classes"
        if context == "full":
            sentences += _details(rows, target, kind, numeric)
        return cls(". ".join(sentences) + ".")


def _kind_of(target: pd.Series) -> Kind:
    if target.dtype.kind not in "fiu":
        return "classification"
    values = target.unique().astype(float)
    whole = np.all(np.isfinite(values)) and np.all(values == np.round(values))
    return "classification" if whole and len(values) <= _MAX_CLASSES else "regression"


def _details(rows: pd.DataFrame, target: str, kind: Kind, numeric: pd.DataFrame) -> list[str]:
    """Return sentences on the target's distribution, missing values, and numeric features."""
    found = []
    if kind == "classification":
        shares = rows[target].value_counts(normalize=True).to_numpy()
        shown = ", ".join(f"{share:.0%}" for share in shares[:_MAX_SHARES])
        more = f" and {len(shares) - _MAX_SHARES} smaller ones" * (len(shares) > _MAX_SHARES)
        found.append(f"class shares {shown}{more}")
    else:
        skewness = rows[[target]].astype(float).skew().iloc[0]
        found.append(f"skewness of the target {skewness:.1f}")
    missing = float(rows.drop(columns=[target]).isna().to_numpy().mean())
    found.append(f"{missing:.0%} of the values are missing" if missing else "no missing values")
    if len(rows) > _MAX_ROWS:
        numeric = numeric.loc[rows.index].sample(_MAX_ROWS, random_state=0)
        rows = rows.loc[numeric.index]
    numeric = numeric.iloc[:, :_MAX_COLUMNS]
    varying = numeric.loc[:, numeric.nunique() > 1]
    n = varying.shape[1]
    if n == 0 or len(rows) < 3:
        return found
    skewed = int((varying.skew().abs() > _SKEWED).sum())
    spread = varying.std()
    ratio = float(spread.max() / spread.min()) if spread.min() > 0 else 1.0
    found.append(
        f"of {n} numeric features {skewed} are skewed (|skewness| > 1) and "
        f"{_n_correlated(varying, rows[target], kind)} are correlated with the target (|r| > 0.5)"
    )
    if ratio > 10:
        found.append(f"standard deviations of features differ by a factor of {ratio:.0e}")
    if n > 1:
        correlations = np.abs(varying.corr().to_numpy()[np.triu_indices(n, 1)])
        strong = int(np.sum(correlations > _CORRELATED))
        found.append(f"{strong} of {len(correlations)} pairs of features are correlated")
    return found


def _n_correlated(features: pd.DataFrame, target: pd.Series, kind: Kind) -> int:
    """Count features that are correlated with the target, or with one of its classes."""
    if kind == "classification":
        classes = target.value_counts().index[:_MAX_CLASSES]
        columns = [(target == c).astype(float) for c in classes]
    else:
        columns = [target]
    strongest = np.zeros(features.shape[1])
    for column in columns:
        r = features.corrwith(column).abs().to_numpy()
        strongest = np.maximum(strongest, np.nan_to_num(r))
    return int(np.sum(strongest > _CORRELATED))
