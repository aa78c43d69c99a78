"""What a base sampler would propose, asked for without a trace in the storage.

Samplers of Optuna write into a trial what they propose for it, for other workers to see, and into
the study how much of a sequence they have used up. Where the proposal is only advice, or is about
a later trial, nobody is to see it, and nothing is used up.
"""

from __future__ import annotations

from collections.abc import Mapping
import copy
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.history.attributes import RATIONALE_KEY
from optuna_llm.history.expected import Expected


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Traces:
    """What a sampler wanted to write into the storage when it proposed.

    Attributes:
        trial: System attributes of the trial.
        study: System attributes of the study.
    """

    trial: Mapping[str, Any] = field(default_factory=dict)
    study: Mapping[str, Any] = field(default_factory=dict)

    def leave(self, study: Study, trial: FrozenTrial) -> None:
        """Write them, as what was proposed is run."""
        for key, value in self.trial.items():
            study._storage.set_trial_system_attr(trial._trial_id, key, value)
        for key, value in self.study.items():
            study._storage.set_study_system_attr(study._study_id, key, value)


@dataclass(frozen=True)
class BasePoint:
    """A base sampler's joint proposal.

    Attributes:
        params: Native values; what is missing it samples independently.
        attributes: What it wanted to write.
        expected: What a sampler of this package expects of it.
        rationale: The same in words, or "".
    """

    params: dict[str, Any] = field(default_factory=dict)
    attributes: Traces = field(default_factory=Traces)
    expected: Expected = field(default_factory=Expected)
    rationale: str = ""


def ask(
    sampler: BaseSampler,
    study: Study,
    trial: FrozenTrial,
    known: Mapping[str, BaseDistribution],
    ahead: int = 0,
) -> BasePoint:
    """Return a sampler's joint proposal, and write nothing.

    Args:
        sampler: The base sampler.
        study: The study, or Hyperband's view of it.
        trial: The trial.
        known: The parameters that count.
        ahead: 1 for what it would propose next, after this trial.
    """
    if ahead:
        trial = copy.copy(trial)
        trial.number += ahead
        trial.system_attrs = {}
    storage = _HoldingStorage(study._storage, study._study_id, trial._trial_id)
    view: Any = _View(study, storage, sampler)
    space = sampler.infer_relative_search_space(view, trial)
    params = sampler.sample_relative(view, trial, {n: d for n, d in space.items() if n in known})
    # What a sampler of this package writes is written by the one that asks it.
    of_trial = {key: v for key, v in storage.held.items() if not key.startswith("llm:")}
    told = copy.copy(trial)
    told.system_attrs = storage.held
    rationale = str(storage.labels.get(RATIONALE_KEY, ""))
    return BasePoint(params, Traces(of_trial, storage.of_study), Expected.read(told), rationale)


class _HoldingStorage:
    """A storage that keeps back the attributes of one trial, and the study's for samplers."""

    def __init__(self, storage: Any, study_id: int, trial_id: int) -> None:
        self._storage = storage
        self._study_id = study_id
        self._trial_id = trial_id
        self.of_study: dict[str, Any] = {}
        self.held: dict[str, Any] = {}
        self.labels: dict[str, Any] = {}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep back what is about the trial."""
        if trial_id == self._trial_id:
            self.held[key] = value
        else:
            self._storage.set_trial_system_attr(trial_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keep back what is about the study."""
        if study_id == self._study_id:
            self.of_study[key] = value
        else:
            self._storage.set_study_system_attr(study_id, key, value)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return what stands there, together with what was kept back."""
        known: dict[str, Any] = self._storage.get_study_system_attrs(study_id)
        return {**known, **self.of_study} if study_id == self._study_id else known

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep back what is about the trial, for people."""
        if trial_id == self._trial_id:
            self.labels[key] = value
        else:
            self._storage.set_trial_user_attr(trial_id, key, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


class _View:
    """A study as it would be with the base sampler alone, which writes into another storage."""

    def __init__(self, study: Study, storage: _HoldingStorage, sampler: BaseSampler) -> None:
        self.sampler = sampler
        self._study = study
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)
