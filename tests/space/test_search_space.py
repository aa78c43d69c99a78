from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.prompts.schema import json_schema
from optuna_llm.replies.repair import read_number
from optuna_llm.replies.repair import repair
from optuna_llm.space.choices import choice_index
from optuna_llm.space.choices import labels
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.numbers import snap
from optuna_llm.space.numbers import to_unit
from optuna_llm.space.search_space import SearchSpace


NUMERIC: list[FloatDistribution | IntDistribution] = [
    FloatDistribution(-1.0, 1.0),
    FloatDistribution(1e-7, 10.0, log=True),
    FloatDistribution(-10.2, 10.2, step=0.1),
    FloatDistribution(0.0, 1.0, step=0.3),  # Optuna lowers `high` to the grid.
    IntDistribution(-3, 10),
    IntDistribution(1, 100, log=True),
    IntDistribution(0, 10, step=3),
    IntDistribution(5, 5),
]
COLLIDING = CategoricalDistribution([True, 1, "1", None, 1.5])


def space(**distributions: BaseDistribution) -> SearchSpace:
    return SearchSpace(distributions)


def is_legal(distribution: BaseDistribution, value: Any) -> bool:
    return distribution._contains(distribution.to_internal_repr(value))


@pytest.mark.parametrize("distribution", NUMERIC, ids=str)
@given(unit=st.floats(0, 1))
def test_from_unit_gives_native_legal_values(
    distribution: FloatDistribution | IntDistribution, unit: float
) -> None:
    value = from_unit(distribution, unit)
    assert is_legal(distribution, value)
    assert type(value) is (int if isinstance(distribution, IntDistribution) else float)


@pytest.mark.parametrize("distribution", NUMERIC, ids=str)
@given(unit=st.floats(0, 1))
def test_unit_round_trip(distribution: FloatDistribution | IntDistribution, unit: float) -> None:
    value = from_unit(distribution, unit)
    assert from_unit(distribution, to_unit(distribution, value)) == pytest.approx(value)


def test_grid_points_own_equal_cells() -> None:
    distribution = IntDistribution(0, 9, step=3)
    values = [from_unit(distribution, u) for u in np.linspace(0.001, 0.999, 4000)]
    assert np.bincount(np.array(values) // 3) == pytest.approx([1000] * 4, abs=5)


def test_log_scale_is_linear_in_the_exponent() -> None:
    assert to_unit(FloatDistribution(1e-4, 1.0, log=True), 1e-2) == pytest.approx(0.5)


def test_snap_refuses_nan() -> None:
    with pytest.raises(ValueError, match="NaN"):
        snap(FloatDistribution(0, 1), math.nan)


def test_colliding_choices_are_told_apart() -> None:
    assert len(set(labels(COLLIDING))) == 5
    assert [choice_index(COLLIDING, c) for c in COLLIDING.choices] == [0, 1, 2, 3, 4]
    for index, label in enumerate(labels(COLLIDING)):
        value = repair(space(c=COLLIDING), {"c": label}).params["c"]
        choice = COLLIDING.choices[index]
        assert type(value) is type(choice)
        assert value == choice


def test_labels_differ_even_where_texts_agree_when_shortened() -> None:
    long = CategoricalDistribution(["a" * 100 + "x", "a" * 100 + "y"])
    assert len(set(labels(long))) == 2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (3, 3.0),
        ("1e-3", 1e-3),
        (" 0.5 ", 0.5),
        ("1,000", 1000.0),
        ("524_288", 524288.0),
        ("2**5", 32.0),
        ("2^-3", 0.125),
        ("10%", 0.1),
        ("0.001 (log)", 0.001),
        ([0.2], 0.2),
        ({"value": 7}, 7.0),
        (True, None),
        ("none", None),
        (float("nan"), None),
        ("inf", None),
        (10**400, None),
        ("9" * 400, None),
        ("9**999", None),
        ([1, 2], None),
        ({}, None),
        (None, None),
    ],
)
def test_read_number(raw: object, expected: float | None) -> None:
    assert read_number(raw) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(1e-5, "1e-05"), (0.123456, "0.1235"), (524288, "524288"), (2.0, "2")]
)
def test_format_number(value: float, text: str) -> None:
    assert format_number(value) == text


