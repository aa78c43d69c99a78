"""One row of the table on one distribution: does it apply, and what does it say there?"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
import math
import numbers
import re
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Row
from optuna_llm.prior.table import key
from optuna_llm.space.numbers import NumericDistribution
from optuna_llm.space.numbers import snap


# A choice that the row does not list weighs this much of the least that it lists.
_UNLISTED = 0.5
# A numeric choice far from the usual value keeps this much of the weight of the nearest one.
_LEAST_WEIGHT = 0.02
_LEAST_SPREAD = 0.01
# The worst evidence, in nats, that a range can be against a family.
MISMATCH = -4.0
_BOOLEANS = {"1": "true", "0": "false", "yes": "true", "no": "false", "on": "true", "off": "false"}


@dataclass(frozen=True)
class Transform:
    """How a parameter states a quantity: as it is, as an exponent, or as what it lacks to 1.

    Attributes:
        parameter: Returns the parameter's value for one of the quantity.
        quantity: Returns the quantity for one of the parameter; may raise OverflowError.
        form: In words, such as ``log10 {}``.
    """

    parameter: Callable[[float], float]
    quantity: Callable[[float], float]
    form: str = "{}"


IDENTITY = Transform(float, float)
_ONE_MINUS = Transform(lambda q: 1 - q, lambda x: 1 - x, "1 - {}")
_EXPONENTS = {
    "log10": Transform(math.log10, lambda x: math.pow(10, x), "log10 {}"),
    "ln": Transform(math.log, math.exp, "ln {}"),
    "log2": Transform(math.log2, lambda x: math.pow(2, x), "log2 {}"),
}


@dataclass(frozen=True)
class Fit:
    """A row on a distribution.

    Attributes:
        value: Native value inside the distribution.
        spread: Standard deviation in the unit interval of a numeric distribution; for a
            categorical one the probability of any other choice.
        weights: Probability of each choice; empty for a numeric distribution.
        evidence: Logarithm of how well the range suits the row, from ``MISMATCH`` to 0.
        transform: How the parameter states the quantity.
    """

    value: Any
    spread: float
    weights: tuple[float, ...]
    evidence: float
    transform: Transform = IDENTITY


def fit(row: Row, distribution: BaseDistribution, transform: str = "") -> Fit | None:
    """Return what a row says about a distribution; None where it does not apply.

    A numeric row applies where the range can be one of its kind of quantity and the usual value
    lies inside it, or outside it by no more than the width of the usual range; the value is
    then clipped. A categorical row applies where it knows one of the choices.

    Args:
        row: Row of the table.
        distribution: Distribution of the parameter.
        transform: What the parameter's name says of its transform, see ``names.Reading``.
    """
    if isinstance(distribution, CategoricalDistribution):
        if isinstance(row, Choice):
            return _fit_choices(row, distribution)
        return _fit_numeric_choices(row, distribution, transform)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(row, Number):
        return _fit_number(row, distribution, transform)
    if row.is_boolean and (distribution.low, distribution.high) == (0, 1):
        value = snap(distribution, float(row.weights["true"] >= row.weights["false"]))
        return Fit(value, min(row.weights.values()) / sum(row.weights.values()), (), 0.0)
    return None


# --------------------------------------------------------------------------------------
# Numbers


def _fit_number(row: Number, distribution: NumericDistribution, stated: str) -> Fit | None:
    low, high = float(distribution.low), float(distribution.high)
    middle = math.sqrt(low * high) if distribution.log else (low + high) / 2
    read = _read_range(row, (low, middle, high), stated)
    if read is None:
        return None
    transform, (bottom, _, top), evidence = read
    usual = min(max(row.usual, bottom), top)
    value = snap(distribution, transform.parameter(usual))

    def position(quantity: float) -> float:
        parameter = transform.parameter(quantity)
        return math.log(max(parameter, low)) if distribution.log else parameter

    scaled = row.scale.forward(usual)
    if math.isfinite(scaled) and high > low:
        below = position(row.scale.inverse(scaled - row.spread))
        above = position(row.scale.inverse(scaled + row.spread))
        width = math.log(high / low) if distribution.log else high - low
        spread = min(max(abs(above - below) / 2 / width, _LEAST_SPREAD), 1.0)
    else:
        spread = _LEAST_SPREAD
    return Fit(value, spread, (), evidence, transform)


def _read_range(
    row: Number, parameters: Sequence[float], stated: str
) -> tuple[Transform, list[float], float] | None:
    """Return what the parameter can be of a row's quantity, best explanation first.

    Args:
        row: Row of the table.
        parameters: The lowest, a middle and the highest value of the parameter.
        stated: Transform that the parameter's name states.

    Returns:
        The transform, the quantities in ascending order and the evidence; None where the row
        does not apply.
    """
    best = None
    for transform, handicap in _transforms(row, parameters[0], stated):
        try:
            quantities = sorted(transform.quantity(parameter) for parameter in parameters)
        except OverflowError:
            continue
        if not _applies(row, quantities[0], quantities[-1]):
            continue
        if transform in _EXPONENTS.values() and not quantities[0] <= row.usual <= quantities[-1]:
            continue  # An exponent is a guess, not to be stretched by clipping.
        evidence = max(_evidence(row, quantities) - handicap, MISMATCH)
        if best is None or evidence > best[2]:
            best = transform, quantities, evidence
    return best


def _transforms(row: Number, low: float, stated: str) -> list[tuple[Transform, float]]:
    """Return the ways to state a row's quantity, each with the evidence needed against it."""
    if stated == "one_minus":
        return [(_ONE_MINUS, 0.0)]
    if row.scale not in (Axis.LOG, Axis.COUNT):
        return [(IDENTITY, 0.0)]
    # Counts are given in powers of two, other quantities in powers of ten.
    usual_base = "log2" if row.scale is Axis.COUNT else "log10"
    exponents = [(t, 0.0 if base == usual_base else 0.5) for base, t in _EXPONENTS.items()]
    if stated == "log":
        return [*exponents, (IDENTITY, 1.0)]
    if stated:
        return [(_EXPONENTS[stated], 0.0), (IDENTITY, 1.0)]
    # A positive quantity whose range reaches below zero must be an exponent; a count may begin
    # at -1 for "no limit".
    below_domain = low < (-1 if row.scale is Axis.COUNT else 0)
    return exponents if below_domain else [(IDENTITY, 0.0)]


