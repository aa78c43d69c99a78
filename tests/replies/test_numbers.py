"""Numbers in replies: the number that is meant, or none; never another one."""

from __future__ import annotations

from fractions import Fraction
import re
import string
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.replies.numbers import is_plain
from optuna_llm.replies.numbers import read_number
from optuna_llm.replies.repair import repair
from optuna_llm.space.numbers import NumericDistribution
from optuna_llm.space.search_space import SearchSpace


RATE = FloatDistribution(1e-5, 1.0, log=True)
TEN = FloatDistribution(-10, 10)
PERCENT = FloatDistribution(0, 100)
DEPTH = IntDistribution(1, 9)
UNITS = IntDistribution(1, 5000)
MANY = IntDistribution(1, 10**7)


@pytest.mark.parametrize(
    ("raw", "distribution", "number"),
    [
        ("0,001", RATE, 0.001),
        ("3,14", TEN, 3.14),
        ("1,5e-3", RATE, 0.0015),
        ("1,000,000", MANY, 1_000_000),
        ("1.000.000", MANY, 1_000_000),
        ("1 000", UNITS, 1000),
        ("1,000", UNITS, 1000),
        ("1\u202f000\u202f000", MANY, 1_000_000),
        ("1'234'567", MANY, 1_234_567),
        ("10,00,000", MANY, 1_000_000),
        ("1.234,5", FloatDistribution(0, 5000), 1234.5),
        ("1,234.5", FloatDistribution(0, 5000), 1234.5),
        ("1/3", RATE, 1 / 3),
        ("½", RATE, 0.5),
        ("5e−4", RATE, 5e-4),
        ("−3.5", TEN, -3.5),
        ("10^-3", RATE, 1e-3),
        ("10**-3", RATE, 1e-3),
        ("10^{-3}", RATE, 1e-3),
        ("10⁻³", RATE, 1e-3),
        ("1·10^-3", RATE, 1e-3),
        ("3x10^-4", RATE, 3e-4),
        ("3 × 10⁻⁴", RATE, 3e-4),
        ("2*10**-4", RATE, 2e-4),
        ("2^8", UNITS, 256),
        ("2⁸", UNITS, 256),
        ("32k", MANY, 32_000),
        ("1.5M", MANY, 1_500_000),
        ("2 thousand", MANY, 2000),
        ("30%", PERCENT, 30),
        ("30 %", RATE, 0.3),
        ("0,5%", RATE, 0.005),
        ("~0.1", RATE, 0.1),
        ("≈ 0.1", RATE, 0.1),
        ("about 0.1", RATE, 0.1),
        ("0.1 (default)", RATE, 0.1),
        ("0.1, slightly lower", RATE, 0.1),
        ("0.001 (log scale)", RATE, 0.001),
        ("**0.01**", RATE, 0.01),
        ("(0.01)", RATE, 0.01),
        ("[5e-4]", RATE, 5e-4),
        ("0.01.", RATE, 0.01),
        ("5 levels", DEPTH, 5),
        ("１２", UNITS, 12),
        ("٠٫٥", RATE, 0.5),
        ("४", DEPTH, 4),
    ],
)
def test_the_number_that_is_meant(
    raw: str, distribution: NumericDistribution, number: float
) -> None:
    assert read_number(raw, distribution) == pytest.approx(number, rel=1e-12)
    outcome = repair(SearchSpace({"x": distribution}), {"x": raw})
    assert outcome.params == {"x": pytest.approx(number, rel=1e-12)}
    assert set(outcome.repaired) == {"x"}  # It is noted,
    assert outcome.violations == []  # and nobody is asked again.


@pytest.mark.parametrize(
    ("raw", "distribution"),
    [
        ("1e-3 to 1e-2", RATE),
        ("0.1-0.5", RATE),
        ("5–10", UNITS),
        ("0.1, 0.2", RATE),
        ("0.1 or 0.2", RATE),
        ("1 2", UNITS),
        ("< 0.1", RATE),
        (">= 0.1", RATE),
        ("at most 5", DEPTH),
        ("5 or more", DEPTH),
        ("not 0.1", RATE),
        ("0.1 (too high)", RATE),
        ("log10(x) = -3", TEN),
        ("-3 (log10)", TEN),
        ("exp(-3)", TEN),
        ("5 (thousands)", MANY),
        ("5 lakh", MANY),
        ("3 squared", UNITS),
        ("1.5m", MANY),
        ("10 ms", UNITS),
        ("1½", TEN),
        ("0x10", UNITS),
        ("2 * 3", UNITS),
        ("1.2.3", TEN),
        ("1/0", RATE),
        ("Infinity", TEN),
        ("-inf", TEN),
        ("NaN", TEN),
        ("9**999", TEN),
        ("one", DEPTH),
        ("", TEN),
        ("−", TEN),
        # Both readings are legal, or none is.
        ("1,234", FloatDistribution(0, 2000)),
        ("1,234", DEPTH),
        ("1,000", DEPTH),
        ("0.1...", RATE),
        ("0.333…", RATE),
        ("(0.1) (0.2)", RATE),
        ("1.000", UNITS),
        ("3%", TEN),
        # What had to be understood must also fit.
        ("10k", UNITS),
        ("2^8", DEPTH),
    ],
)
def test_what_names_no_number_is_dropped_and_asked_for_again(
    raw: str, distribution: NumericDistribution
) -> None:
    assert read_number(raw, distribution) is None
    outcome = repair(SearchSpace({"x": distribution}), {"x": raw})
    assert outcome.params == {}
    assert len(outcome.violations) == 1


