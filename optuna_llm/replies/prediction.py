"""What a model predicts of configurations, read from a reply in whatever form it came."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from collections.abc import Sequence
import itertools
import math
import re
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from optuna_llm.replies.lenient_json import find_json
from optuna_llm.replies.numbers import read_number
from optuna_llm.replies.reasoning import without_reasoning
from optuna_llm.replies.reply import MAX_REPLY
from optuna_llm.space.words import letters


if TYPE_CHECKING:
    from optuna_llm.chat import Completion


# The half width of an interval that holds four outcomes of five, in standard deviations.
INTERVAL_DEVIATIONS = 1.2816
# Decoded values, and places in the text, that are looked at.
_MAX_STEPS = 1000

# Nothing here is optional and unbounded in front of something that may be missing: a loop of one
# character takes no longer than other text.
_NUMBER = r"[-+−–]?\.?\d[\d.,_]*(?:\s?[eE][-+−]?\d+)?"
_FIRST_NUMBER = re.compile(_NUMBER, re.ASCII)
# A minus or a point before a digit belongs to the number.
_NAMED = (
    r"(?<![A-Za-z0-9_])([A-Z]{1,2})[\"'*`)\]]{0,4}\s{0,4}"
    r"(?:[:=,|)]|->|[.-](?!\d)|\bis\b){1,4}\s{0,4}"
)
_SAID = re.compile(rf"{_NAMED}[~≈\"'*`]{{0,4}}({_NUMBER})", re.ASCII)
_LABEL = re.compile(rf"{_NAMED}[\"'*`]{{0,4}}([01])(?![\d.])", re.ASCII)
_ONLY_LABEL = re.compile(r"(?<![\d.])([01])(?![\d.])", re.ASCII)


class Guess(NamedTuple):
    """What a model says of one score.

    Attributes:
        mean: The score, or the middle of its range.
        spread: The standard deviation that the range stands for; 0 for a single number.
    """

    mean: float
    spread: float = 0.0

    def not_below(self, lowest: float) -> Guess:
        """Return it with the part of its range that lies below a score counted as that score."""
        width = INTERVAL_DEVIATIONS * self.spread
        if self.mean - width >= lowest:
            return self
        return _between(max(self.mean - width, lowest), max(self.mean + width, lowest))


def _between(low: float, high: float) -> Guess:
    # Halves, because the sum of two huge numbers may overflow.
    return Guess(low / 2 + high / 2, abs(high / 2 - low / 2) / INTERVAL_DEVIATIONS)


def parse_scores(text: str, n_questions: int, lowest: float = -math.inf) -> list[Guess | None]:
    """Find the predicted score of each question in a reply, whatever form it has.

    Ranges stand in an object. Single numbers may stand in an object or a list, in lines such as
    ``A: 812``, or, if there was one question, anywhere: LLAMBO's ``## 0.812 ##``, with or without
    its marks.

    Args:
        text: The reply; of a very long one the first 200,000 characters.
        n_questions: The number of questions.
        lowest: The score as which what is lower counts.

    Returns:
        Finite numbers for each question, None where there are none. Never raises.
    """
    names = letters(n_questions)
    text = without_reasoning(text[:MAX_REPLY])
    found: dict[str, Guess] = {}
    plain: list[float] = []
    for container in itertools.islice(_containers(text), _MAX_STEPS):
        _collect(container, names, found, plain)
    if not found:
        for match in itertools.islice(_SAID.finditer(text), _MAX_STEPS):
            number = _number(match[2].rstrip(".,_"))
            if match[1] in names and number is not None:
                found.setdefault(match[1], Guess(number))
    if not found:
        if len(plain) != n_questions:
            matches = itertools.islice(_FIRST_NUMBER.finditer(text), n_questions + 1)
            numbers = [_number(match[0].rstrip(".,_")) for match in matches]
            plain = [number for number in numbers if number is not None]
        if len(plain) == n_questions or n_questions == 1:
            found = dict(zip(names, map(Guess, plain), strict=False))
    return [found[name].not_below(lowest) if name in found else None for name in names]


def _containers(text: str) -> Iterator[dict[str, Any] | list[Any]]:
    """Yield the objects and lists of a text, each before what is within it."""
    for item in find_json(text):
        left = [item.value]
        while left:
            value = left.pop()
            yield value
            inner = value.values() if isinstance(value, dict) else value
            left += [v for v in inner if isinstance(v, dict | list)][::-1]


def _collect(
    value: dict[str, Any] | list[Any],
    names: Sequence[str],
    found: dict[str, Guess],
    plain: list[float],
) -> None:
    """Take the numbers of an object, under the questions' names, or of a plain list."""
    if isinstance(value, list):
        numbers = [_number(item) for item in value[: len(names) + 1]]
        plain += [n for n in numbers if n is not None] if None not in numbers else []
        return
    items = list(itertools.islice(value.items(), _MAX_STEPS))
    said = [v.strip() for _, v in items if isinstance(v, str) and v.strip() in names]
    numbers = [_number(v) for _, v in items]
    known = [n for n in numbers if n is not None]
    if len(said) == 1 and len(known) == 1:  # {"id": "A", "score": 812}
        found.setdefault(said[0], Guess(known[0]))
    for (key, told), number in zip(items, numbers, strict=True):
        guess = _range(told) if number is None else Guess(number)
        if key.strip() in names and guess is not None:
            found.setdefault(key.strip(), guess)
        elif number is not None and len(names) == 1:
            plain.append(number)


