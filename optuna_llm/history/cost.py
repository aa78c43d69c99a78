"""What the requests for a trial have cost, and why they brought nothing."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

from optuna_llm.errors import BudgetExceededError
from optuna_llm.history.attributes import Part
from optuna_llm.history.attributes import read_head


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Cost(Part):
    """What a trial's requests to a language model used.

    Attributes:
        model: Name of the model that was asked, also where it failed.
        error: Why the model could not be used; ``paused`` and ``budget`` cost no request.
        requests: Requests sent for this trial, repair turns included.
        prompt_tokens, completion_tokens: What they used.
        cost: In the currency of the prices; None where these are not known.
        seconds: Time spent waiting for replies.
    """

    model: str | None = None
    error: str | None = None
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0

    @classmethod
    def read(cls, trial: FrozenTrial) -> Cost:
        """Return what was recorded of a trial; nothing where nothing was."""
        return cls.of(read_head(trial))

    def with_error(self, error: Exception) -> Cost:
        """Return the same costs of what brought nothing, because of an error."""
        is_budget = isinstance(error, BudgetExceededError)
        return replace(self, error="budget" if is_budget else type(error).__name__)

    @property
    def request_failed(self) -> bool:
        """Whether a request was sent for the trial and brought nothing."""
        return self.error is not None and self.requests > 0
