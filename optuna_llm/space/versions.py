"""Choices that may grow: the versions of an open parameter, told apart by their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import CategoricalDistribution


# Stands for any choice that no trial has run yet.
NEW = -1
_MAX_LABEL = 64


class VersionDistribution(CategoricalDistribution):
    """What samplers see of an open parameter: one choice for each version, by its number.

    Optuna stores the parameter as an integer with a single legal value in each trial; as numbers
    have an order and versions have none, samplers are shown this instead.

    Attributes:
        numbers: Of the versions.
        labels: A short text for each choice, unique among them.
    """

    def __init__(self, texts: Mapping[int, Any], *, has_new: bool = False) -> None:
        """Take the versions that may be run.

        Args:
            texts: What each version is, by its number.
            has_new: Whether there is a choice beside them that has no number yet.
        """
        super().__init__((*texts, NEW) if has_new else tuple(texts))
        self.numbers = tuple(texts)
        self.labels = tuple(_label(number, texts) for number in texts)
        if has_new:
            self.labels += ("a new one",)


def _label(number: int, texts: Mapping[int, Any]) -> str:
    text = str(texts[number])
    is_short = len(text) <= _MAX_LABEL and text.isprintable() and text.strip() == text != ""
    taken = sum(str(other).casefold() == text.casefold() for other in texts.values())
    return text if is_short and taken == 1 else f"version {number}"