def _range(raw: Any) -> Guess | None:
    """Read the range ``[low, high]``, in any order."""
    ends = [_number(v) for v in raw] if isinstance(raw, list) and len(raw) == 2 else []
    known = [n for n in ends if n is not None]
    return _between(*known) if len(known) == 2 else None


def _number(raw: Any) -> float | None:
    return read_number(raw) if isinstance(raw, int | float | str) else None


def parse_labels(completion: Completion, n_questions: int) -> list[float | None]:
    """Return the probability that the model gives to label 1, for each question.

    From the log-probabilities of the token that holds the label, where the server tells them:
    the share of 1 in what it gives to 1 and 0. If one of them is not among the alternatives that
    are told, it has at most what all of those leave over. Without log-probabilities the label
    itself counts, as 0 or 1.

    Returns:
        A number in [0, 1] for each question, None where it has no label. Never raises.
    """
    names = letters(n_questions)
    tokens = completion.tokens
    text = "".join(token.text for token in tokens) if tokens else completion.text
    text = without_reasoning(text[:MAX_REPLY])
    starts, position = [], 0
    for token in tokens:
        starts.append(position)
        position += len(token.text)
    found: dict[str, float] = {}
    labels = itertools.islice(_LABEL.finditer(text), _MAX_STEPS)
    matches = [(m[1], m.start(2), m[2]) for m in labels]
    if not matches and n_questions == 1:
        matches = [(names[0], m.start(1), m[1]) for m in _ONLY_LABEL.finditer(text)][:1]
    for name, where, label in matches:
        if name not in names or name in found:
            continue
        probability = None
        if tokens:
            token = tokens[bisect.bisect_right(starts, where) - 1]
            probability = _probability(token.alternatives)
        found[name] = float(label) if probability is None else probability
    return [found.get(name) for name in names]


def _probability(alternatives: Sequence[tuple[str, float]]) -> float | None:
    """Return the share of label 1 in the probability of both labels; None if neither is told."""
    told = [(text, math.exp(min(value, 0.0))) for text, value in alternatives if value == value]
    mass = {
        label: sum(p for text, p in told if text.strip(" \t\n:\"'*") == label)
        for label in ("0", "1")
    }
    if not any(mass.values()):
        return None
    left = max(0.0, 1.0 - sum(p for _, p in told))
    zero, one = (mass[label] or left for label in ("0", "1"))
    return one / (zero + one)
