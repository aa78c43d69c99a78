"""The choices of one categorical distribution, and the labels that tell them apart as text.

A label is unique even where Optuna's own look-up confuses ``True``, ``1`` and ``"1"``.
"""

from __future__ import annotations

import math
from typing import Any

from optuna.distributions import CategoricalDistribution

from optuna_llm.space.numbers import is_number
from optuna_llm.space.versions import VersionDistribution


_MAX_TEXT = 64


def labels(distribution: CategoricalDistribution) -> tuple[str, ...]:
    """Return one unique, short text for each choice, in the order of the choices."""
    if isinstance(distribution, VersionDistribution):
        return distribution.labels
    for show in (str, repr):
        texts = tuple(" ".join(show(c).split())[:_MAX_TEXT] for c in distribution.choices)
        if len({t.casefold() for t in texts}) == len(texts):
            return texts
    return tuple(f"{text}#{i}" for i, text in enumerate(texts))


def choice_index(distribution: CategoricalDistribution, value: Any) -> int | None:
    """Return the index of a native choice, by identity of type and value.

    Optuna's own look-up takes ``True`` for ``1``. Values read back from a storage, or of NumPy,
    are equal to their choice, though not always of its type; for them the first equal choice of
    their kind (a number or not) counts, then any.
    """
    choices = list(enumerate(distribution.choices))
    for index, choice in choices:
        if type(choice) is type(value) and (choice == value or choice is value):
            return index
    equal = [i for i, c in choices if c == value or (c != c and value != value)]
    of_kind = [i for i in equal if is_number(distribution.choices[i]) == is_number(value)]
    return next(iter(of_kind or equal), None)


def numeric_ranks(distribution: CategoricalDistribution) -> tuple[int, ...] | None:
    """Return each choice's place by increasing value, from 0; None where they have no order.

    They have one where they are two or more different finite numbers, not those of versions.
    """
    if isinstance(distribution, VersionDistribution):
        return None
    numbers = [c for c in distribution.choices if is_number(c) and math.isfinite(c)]
    if len(numbers) < len(distribution.choices) or not 1 < len(set(numbers)) == len(numbers):
        return None
    ordered = sorted(numbers)
    return tuple(ordered.index(c) for c in numbers)
