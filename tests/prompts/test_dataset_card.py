"""What a data set's card tells, and what it keeps to itself."""

from __future__ import annotations

from typing import Any
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from optuna_llm import Scale
from optuna_llm.errors import ConfigurationError
from optuna_llm.prompts import DatasetCard
from optuna_llm.prompts import Task


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    churn = rng.random(n) < 0.25
    usage = churn * 2.0 + rng.normal(0, 0.5, n)
    return pd.DataFrame(
        {
            "secret_usage": usage,
            "secret_double": usage * 2 + rng.normal(0, 0.1, n),
            "secret_income": np.exp(rng.normal(10, 1.5, n)),
            "secret_city": rng.choice(["Ulm", "Bonn"], n),
            "secret_empty": np.where(rng.random(n) < 0.5, np.nan, 1.0),
            "churned": np.where(churn, "secret_yes", "secret_no"),
        }
    )


def test_partial_context_is_sizes_kinds_and_classes(frame: pd.DataFrame) -> None:
    card = DatasetCard.of(frame, "churned", context="partial")
    assert card.text == (
        "classification, 400 rows, 5 features (4 numeric, 1 categorical), 2 classes."
    )


def test_full_context_counts_what_is_there(frame: pd.DataFrame) -> None:
    text = DatasetCard.of(frame, "churned").text
    shares = frame["churned"].value_counts(normalize=True)
    assert f"class shares {shares.iloc[0]:.0%}, {shares.iloc[1]:.0%}" in text
    # The constant column says nothing; of three others two follow the target, one is skewed.
    assert "of 3 numeric features 1 are skewed" in text
    assert "2 are correlated with the target" in text
    assert "1 of 3 pairs of features are correlated" in text
    missing = frame.drop(columns="churned").isna().to_numpy().mean()
    assert f"{missing:.0%} of the values are missing" in text


def test_no_name_and_no_row_leaves_the_frame(frame: pd.DataFrame) -> None:
    text = DatasetCard.of(frame, "churned").text
    assert "secret" not in text
    assert "Ulm" not in text
    assert str(round(frame["secret_income"].iloc[0], 2)) not in text


def test_kind_is_found_out() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.random(50), "price": rng.random(50), "grade": [1, 2] * 25})
    assert DatasetCard.of(frame, "price").text.startswith("regression")
    assert DatasetCard.of(frame, "grade").text.startswith("classification")
    assert DatasetCard.of(frame, "grade", kind="regression").text.startswith("regression")


def test_large_frames_are_sampled_for_the_details_only() -> None:
    rng = np.random.default_rng(2)
    values = rng.random((60_000, 3))
    frame = pd.DataFrame(values, columns=["a", "b", "c"]).assign(y=values[:, 0] * 2)
    text = DatasetCard.of(frame, "y").text
    assert "60000 rows" in text
    assert "1 are correlated with the target" in text


def test_the_task_takes_a_card(frame: pd.DataFrame) -> None:
    card = DatasetCard.of(frame, "churned", context="partial")
    task = Task(dataset=card)
    assert task.dataset == card.text
    assert any("400 rows" in line for line in task.lines())
    assert not any("size" in line for line in task.lines())
    n_columns = frame.shape[1] - 1
    assert task.scale is None
    assert card.scale == Scale(rows=400, columns=n_columns, classes=2)
    asked = Task(dataset=card, scale=card.scale)
    # What the card's text says is not said twice.
    assert asked.lines() == task.lines()
    assert DatasetCard.of(frame, frame.select_dtypes("float").columns[0]).scale == Scale(
        rows=400, columns=n_columns
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"target": "absent"}, "target='absent'"),
        ({"target": "churned", "kind": "ranking"}, "kind='ranking'"),
        ({"target": "churned", "context": "none"}, "context='none'"),
    ],
)
def test_wrong_arguments_are_named(
    frame: pd.DataFrame, arguments: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        DatasetCard.of(frame, **arguments)  # type: ignore[arg-type]


def test_other_tables_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="pandas DataFrame"):
        DatasetCard.of([[1, 2]], "y")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="target is known"):
        DatasetCard.of(pd.DataFrame({"x": [1.0], "y": [np.nan]}), "y")


