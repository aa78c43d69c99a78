"""What a study may spend on its model, and what it has spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optuna_llm.chat.model import ChatModel
from optuna_llm.chat.numbers import real
from optuna_llm.chat.numbers import whole
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import prices_of
from optuna_llm.errors import ConfigurationError


@dataclass(frozen=True)
class Budget:
    """The most that a study may spend on its model, over all workers and resumptions.

    Attributes:
        max_requests: Answers asked for, failed ones included. The retries of one answer are one
            request.
        max_tokens: Prompt and completion tokens together.
        max_cost: Money, in the currency of the prices.
        max_seconds: Time spent waiting for the model, summed over the workers.
    """

    max_requests: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_requests", "max_tokens"):
            self._check_limit(name, whole, "an integer")
        for name in ("max_cost", "max_seconds"):
            self._check_limit(name, real, "a number")

    def _check_limit(self, name: str, read: Callable[[object], float], words: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        if not read(value) >= 0:
            raise ConfigurationError(
                f"{name}={value!r:.80} must be {words} of at least 0, or None for no limit"
            )
        object.__setattr__(self, name, read(value))

    def prices(self, model: ChatModel | None) -> Prices | None:
        """Return the prices of a model: those at hand, or, for a limit on cost, LiteLLM's.

        Raises:
            ConfigurationError: There is a limit on cost and no price is known.
        """
        if self.max_cost is None:
            return getattr(model, "prices", None)
        prices = None if model is None else prices_of(model)
        if prices is None:
            name = "the model" if model is None else repr(model.name)
            raise ConfigurationError(
                f"max_cost={self.max_cost} needs the price of {name}, which is not known; "
                "give prices=(input, output) for a million tokens each, or limit max_tokens"
            )
        return prices


@dataclass(frozen=True)
class Spending:
    """What was spent so far; a request under way counts with what was reserved for it.

    Attributes:
        requests: Answers asked for.
        failed_requests: Those of them that failed.
        prompt_tokens: Tokens read by the model.
        completion_tokens: Tokens written by the model.
        cost: Money, or None if the price of some tokens is not known.
        seconds: Time spent waiting for the model, summed over the workers.
        unanswered: Tries that ended without an answer, such as by a timeout. A provider bills what
            the model wrote until then; what was reserved for them counts as spent.
    """

    requests: int = 0
    failed_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0
    seconds: float = 0.0
    unanswered: int = 0

    def __add__(self, other: Spending) -> Spending:
        known = self.cost is not None and other.cost is not None
        return Spending(
            requests=self.requests + other.requests,
            failed_requests=self.failed_requests + other.failed_requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost=(self.cost or 0.0) + (other.cost or 0.0) if known else None,
            seconds=self.seconds + other.seconds,
            unanswered=self.unanswered + other.unanswered,
        )

    def __str__(self) -> str:
        failed = f" ({self.failed_requests} failed)" if self.failed_requests else ""
        if self.unanswered:
            failed += f" with {self.unanswered} unanswered tries, counted as reserved"
        cost = "cost unknown" if self.cost is None else f"cost {self.cost:.4f}"
        return (
            f"{self.requests} requests{failed}, {self.prompt_tokens:,} prompt + "
            f"{self.completion_tokens:,} completion tokens, {cost}, {self.seconds:.1f} s"
        )