@pytest.mark.parametrize(
    ("distribution", "number"),
    [(FloatDistribution(0, 10), 1.234), (UNITS, 1234), (FloatDistribution(1000, 2000), 1234)],
)
def test_the_range_decides_between_two_readings(
    distribution: NumericDistribution, number: float
) -> None:
    assert read_number("1,234", distribution) == number


def test_plain_numbers_are_as_given_even_outside_of_the_range() -> None:
    assert read_number("1e3", DEPTH) == 1000
    outcome = repair(SearchSpace({"x": DEPTH}), {"x": 1000})
    assert outcome.params == {"x": 9}
    assert "nearest is 9" in outcome.violations[0]


@pytest.mark.parametrize("raw", [2**62 + 1, str(2**62 + 1)])
def test_whole_numbers_are_exact(raw: object) -> None:
    assert read_number(raw, IntDistribution(0, 2**63)) == 2**62 + 1
    outcome = repair(SearchSpace({"x": IntDistribution(0, 2**63)}), {"x": raw})
    assert outcome.params == {"x": 2**62 + 1}


@pytest.mark.parametrize("raw", ["1e-400", "1e400", 10**400, "9" * 400])
def test_what_no_float_can_hold_is_none(raw: object) -> None:
    assert read_number(raw, TEN) is None


@pytest.mark.parametrize(
    ("choices", "raw", "choice"),
    [
        (("8", "16", "32"), 16, "16"),
        (("2", "1", "0"), 2, "2"),
        (("0.001", "0.01"), "1e-3", "0.001"),
        ((16, 32), "32 units", 32),
        ((0.1, 0.2), "10%", 0.1),
        ((True, False), 1, True),
        ((True, False), "yes", True),
        ((True, False), "off", False),
        ((False, True), 0.0, False),
        (("true", "false"), True, "true"),
        (("no", "yes"), True, "yes"),
        (("on", "off"), 1, "on"),
        ((0, 1), True, 1),
        ((None, 3, 5), "null", None),
        (("none", "l1", "l2"), None, "none"),
    ],
)
def test_a_choice_may_be_named_by_a_value_of_another_type(
    choices: tuple[Any, ...], raw: Any, choice: Any
) -> None:
    outcome = repair(SearchSpace({"c": CategoricalDistribution(choices)}), {"c": raw})
    assert outcome.params == {"c": choice}
    assert type(outcome.params["c"]) is type(choice)
    assert set(outcome.repaired) == {"c"}
    assert outcome.violations == []


@pytest.mark.parametrize(
    ("choices", "raw"),
    [
        (("a", "b"), True),
        (("none", "l1", "l2"), 1),  # l1, or the choice of index 1?
        (("resnet18", "resnet34"), 0),
        ((True, False), 2),
        ((16, 32), "16 to 32"),
        ((16, 32), "16k"),
        ((0, 1, 2), True),
    ],
)
def test_a_choice_that_nobody_named_is_dropped(choices: tuple[Any, ...], raw: Any) -> None:
    outcome = repair(SearchSpace({"c": CategoricalDistribution(choices)}), {"c": raw})
    assert outcome.params == {}
    assert len(outcome.violations) == 1


# ---- any text

_PIECES = st.sampled_from(
    [*"0123456789.,-+−~%/^*x· '", "10", "00", "000", "e", "e-", "k", "M", "(", ")", " to ", "⁻³"]
)


def plausible(text: str) -> set[Fraction]:
    """Every number that the digits of a text may mean, with each mark read in each way."""
    text = text.translate(str.maketrans("−·x", "-**")).replace("⁻³", "^-3")
    text = text.strip(string.whitespace + "\x1c\x1d\x1e\x1f~*'`_\"()[]")
    found: set[Fraction] = set()

    def add(value: Fraction) -> None:
        found.update((value, value / 100, value * 1000, value * 10**6, -value))

    head = re.match(r"[-+]?\s?[\d.,' ]*\d\.?|[-+]?\s?\.?\d+", text)
    if head is None:
        return found
    digits = re.sub("[ '+-]", "", head[0])
    mantissas = {digits.replace(",", ""), digits.replace(",", "."), digits.replace(".", "")}
    mantissas |= {digits.replace(".", "").replace(",", "."), digits.replace(",", "").rstrip(".")}
    tail = re.findall(r"[-+]?\d+", text[head.end() :])
    powers = [int(t) for t in tail if abs(int(t)) < 280] or [0]
    for mantissa in mantissas:
        if not re.fullmatch(r"\d*\.?\d*", mantissa) or not re.search(r"\d", mantissa):
            continue
        value = Fraction(mantissa if mantissa[-1] != "." else mantissa + "0")
        add(value)
        for power in powers:
            add(value * Fraction(10) ** power)
            if value != 0 and abs(power) < 50:
                add(value**power)
        for divisor in map(int, tail):
            if divisor:
                add(value / divisor)
    return found


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(_PIECES, max_size=9).map("".join) | st.text(max_size=12),
    st.sampled_from([RATE, TEN, PERCENT, DEPTH, UNITS, MANY]),
)
def test_any_text_is_no_number_or_one_that_its_digits_spell(
    text: str, distribution: NumericDistribution
) -> None:
    number = read_number(text, distribution)
    if number is None:
        return
    if not text.isascii() and not set(text) <= set("0123456789.,-+−~%/^*x· 'ekM()to⁻³"):
        return  # Other scripts are tried above.
    exact = Fraction(number)  # Readings may be beyond every float.
    near = (abs(value - exact) <= abs(exact) / 10**9 for value in plausible(text))
    assert any(near), text
    assert is_plain(text) or distribution.low <= number <= distribution.high
