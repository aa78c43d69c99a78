"""Candidates of a reply that wait for later turns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.history.attributes import Part
from optuna_llm.history.candidate import Candidate


if TYPE_CHECKING:
    from optuna_llm.space.search_space import SearchSpace


@dataclass(frozen=True)
class Queue(Part):
    """What a trial's reply held beside the candidate that was run.

    Attributes:
        candidates: Objects as :meth:`~optuna_llm.history.candidate.Candidate.to_dict` returns.
        asked: Number of candidates that the reply held.
    """

    candidates: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    @classmethod
    def holding(cls, space: SearchSpace, candidates: Iterable[Candidate], asked: int) -> Queue:
        """Return the queue of candidates of a space."""
        return cls([c.to_dict(space) for c in candidates], asked)

    def waiting(self, space: SearchSpace) -> list[Candidate]:
        """Return the candidates as a space, which may have changed since, knows them."""
        return [Candidate.from_dict(space, entry) for entry in self.candidates]
