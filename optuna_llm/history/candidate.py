"""A configuration that a language model has proposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.history.announcement import decode_params
from optuna_llm.history.announcement import encode_params
from optuna_llm.history.attributes import shorten
from optuna_llm.history.origin import Origin
from optuna_llm.history.origin import Source


if TYPE_CHECKING:
    from optuna_llm.space.search_space import SearchSpace


@dataclass(frozen=True)
class Candidate:
    """One configuration that a model has proposed.

    Attributes:
        params: The legal native values that it holds.
        reason: The model's reason, as it gave it.
        repaired, dropped: Number of values that were snapped or clipped, and that were unusable.
        violations: What was wrong with it, a line each.
        role: What it is to do, such as ``refine``; empty where the model did not say.
        expected: The result that the model expects, in the user's own sign; None where it did
            not say.
    """

    params: dict[str, Any]
    reason: str
    repaired: int = 0
    dropped: int = 0
    violations: tuple[str, ...] = ()
    role: str = ""
    expected: float | None = None

    def origin(self, source: Source, whole: Mapping[str, Any]) -> Origin:
        """Return the origin of the trial that runs it, completed to a whole configuration."""
        return Origin(
            source,
            shorten(self.reason) or "The model gave no reason.",
            role=self.role,
            repaired=self.repaired,
            completed=sum(name not in self.params for name in whole),
            dropped=self.dropped,
        )

    def legal(self, space: SearchSpace) -> Candidate:
        """Return it as far as a space, whose ranges may have changed, allows it."""
        return replace(self, params=space.legal(self.params))

    def completed(self, space: SearchSpace, filler: Mapping[str, Any]) -> dict[str, Any]:
        """Return a whole configuration; optional parameters that it declines stay out."""
        own = self.params
        wanted = [n for n in space.names if n in own or n not in space.optional]
        return {n: own.get(n, filler.get(n)) for n in wanted if n in own or n in filler}

    def to_dict(self, space: SearchSpace) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "params": encode_params(space.distributions, self.params),
            "reason": shorten(self.reason),
            "repaired": self.repaired,
            "dropped": self.dropped,
            **({"role": self.role} if self.role else {}),
            **({} if self.expected is None else {"expected": self.expected}),
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, entry: Mapping[str, Any]) -> Candidate:
        """Return a candidate that :meth:`to_dict` described, as far as a space allows it."""
        params = space.legal(decode_params(space.distributions, entry["params"]))
        return cls(
            params,
            entry["reason"],
            entry["repaired"],
            entry["dropped"],
            role=entry.get("role", ""),
            expected=entry.get("expected"),
        )
