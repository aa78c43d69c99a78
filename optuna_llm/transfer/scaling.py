"""From a small model to a large one: values are moved by the rules of the embedded prior.

What is not given of either model does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import math
from typing import Any

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import ParameterPrior
from optuna_llm.prior import Scale
from optuna_llm.prior.fitting import IDENTITY
from optuna_llm.prior.fitting import Transform
from optuna_llm.prior.sizes import Move
from optuna_llm.prior.sizes import family_of
from optuna_llm.prior.sizes import moves
from optuna_llm.sharing.checks import shown
from optuna_llm.space.numbers import format_number
from optuna_llm.transfer.matching import Match
from optuna_llm.transfer.matching import Pair


def checked_scale(scale: Any) -> tuple[Scale, Scale]:
    """Return the sizes of a small and of a large problem.

    Args:
        scale: Both, each a :class:`~optuna_llm.Scale` or a mapping of its sizes.

    Raises:
        ConfigurationError: It is something else; the message says what.
    """
    if not isinstance(scale, tuple | list) or len(scale) != 2:
        raise ConfigurationError(
            f"{shown('scale', scale)} must be the sizes of a small and a large model, such as"
            ' ({"width": 128}, {"width": 1024}).'
        )
    small, large = map(Scale.of, scale)
    if small.sizes.keys() != large.sizes.keys():
        raise ConfigurationError(
            f"{shown('scale', scale)} must say the same of both models: one has"
            f" {', '.join(small.sizes)}, the other {', '.join(large.sizes)}."
        )
    return small, large


def scaled(match: Match, scale: tuple[Scale, Scale]) -> tuple[Match, list[Move]]:
    """Move what rules are about, in the units of the new space.

    Args:
        match: A source held against the new space.
        scale: The sizes of the source's problem, and of the new one.

    Returns:
        The match that also moves values, and the rules that do.
    """
    pairs, used = [], list[Move]()
    for pair in match.pairs:
        meaning = match.meanings.get(pair.target)
        own = [] if meaning is None else _moves(meaning, scale)
        factor = math.prod(move.factor for move in own)
        if meaning is not None and factor != 1:
            used += own
            text = f"{pair.form + ', ' if pair.form else ''}x {format_number(factor)}"
            convert = _times(pair, meaning.transform, factor)
            pair = replace(pair, convert=convert, form=text)
        pairs.append(pair)
    return replace(match, pairs=tuple(pairs)), used


def _moves(meaning: ParameterPrior, scale: tuple[Scale, Scale]) -> list[Move]:
    small, large = scale
    known = moves(family_of(meaning.family, large), large, small)
    return [move for move in known if move.quantity == meaning.row.name]


def _times(pair: Pair, transform: Transform, factor: float) -> Callable[[float], float]:
    before = pair.convert or IDENTITY.quantity
    return lambda value: transform.parameter(transform.quantity(before(value)) * factor)
