"""A turn: all that is known when one trial is sampled. A proposal: what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import functools
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.expectations.outlook import Outlook
from optuna_llm.history.cost import Cost
from optuna_llm.history.expected import Expected
from optuna_llm.history.history import History
from optuna_llm.history.origin import Origin
from optuna_llm.history.predictions import Predictions
from optuna_llm.history.queue import Queue
from optuna_llm.history.statement import Statement
from optuna_llm.history.suggestions import Settled
from optuna_llm.sharing.base_point import Traces
from optuna_llm.sharing.streams import RandomStreams
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from optuna_llm.history.candidate import Candidate
    from optuna_llm.space.tried import Tried


@dataclass(frozen=True)
class Turn:
    """All that is known when one trial is sampled.

    Attributes:
        study: The study, or Hyperband's view of it.
        trial: The trial.
        history: The other trials.
        space: The parameters known so far.
        streams: Random numbers of all trials; :meth:`rng` has those of this one.
        position: How many trials this family of samplers has started before.
    """

    study: Study
    trial: FrozenTrial
    history: History
    space: SearchSpace
    streams: RandomStreams
    position: int

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the random numbers of this trial for one purpose, always from the first."""
        return self.streams(self.trial.number, f"turn: {purpose}")

    @functools.cached_property
    def tried(self) -> Tried:
        """What finished and running trials have tried."""
        return self.history.tried(self.space)

    @functools.cached_property
    def outlook(self) -> Outlook:
        """The statistical surrogate of the study."""
        return Outlook(self.space, self.history, int(self.rng("outlook").integers(2**31)))


@dataclass(frozen=True)
class Proposal:
    """A configuration, and what is recorded of it.

    Attributes:
        params: Native values; those that are missing are sampled independently.
        origin: Who proposes it, and why.
        cost: What was spent on it.
        queue: What was proposed together with it, for later turns.
        statement: What the model said beside its candidates, if it was asked for this trial.
        predictions: What the model has predicted of it.
        settled: Which suggestions of an agent it has run or vetoed.
        expected: What the statistical surrogate expects of it.
        candidates: Whole configurations of the language model that it was chosen from, or that
            were vetoed.
        attributes: What the base sampler writes of it, where it is the base sampler's.
    """

    params: dict[str, Any]
    origin: Origin
    cost: Cost = field(default_factory=Cost)
    queue: Queue = field(default_factory=Queue)
    statement: Statement = field(default_factory=Statement)
    predictions: Predictions = field(default_factory=Predictions)
    settled: Settled = field(default_factory=Settled)
    expected: Expected = field(default_factory=Expected)
    candidates: tuple[Candidate, ...] = ()
    attributes: Traces = field(default_factory=Traces)

    def expecting(self, outlook: Outlook) -> Proposal:
        """Return it with what the statistical surrogate expects of it."""
        if self.expected != Expected():
            return self
        return replace(self, expected=outlook.expected(self.params))


@dataclass(frozen=True)
class Option:
    """One configuration to choose among.

    Attributes:
        params: The whole configuration.
        candidate: The model's (or the prior's) candidate that it completes; None for the base
            sampler's point.
        attributes: What the base sampler writes of its point.
    """

    params: dict[str, Any]
    candidate: Candidate | None = None
    attributes: Traces = field(default_factory=Traces)

    def proposal(self, origin: Origin, cost: Cost, asked: Queue) -> Proposal:
        """Return it as what is run."""
        return Proposal(self.params, origin, cost, asked, attributes=self.attributes)