def test_repair_keeps_repairs_drops_and_misses() -> None:
    outcome = repair(
        space(
            lr=FloatDistribution(1e-5, 1e-1, log=True),
            layers=IntDistribution(1, 9, step=2),
            units=CategoricalDistribution([16, 32, 64]),
            optimizer=CategoricalDistribution(["sgd", "adam"]),
            dropout=FloatDistribution(0, 1, step=0.1),
        ),
        {"LR": "1e-3", "layers": 4, "units": 50, "optimizer": "rmsprop", "extra": 1},
    )
    assert outcome.params == {"lr": 1e-3, "layers": 5, "units": 64}
    assert outcome.kept == ("lr",)
    assert set(outcome.repaired) == {"layers", "units"}
    assert set(outcome.dropped) == {"optimizer"}
    assert outcome.missing == ("dropout",)
    assert outcome.unknown == ("extra",)
    assert len(outcome.violations) == 4
    assert "in steps of 2; nearest is 5" in outcome.repaired["layers"]


@pytest.mark.parametrize(
    "raw", ["adam", "ADAM", '"adam"', 1, "1", "1=adam", "[1] adam", "1: adam"]
)
def test_choices_by_label_and_index(raw: object) -> None:
    optimizer = CategoricalDistribution(["sgd", "adam", "adamw"])
    outcome = repair(space(optimizer=optimizer), {"optimizer": raw})
    assert outcome.params == {"optimizer": "adam"}
    assert outcome.kept == ("optimizer",)


@pytest.mark.parametrize("raw", [32, 32.0, "32", "1=32"])
def test_numeric_choices_go_by_value_before_index(raw: object) -> None:
    units = CategoricalDistribution([1, 32, 2])
    assert repair(space(units=units), {"units": raw}).params == {"units": 32}
    assert repair(space(units=units), {"units": 2}).params == {"units": 2}


def test_optional_parameter_may_be_declined() -> None:
    conditional = SearchSpace({"x": FloatDistribution(0, 1)}, frozenset({"x"}))
    outcome = repair(conditional, {"x": None})
    assert outcome.params == {}
    assert outcome.violations == []


def test_none_can_be_a_choice() -> None:
    depth = CategoricalDistribution([None, 3])
    assert repair(space(depth=depth), {"depth": None}).params == {"depth": None}
    assert repair(space(depth=depth), {"depth": "None"}).params == {"depth": None}


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "A", "zz"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=True)
            | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=2)
            ),
            max_leaves=5,
        ),
    )
)
def test_repair_always_gives_legal_native_values(proposal: dict[str, Any]) -> None:
    some = space(a=NUMERIC[1], b=NUMERIC[6], c=COLLIDING, d=CategoricalDistribution([8, 16]))
    outcome = repair(some, proposal)
    for name, value in outcome.params.items():
        assert is_legal(some.distributions[name], value)
        assert type(value).__module__ == "builtins"
    assert {*outcome.params, *outcome.missing, *outcome.dropped} == set(some.names)


def test_coordinates_and_back() -> None:
    some = space(x=FloatDistribution(0, 10), c=CategoricalDistribution(["a", "b", "c"]))
    coordinates = some.coordinates([{"x": 2.5, "c": "b"}, {"x": 99.0}])
    np.testing.assert_allclose(coordinates, [[0.25, 1.0], [np.nan, np.nan]])
    assert some.configuration(coordinates[0]) == {"x": 2.5, "c": "b"}
    assert some.configuration(coordinates[1]) == {}


def test_choices_that_are_numbers_are_ordered() -> None:
    sizes = CategoricalDistribution([64, 16, 32.5])
    some = space(size=sizes, flag=CategoricalDistribution([True, False]))
    rows = [{"size": size, "flag": flag} for size in sizes.choices for flag in (True, False)]
    coordinates = some.coordinates(rows)
    assert coordinates[::2, 0].tolist() == [1.0, 0.0, 0.5]
    assert coordinates[:2, 1].tolist() == [0.0, 1.0]
    assert [some.configuration(c) for c in coordinates] == rows
    assert some.n_choices.tolist() == [0, 2]
    assert some.value("size", 0.6) == 32.5


def test_json_schema_says_ranges_in_words() -> None:
    some = SearchSpace(
        {"lr": FloatDistribution(1e-5, 1e-1, log=True), "c": CategoricalDistribution([True, 1])},
        frozenset({"c"}),
    )
    schema = json_schema(some)
    assert schema["required"] == ["lr", "c"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["lr"]["description"] == "number from 1e-05 to 0.1, log scale"
    assert schema["properties"]["c"]["enum"] == ["True", "1", None]
