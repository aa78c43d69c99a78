"""What is told of a trial to people who look at it, whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from optuna_llm.history.candidate import Candidate
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.origin import Origin


@dataclass(frozen=True)
class Note:
    """Who proposed a configuration, why, and what else there was to choose from.

    Attributes:
        origin: Who proposed the trial, and why.
        cost: What the model's requests for it have cost.
        history: The other trials.
        params: The configuration.
        candidates: What was weighed, the chosen one included.
    """

    origin: Origin
    cost: Cost
    history: History
    params: Mapping[str, Any]
    candidates: Sequence[Candidate] = ()


# Saves a note with a running trial.
SaveNote = Callable[[Study, FrozenTrial, Note], None]
