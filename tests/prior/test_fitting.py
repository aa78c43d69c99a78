from __future__ import annotations

import math
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.prior.fitting import choice_number
from optuna_llm.prior.fitting import choice_text
from optuna_llm.prior.fitting import fit
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Number


RATE = Number("rate", 0.1, (0.01, 1.0), Axis.LOG)
COUNT = Number("count", 64, (16, 256), Axis.COUNT, special={"none": 3, "-1": 3})
SHARE = Number("share", 0.8, (0.6, 1.0), Axis.FRACTION)
DISCOUNT = Number("discount", 0.99, (0.9, 0.999), Axis.COMPLEMENT)
SWITCH = Choice("switch", {"true": 0.7, "false": 0.3})
KERNEL = Choice("kernel", {"rbf": 6, "linear": 2, "leakyrelu": 1})


def test_usual_value_inside_the_range() -> None:
    found = fit(RATE, FloatDistribution(1e-3, 1, log=True))
    assert found is not None
    assert found.value == pytest.approx(0.1)
    # Two decades hold 90 %, the range has three.
    assert found.spread == pytest.approx(2 / 3.29 / 3)


def test_spread_on_a_linear_range_follows_the_scale_of_the_row() -> None:
    found = fit(RATE, FloatDistribution(0, 10))
    assert found is not None
    deviation = 2 / 3.29
    assert found.spread == pytest.approx((10 ** (deviation - 1) - 10 ** (-deviation - 1)) / 20)


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (FloatDistribution(0.2, 1), 0.2),
        (FloatDistribution(1e-5, 1e-2, log=True), 1e-2),
        (FloatDistribution(1e-5, 2e-3, log=True), 2e-3),
    ],
)
def test_value_slightly_outside_is_clipped(distribution: FloatDistribution, value: float) -> None:
    found = fit(RATE, distribution)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    ("row", "distribution"),
    [
        # Further outside than the usual range is wide.
        (RATE, FloatDistribution(1e-5, 5e-4, log=True)),
        (RATE, FloatDistribution(50, 100)),
        # Another kind of quantity.
        (SHARE, IntDistribution(1, 30)),
        (COUNT, FloatDistribution(0.1, 1.0)),
        (DISCOUNT, FloatDistribution(0, 5)),
        (KERNEL, FloatDistribution(0, 1)),
        (KERNEL, CategoricalDistribution(["tree", "forest"])),
        (RATE, CategoricalDistribution([1000, 2000])),
        (RATE, CategoricalDistribution(["low", "high"])),
        (SHARE, CategoricalDistribution([True, False])),
        (SWITCH, IntDistribution(0, 5)),
    ],
)
def test_row_that_does_not_apply(row: Number | Choice, distribution: Any) -> None:
    assert fit(row, distribution) is None


@pytest.mark.parametrize(
    ("row", "distribution", "stated", "value", "form"),
    [
        (RATE, FloatDistribution(-4, 0), "", -1.0, "log10 {}"),
        (RATE, FloatDistribution(-4, 0), "log10", -1.0, "log10 {}"),
        (RATE, FloatDistribution(-10, 4), "ln", math.log(0.1), "ln {}"),
        (RATE, FloatDistribution(1e-3, 1, log=True), "log", 0.1, "{}"),
        (COUNT, IntDistribution(3, 9), "log2", 6, "log2 {}"),
        (COUNT, IntDistribution(3, 9), "log", 6, "log2 {}"),
        (COUNT, IntDistribution(10, 500), "log", 64, "{}"),
        (DISCOUNT, FloatDistribution(1e-4, 0.1, log=True), "one_minus", 0.01, "1 - {}"),
    ],
)
def test_transform(row: Number, distribution: Any, stated: str, value: float, form: str) -> None:
    found = fit(row, distribution, stated)
    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.transform.form == form


def test_spread_of_an_exponent_is_in_its_own_units() -> None:
    found = fit(RATE, FloatDistribution(-4, 0), "log10")
    assert found is not None
    assert found.spread == pytest.approx(2 / 3.29 / 4)


def test_value_is_on_the_grid_and_native() -> None:
    found = fit(SHARE, FloatDistribution(0.5, 1.0, step=0.25))
    assert found is not None
    assert found.value in (0.75, 1.0)
    found = fit(COUNT, IntDistribution(10, 100, step=10))
    assert found is not None
    assert (found.value, type(found.value)) == (60, int)


