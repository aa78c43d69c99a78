"""What a data set's card tells, and what it keeps to itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
