"""What is known of the versions of a function beside their source: how they came about.

Every trial that runs a version says in its system attribute ``llm:code:<name>`` what the version
needs, so that it can be run again from this trial alone; the trial of its birth says the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.history.versions import stored_choice


if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial


CODE_KEY = "llm:code:"


@dataclass(frozen=True)
class Birth:
    """What a trial says of the version that it runs.

    Attributes:
        imports: Modules that it may use.
        behaviour: A digest of what it returns on the examples, in the trial of its birth.
        parent: The number of the version that it comes from, in the trial of its birth.
    """

    imports: tuple[str, ...] = ()
    behaviour: str | None = None
    parent: int | None = None

    def write(self, trial: Trial, name: str) -> None:
        """Write it into a running trial."""
        value: dict[str, Any] = {"trial": trial.number, "imports": list(self.imports)}
        value |= {"behaviour": self.behaviour, "parent": self.parent}
        trial.study._storage.set_trial_system_attr(trial._trial_id, CODE_KEY + name, value)

    @classmethod
    def read(cls, trial: FrozenTrial, name: str) -> Birth | None:
        """Return what a trial says; None where it says nothing."""
        raw = trial.system_attrs.get(CODE_KEY + name)
        if not isinstance(raw, dict) or raw.get("trial") != trial.number:
            return None
        return cls(tuple(raw["imports"]), raw["behaviour"], raw["parent"])


def births_of(trials: Sequence[FrozenTrial], name: str) -> dict[int, Birth]:
    """Return what is known of the births of a function's versions, by their numbers."""
    found = {}
    for trial in trials:
        is_birth = trial.params.get(name) == trial.number and stored_choice(trial, name)
        born = Birth.read(trial, name) if is_birth else None
        if born is not None:
            found[trial.number] = born
    return found