def test_numeric_choices_weigh_by_their_distance() -> None:
    found = fit(COUNT, CategoricalDistribution([256, 16, 32, 128, 60]))
    assert found is not None
    assert found.value == 60
    by_choice = dict(zip([256, 16, 32, 128, 60], found.weights, strict=True))
    assert by_choice[60] > by_choice[32] > by_choice[16]
    assert by_choice[60] > by_choice[128] > by_choice[256]
    assert sum(found.weights) == pytest.approx(1)


def test_special_choices_weigh_against_all_numbers_together() -> None:
    found = fit(COUNT, CategoricalDistribution([None, 32, 64, 128]))
    assert found is not None
    assert found.value is None
    assert found.weights[0] == pytest.approx(0.75)
    # -1 is a special choice here, not the number next to 2.
    found = fit(COUNT, CategoricalDistribution([2, -1, 64]))
    assert found is not None
    assert found.value == -1


def test_range_that_begins_at_minus_one_for_no_limit() -> None:
    found = fit(COUNT, IntDistribution(-1, 100))
    assert found is not None
    assert found.value == 64


@pytest.mark.parametrize(
    ("choices", "value"),
    [
        (["linear", "RBF"], "RBF"),
        (["unknown", "linear"], "linear"),
        (["nn.LeakyReLU", "other"], "nn.LeakyReLU"),
        (["leaky_relu_0.2", "other"], "leaky_relu_0.2"),
    ],
)
def test_named_choices(choices: list[str], value: str) -> None:
    found = fit(KERNEL, CategoricalDistribution(choices))
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    ("choices", "value"),
    [([False, True], True), (["no", "yes"], "yes"), ([0, 1], 1), (["TRUE", "FALSE"], "TRUE")],
)
def test_switches(choices: list[Any], value: Any) -> None:
    found = fit(SWITCH, CategoricalDistribution(choices))
    assert found is not None
    assert found.value is value
    assert max(found.weights) == pytest.approx(0.7)


def test_switch_as_an_integer() -> None:
    found = fit(SWITCH, IntDistribution(0, 1))
    assert found is not None
    assert (found.value, type(found.value)) == (1, int)


def test_colliding_choices_keep_their_own_weights() -> None:
    found = fit(Choice("x", {"true": 3, "1": 1}), CategoricalDistribution(["1", 1, True]))
    assert found is not None
    assert found.value is True
    assert found.weights == pytest.approx((0.2, 0.2, 0.6))


def test_evidence_is_best_in_the_middle() -> None:
    centred = fit(RATE, FloatDistribution(0.01, 1, log=True))
    off = fit(RATE, FloatDistribution(1e-4, 0.1, log=True))
    assert centred is not None
    assert off is not None
    assert centred.evidence == 0 > off.evidence


def test_one_of_several_choices_known_is_weaker_evidence() -> None:
    all_known = fit(KERNEL, CategoricalDistribution(["rbf", "linear"]))
    half_known = fit(KERNEL, CategoricalDistribution(["rbf", "foo"]))
    assert all_known is not None
    assert half_known is not None
    assert all_known.evidence > half_known.evidence


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ("torch.optim.AdamW", "adamw"),
        ("AdamW", "adamw"),
        ("leaky_relu", "leakyrelu"),
        ("nn.ReLU()", "relu"),
        (dict, "dict"),
        (None, "none"),
        (True, "true"),
        (1, "1"),
        (-1, "-1"),
        (0.5, "0.5"),
        ((1, 2), "12"),
    ],
)
def test_choice_text(choice: Any, text: str) -> None:
    assert choice_text(choice) == text


@pytest.mark.parametrize(
    ("choice", "number"),
    [
        (64, 64.0),
        ("1e-3", 1e-3),
        ("64-64", 64.0),
        ("(32, 128)", 64.0),
        ((32, 128), 64.0),
        (True, None),
        (None, None),
        ("sqrt", None),
        ((1, "a"), None),
        ((), None),
    ],
)
def test_choice_number(choice: Any, number: float | None) -> None:
    assert choice_number(choice) == (None if number is None else pytest.approx(number))
