"""Who proposed a trial, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import get_args

from optuna_llm.history.attributes import RATIONALE_KEY
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.attributes import Part
from optuna_llm.history.attributes import read_head
from optuna_llm.history.attributes import shorten


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


Source = Literal["prior", "llm", "base", "fallback", "enqueued", "agent"]
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True)
class Origin(Part):
    """Where a trial comes from.

    Attributes:
        source: ``prior``: the embedded knowledge or a known good configuration; ``llm``: the
            language model; ``base``: the statistical sampler, on its own turn; ``fallback``: it or
            the embedded prior, because the model could not be asked; ``enqueued``: the user;
            ``agent``: somebody who watches the study, see :class:`optuna_llm.AgentSampler`.
        rationale: The proposer's reason, one or two sentences.
        vetoed: Whose turn it was, where the surrogate found the proposals not worth a trial.
        design: For the k-th of the known good configurations that a study starts with, k; else 0.
        role: What the model meant its candidate to do, such as ``refine``; see
            :mod:`optuna_llm.prompts.roles`.
        overruled: Whether the surrogate had turned it down, and it was run all the same.
        repaired, completed, dropped: Values of a model's candidate that were snapped or clipped,
            filled in by the base sampler, and unusable.
    """

    source: Source
    rationale: str = ""
    vetoed: Source | None = None
    design: int = 0
    role: str = ""
    overruled: bool = False
    repaired: int = 0
    completed: int = 0
    dropped: int = 0

    def entry(self) -> dict[str, Any]:
        """Return the fields without the rationale, which is an attribute for people."""
        return {k: v for k, v in super().entry().items() if k != "rationale"}

    @classmethod
    def find(cls, trial: FrozenTrial) -> Origin | None:
        """Return the origin of a trial; None where none of our hybrid samplers proposed it."""
        head = read_head(trial)
        if head.get("source") not in SOURCES:
            return None
        return cls.of({**head, "rationale": str(trial.user_attrs.get(RATIONALE_KEY, ""))})

    def label(self, study: Study, trial: FrozenTrial) -> None:
        """Write the two attributes of a running trial that are for people."""
        storage, trial_id = study._storage, trial._trial_id
        storage.set_trial_user_attr(trial_id, SOURCE_KEY, self.source)
        storage.set_trial_user_attr(trial_id, RATIONALE_KEY, shorten(self.rationale))
