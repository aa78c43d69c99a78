"""What is known of the versions of a function beside their source: how they came about.

Every trial that runs a version says in its system attribute ``llm:code:<name>`` what the version
needs, so that it can be run again from this trial alone; the trial of its birth says the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

from optuna_llm.history.attributes import shorten
from optuna_llm.history.versions import open_names


if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial


CODE_KEY = "llm:code:"


@dataclass(frozen=True)
class Birth:
    """What a trial says of the version that it runs.

    Attributes:
        imports: Modules that the version may use.
        behaviour: A digest of what it returns on the examples, in the trial of its birth.
        parent: The number of the version that it comes from, in the trial of its birth.
        by: Who has written it, in the trial of its birth: ``user`` or ``llm``. Also where a model
            was asked for a version and none of its was run.
        model: The model's name.
        reason: What the model has said of it.
        error: Why nothing of the model's could be run.
        is_away: Whether the model has not answered.
    """

    imports: tuple[str, ...] = ()
    behaviour: str | None = None
    parent: int | None = None
    by: str = ""
    model: str = ""
    reason: str = ""
    error: str = ""
    is_away: bool = False

    def refused(self, error: str, *, is_away: bool = False) -> Birth:
        """Return it with the reason why nothing is born."""
        return replace(self, error=shorten(error), is_away=is_away)

    def for_reason(self, reason: str) -> Birth:
        """Return it with what the model has said, born after all."""
        return replace(self, reason=shorten(reason), error="", is_away=False)

    def write(self, trial: Trial, name: str) -> None:
        """Write it into a running trial."""
        plain = asdict(Birth())
        kept = {n: v for n, v in asdict(self).items() if v != plain[n]}
        value = {"trial": trial.number, **kept, "imports": list(self.imports)}
        trial.study._storage.set_trial_system_attr(trial._trial_id, CODE_KEY + name, value)

    @classmethod
    def read(cls, trial: FrozenTrial, name: str) -> Birth | None:
        """Return what a trial says; None where it says nothing."""
        raw = trial.system_attrs.get(CODE_KEY + name)
        if not isinstance(raw, dict) or raw.get("trial") != trial.number:
            return None
        known = {n: v for n, v in raw.items() if n in cls.__dataclass_fields__}
        return cls(**{**known, "imports": tuple(raw["imports"])})


def births_in(trials: Sequence[FrozenTrial], name: str) -> dict[int, Birth]:
    """Return what each trial says of the version that it runs, by the trial's number."""
    said = ((trial.number, Birth.read(trial, name)) for trial in trials)
    return {number: birth for number, birth in said if birth is not None}


def births_of(trials: Sequence[FrozenTrial], name: str) -> dict[int, Birth]:
    """Return what is known of the births of a function's versions, by their numbers."""
    own = [t for t in trials if t.params.get(name) == t.number]
    return births_in(own, name)


def coded_names(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the names of the functions whose code is tuned, in order of appearance."""
    return [name for name in open_names(trials) if births_in(trials, name)]
