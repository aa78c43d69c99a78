"""What a statistical surrogate expected of a trial when it was proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import math
from typing import Literal

from optuna_llm.history.attributes import Part


# Where a statistical sampler looked for a trial: near the best one, or everywhere.
Reach = Literal["", "local", "global"]

# Significant digits of the distance between the quartiles, or nearly so; more are noise.
_DIGITS = 4


@dataclass(frozen=True)
class Expected(Part):
    """The predictive distribution of a trial's loss, before any correction.

    Attributes:
        expected: Quantiles of the signed objective at the deviations of
            :data:`optuna_llm.surrogate.online.DEVIATIONS`; empty where nothing was predicted.
        reach: Where the sampler looked; empty where no surrogate has proposed the trial.
    """

    expected: list[float] = field(default_factory=list)
    reach: Reach = ""

    @classmethod
    def rounded(cls, quantiles: Sequence[float]) -> Expected:
        """Return quantiles in as many digits as are told apart from the spread in the middle."""
        middle = len(quantiles) // 2
        spread = quantiles[middle + 1] - quantiles[middle - 1]
        if not (math.isfinite(spread) and spread > 0):
            return cls([float(q) for q in quantiles])
        places = min(_DIGITS - math.floor(math.log10(spread)), 300)
        return cls([round(float(q), places) for q in quantiles])

    @property
    def interval(self) -> tuple[float, float, float] | None:
        """The lower quartile or nearly so, the median and the upper one; None without any."""
        middle = len(self.expected) // 2
        if not self.expected:
            return None
        return self.expected[middle - 1], self.expected[middle], self.expected[middle + 1]