def _applies(row: Number, low: float, high: float) -> bool:
    if not row.scale.holds(low, high):
        return False
    forward = row.scale.forward
    outside = max(forward(low) - forward(row.usual), forward(row.usual) - forward(high))
    return outside <= row.width


def _evidence(row: Number, quantities: Sequence[float]) -> float:
    """Return how well a range suits a row: normal in the distance from its middle.

    People choose ranges around what they believe in, so half of the half width, and the spread
    of the row, are the deviation to be expected. The middle may be meant on the distribution's
    scale or on the row's; anything between the two is no distance.
    """
    bottom, middle, top = (row.scale.forward(quantity) for quantity in quantities)
    # An end at 0 (or 1, for complements) is infinitely far: three decades stand for it.
    if math.isinf(top):
        top = bottom + 3
    if math.isinf(bottom):
        bottom = top - 3
    usual, other_middle = row.scale.forward(row.usual), (top + bottom) / 2
    distance = max(min(middle, other_middle) - usual, usual - max(middle, other_middle), 0.0)
    return -0.5 * (distance / (row.spread + (top - bottom) / 4)) ** 2


# --------------------------------------------------------------------------------------
# Choices


def _fit_choices(row: Choice, distribution: CategoricalDistribution) -> Fit | None:
    listed = [_listed_weight(row, choice) for choice in distribution.choices]
    known = [weight for weight in listed if weight is not None]
    if not known:
        return None
    least = _UNLISTED * min(known)
    weights = [least if weight is None else weight for weight in listed]
    return _weighted(distribution, weights, math.log(len(known) / len(listed)))


