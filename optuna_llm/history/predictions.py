"""What a language model predicted of a trial and of others: LLAMBO's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from optuna_llm.history.attributes import Part


@dataclass(frozen=True)
class Predictions(Part):
    """How a model's predictions led to the choice of a trial.

    Attributes:
        scale: The scale of the scores, see :meth:`optuna_llm.history.scores.ScoreScale.to_dict`;
            empty where no model was asked to predict.
        held_out: Of the finished trials that were asked about as if they were unknown, lists
            ``numbers``, ``model`` (what it predicted), ``spread`` and ``statistical`` (what the
            statistical surrogate predicted) of one length.
        weight: How much the model counted against the statistical surrogate, from 0 to 1.
        model: Mean and standard deviation of what it predicted of the trial; None if nothing.
        interval, raw_interval: The 80 % interval of the score, recalibrated and not.
    """

    scale: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, list[float]] = field(default_factory=dict)
    weight: float = 0.0
    model: list[float] | None = None
    interval: list[float] | None = None
    raw_interval: list[float] | None = None

    def entry(self) -> dict[str, Any]:
        """Return one field, ``surrogate``, or nothing where no model was asked."""
        return {"surrogate": super().entry()} if self.scale else {}

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Predictions:
        """Return what :meth:`entry` has described."""
        return super().of(entry.get("surrogate", {}))