N_ROWS = 12
COLUMNS: dict[str, Any] = {
    "durations": pd.to_timedelta(range(N_ROWS), "D"),
    "dates": pd.date_range("2026-01-01", periods=N_ROWS),
    "dates with a zone": pd.date_range("2026-01-01", periods=N_ROWS, tz="Europe/Berlin"),
    "periods": pd.period_range("2026-01", periods=N_ROWS, freq="M"),
    "intervals": pd.interval_range(0, N_ROWS),
    "a category of numbers": pd.Categorical([i % 3 for i in range(N_ROWS)], categories=range(9)),
    "complex": np.arange(N_ROWS) * 1j,
    "lists": [[i % 2] for i in range(N_ROWS)],
    "dicts": [{"a": i} for i in range(N_ROWS)],
    "objects": [object() for _ in range(N_ROWS)],
    "mixed": [1, "a", None, 2.5] * 3,
    "Int64": pd.array([1, None, 3] * 4, dtype="Int64"),
    "Float64": pd.array([0.5, None, 3] * 4, dtype="Float64"),
    "boolean": pd.array([True, None, False] * 4, dtype="boolean"),
    "string": pd.array(["a", None, "b"] * 4, dtype="string"),
    "sparse": pd.arrays.SparseArray([0.0, 0.0, 1.0] * 4),
    "all missing": [np.nan] * N_ROWS,
    "all None": [None] * N_ROWS,
    "infinite": [np.inf, -np.inf, 1.0] * 4,
    "constant": [1] * N_ROWS,
    "uint8": np.arange(N_ROWS, dtype="uint8"),
    "float16": np.arange(N_ROWS, dtype="float16"),
    "bytes": [b"a", b"b"] * 6,
    "bool": [True, False] * 6,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_any_type_have_a_card(name: str) -> None:
    frame = pd.DataFrame({"x": np.arange(N_ROWS), "y": [0, 1] * 6})
    frame["z"] = COLUMNS[name]
    assert "2 features" in DatasetCard.of(frame, "y").text
    if frame["z"].notna().any():
        assert "2 features" in DatasetCard.of(frame, "z").text
    else:
        with pytest.raises(ConfigurationError, match="row in which the target is known"):
            DatasetCard.of(frame, "z")


def test_durations_and_dates_are_told_apart() -> None:
    frame = pd.DataFrame({"wait": pd.to_timedelta([1, 2, 3, 4], "D"), "y": [0, 1, 0, 1]})
    assert "1 feature (0 numeric, 0 categorical, 1 dates or durations)" in str(
        DatasetCard.of(frame, "y")
    )
    assert DatasetCard.of(frame, "wait").text.startswith("regression, 4 rows")


def test_names_and_rows_that_stand_twice() -> None:
    frame = pd.DataFrame(np.arange(24.0).reshape(6, 4), columns=["a", "a", "y", 7])
    frame.index = pd.Index([0, 0, 0, 1, 1, 1])
    assert "3 features (3 numeric" in DatasetCard.of(frame, "y").text
    with pytest.raises(ConfigurationError, match=r"'a' names 2 columns .* rename"):
        DatasetCard.of(frame, "a")
    two = pd.DataFrame({("a", "b"): [1, 2], ("a", "c"): [0, 1]})
    assert "1 feature" in DatasetCard.of(two, ("a", "c")).text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"y": [], "x": []}),
        pd.DataFrame({"y": [1, 2]}),
        pd.DataFrame(columns=["y", "x"]),
    ],
)
def test_frames_without_data_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ConfigurationError, match="needs a feature"):
        DatasetCard.of(frame, "y")


def test_a_regression_needs_numbers() -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    with pytest.raises(ConfigurationError, match="kind='regression' does not fit"):
        DatasetCard.of(frame, "y", kind="regression")


def test_frames_of_other_libraries_are_taken() -> None:
    class Frame:
        columns: ClassVar[list[str]] = ["x", "y"]

        def to_pandas(self) -> pd.DataFrame:
            return pd.DataFrame({"x": [1, 2, 3], "y": [0, 1, 0]})

    assert "1 feature" in DatasetCard.of(Frame(), "y").text  # type: ignore[arg-type]