def _listed_weight(row: Choice, choice: Any) -> float | None:
    """Return the weight of a choice: by its own text, else by the longest listed beginning."""
    text = choice_text(choice)
    if row.is_boolean:
        text = _BOOLEANS.get(text, text)
    if text in row.weights:
        return row.weights[text]
    beginnings = [listed for listed in row.weights if len(listed) > 2 and text.startswith(listed)]
    return row.weights[max(beginnings, key=len)] if beginnings else None


def _fit_numeric_choices(
    row: Number, distribution: CategoricalDistribution, stated: str
) -> Fit | None:
    """Weigh numeric choices by their distance from the usual value, and the special ones."""
    texts = [choice_text(choice) for choice in distribution.choices]
    special = {i: row.special[text] for i, text in enumerate(texts) if text in row.special}
    parameters = {
        i: number
        for i, choice in enumerate(distribution.choices)
        if i not in special and (number := choice_number(choice)) is not None
    }
    near: dict[int, float] = {}
    evidence, transform = 0.0, IDENTITY
    if parameters:
        ordered = sorted(parameters.values())
        read = _read_range(row, (ordered[0], ordered[len(ordered) // 2], ordered[-1]), stated)
        if read is not None:
            transform, _, evidence = read
            near = _nearness(row, transform, parameters)
    if not near and not special:
        return None
    total = sum(near.values()) or 1.0
    weights = {i: weight / total for i, weight in near.items()} | special
    least = _UNLISTED * min(weights.values())
    listed = [weights.get(i, least) for i in range(len(texts))]
    return _weighted(distribution, listed, evidence, transform)


def _nearness(row: Number, transform: Transform, parameters: dict[int, float]) -> dict[int, float]:
    """Return the weight of each numeric choice: normal in its distance from the usual value."""
    usual = row.scale.forward(row.usual)
    distances = {
        i: abs(row.scale.forward(transform.quantity(parameter)) - usual) / row.spread
        for i, parameter in parameters.items()
    }
    nearest = min(distances.values())
    return {
        i: max(math.exp(0.5 * (nearest**2 - distance**2)), _LEAST_WEIGHT)
        for i, distance in distances.items()
    }


def _weighted(
    distribution: CategoricalDistribution,
    weights: list[float],
    evidence: float,
    transform: Transform = IDENTITY,
) -> Fit:
    probabilities = np.array(weights) / sum(weights)
    best = int(np.argmax(probabilities))
    return Fit(
        distribution.choices[best],
        float(1 - probabilities[best]),
        tuple(probabilities.tolist()),
        max(evidence, MISMATCH),
        transform,
    )


def choice_text(choice: Any) -> str:
    """Return the text by which a choice is found: ``torch.optim.AdamW`` is ``adamw``.

    Negative numbers keep their sign, for ``-1`` means "no limit" in some libraries.
    """
    if not isinstance(choice, bool) and isinstance(choice, numbers.Real):
        return f"{float(choice):g}"
    text = str(getattr(choice, "__name__", choice))
    if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\(\))?", text):
        text = text.rsplit(".", 1)[-1]
    return key(text)


def choice_number(choice: Any) -> float | None:
    """Return the number that a choice states; of a list such as ``64-64`` the geometric mean."""
    if isinstance(choice, bool):
        return None
    if isinstance(choice, numbers.Real):
        return float(choice)
    if isinstance(choice, str):
        if re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", choice):
            return float(choice)
        if not re.fullmatch(r"[\s(\[]*\d+(\s*[-,x_ ]\s*\d+)*[\s,)\]]*", choice):
            return None
        parts = [float(part) for part in re.findall(r"\d+", choice)]
    elif isinstance(choice, list | tuple):
        read = [choice_number(part) for part in choice]
        parts = [part for part in read if part is not None]
        if len(parts) < len(read):
            return None
    else:
        return None
    if not parts or min(parts) <= 0:
        return None
    return math.exp(sum(math.log(part) for part in parts) / len(parts))
