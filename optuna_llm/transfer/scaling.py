"""From a small model to a large one: how learning rate, batch size and weight decay move.

Each rule is a factor on a quantity; what is not given of either model does not count. The rules of
language models (of their weights and tokens) stand in for those of width and depth where they are
given.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
import math
from typing import Any

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.fitting import IDENTITY
from optuna_llm.prior.fitting import Transform
from optuna_llm.sharing.checks import shown
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import is_number
from optuna_llm.transfer.matching import Match
from optuna_llm.transfer.matching import Pair


SIZES = ("width", "depth", "weights", "tokens", "batch", "steps")
_MUP = "muTransfer, Yang et al. 2022, arXiv 2203.03466"
_DEPTH = "depth-muP, Yang et al. 2023, arXiv 2310.02244"
_STEP_LAW = "Step Law, Li et al. 2025, arXiv 2503.04715"
_NOISE_SCALE = "Malladi et al. 2022, arXiv 2205.10287"
_TIMESCALE = "Wang and Aitchison 2024, arXiv 2405.13698"
_POWER_LINES = "Power Lines, Bergsma et al. 2025, arXiv 2505.13738"
_RATE, _BATCH, _DECAY = "learning_rate", "batch_size", "weight_decay"


@dataclass(frozen=True)
class Move:
    """What a rule does to a quantity.

    Attributes:
        quantity: Canonical name, such as ``learning_rate``.
        factor: What it is multiplied by.
        why: The rule in words, and its source.
    """

    quantity: str
    factor: float
    why: str

    def __str__(self) -> str:
        return f"{self.quantity} x {format_number(self.factor)}: {self.why}"


def moves(scale: Any) -> list[Move]:
    """Return what the rules say of two sizes of a model, trained by Adam or AdamW.

    Args:
        scale: The small and the large model, each a mapping of some of ``width``, ``depth``,
            ``weights`` (without embeddings), ``tokens`` (or examples, over the whole training),
            ``batch`` (in the same unit) and ``steps`` to a positive number.

    Raises:
        ConfigurationError: It is something else; the message says what.
    """
    small, large = _checked(scale)
    ratios = {name: large[name] / small[name] for name in SIZES if name in small}
    width, depth, weights, tokens = (ratios.get(name) for name in SIZES[:4])
    found = []
    if weights is not None and tokens is not None:
        law = "lr ~ weights^-0.712 tokens^0.307, batch ~ tokens^0.571"
        rate = weights**-0.712 * tokens**0.307
        found.append(Move(_RATE, rate, f"{law} ({_STEP_LAW})"))
        if "batch" not in ratios:
            found.append(Move(_BATCH, tokens**0.571, f"{law} ({_STEP_LAW})"))
    else:
        if width is not None:
            found.append(Move(_RATE, 1 / width, f"lr ~ 1/width ({_MUP})"))
        if depth is not None:
            found.append(Move(_RATE, depth**-0.5, f"lr ~ depth^-0.5 ({_DEPTH})"))
        if "batch" in ratios:
            root = math.sqrt(ratios["batch"])
            found.append(Move(_RATE, root, f"lr ~ batch^0.5 for Adam ({_NOISE_SCALE})"))
    if "batch" in ratios:
        found.append(Move(_BATCH, ratios["batch"], "as you say"))
    rate, batch = (math.prod(m.factor for m in found if m.quantity == q) for q in (_RATE, _BATCH))
    if weights is not None and tokens is not None:
        decay = batch / (rate * tokens) * (tokens / weights) ** 0.527
        why = "decay ~ batch / (lr tokens timescale), timescale ~ (tokens/weights)^-0.527"
        found.append(Move(_DECAY, decay, f"{why} ({_POWER_LINES})"))
    elif "steps" in ratios or tokens is not None:
        steps = ratios["steps"] if "steps" in ratios else (tokens or 1.0) / batch
        why = f"lr x decay x steps stays ({_TIMESCALE})"
        found.append(Move(_DECAY, 1 / (rate * steps), why))
    return [m for m in found if m.factor != 1]


def _checked(scale: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
    is_pair = isinstance(scale, tuple | list) and len(scale) == 2
    if not is_pair or not all(isinstance(size, Mapping) for size in scale):
        raise ConfigurationError(
            f"{shown('scale', scale)} must be the sizes of a small and a large model, such as"
            ' ({"width": 128}, {"width": 1024}).'
        )
    small, large = scale
    if small.keys() != large.keys() or not small or not small.keys() <= set(SIZES):
        raise ConfigurationError(
            f"{shown('scale', scale)} must say the same of both models, some of"
            f" {', '.join(SIZES)}."
        )
    for name, value in (*small.items(), *large.items()):
        if not is_number(value) or not 0 < value < math.inf:
            raise ConfigurationError(f"scale: {name}={value!r} must be a positive number.")
    return small, large


def scaled(match: Match, rules: list[Move]) -> Match:
    """Return a match that also moves what the rules are about, in the units of the new space."""
    factors: dict[str, float] = {}
    for rule in rules:
        factors[rule.quantity] = factors.get(rule.quantity, 1.0) * rule.factor
    pairs = []
    for pair in match.pairs:
        meaning = match.meanings.get(pair.target)
        factor = 1.0 if meaning is None else factors.get(meaning.name, 1.0)
        if meaning is not None and factor != 1:
            text = f"{pair.form + ', ' if pair.form else ''}x {format_number(factor)}"
            convert = _times(pair, meaning.transform, factor)
            pair = replace(pair, convert=convert, form=text)
        pairs.append(pair)
    return replace(match, pairs=tuple(pairs))


def _times(pair: Pair, transform: Transform, factor: float) -> Callable[[float], float]:
    before = pair.convert or IDENTITY.quantity
    return lambda value: transform.parameter(transform.quantity(before(value)) * factor)
