"""What a sampler writes into the storage: who proposed a trial, why, and what it cost.

A sampler keeps no memory of its own; everything it must know later is one of these attributes.

========================  ===========================================================
user attribute            content
========================  ===========================================================
``llm:source``            one of :data:`SOURCES`
``llm:rationale``         at most 300 characters, for people
========================  ===========================================================

The system attribute ``llm:proposal`` holds one JSON object, see :class:`Record`. The study's
system attributes ``llm:ledger:<worker>`` hold what each worker has spent.
"""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import get_args

from optuna.distributions import CategoricalDistribution

from optuna_llm.space import SearchSpace
from optuna_llm.space import choice_index


if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


Source = Literal["prior", "llm", "base", "fallback", "enqueued"]
SOURCES: tuple[Source, ...] = get_args(Source)
SOURCE_KEY = "llm:source"
RATIONALE_KEY = "llm:rationale"
PROPOSAL_KEY = "llm:proposal"
MAX_RATIONALE = 300


@dataclass(frozen=True)
class Record:
    """The provenance of one trial.

    Attributes:
        source: ``prior``: the embedded knowledge or a known good configuration; ``llm``: the
            language model; ``base``: the statistical sampler, on its own turn; ``fallback``: the
            statistical sampler, because the model could not be asked; ``enqueued``: the user.
        rationale: The proposer's reason, one or two sentences.
        params: The joint proposal by name, a categorical value as the index of its choice: other
            workers see it before the objective has asked for every parameter.
        model: Name of the model that was asked, also where it failed.
        error: Why the model could not be used; ``paused`` and ``budget`` cost no request.
        prompt_tokens, completion_tokens, cost, seconds: What the request of this trial used.
        requests: Requests sent for this trial, repair turns included.
        design: For the k-th of the known good configurations that a study starts with, k; else 0.
        vetoed: Whose turn it was, where the surrogate found the proposals not worth a trial.
        candidates: The other candidates of the reply, for later turns: objects with ``params`` (as
            above), ``reason``, ``repaired`` and ``dropped``.
        asked: Number of candidates that the reply held.
        surrogate: How a model's predictions led to the choice, where they did: see
            :class:`optuna_llm.model_surrogate.Forecast`.
        repaired, completed, dropped: Values of the chosen candidate that were snapped or clipped,
            filled in by the base sampler, and unusable.
    """

    source: Source
    rationale: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    error: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0
    requests: int = 0
    design: int = 0
    vetoed: Source | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    surrogate: dict[str, Any] = field(default_factory=dict)
    repaired: int = 0
    completed: int = 0
    dropped: int = 0


_FIELDS = frozenset(f.name for f in fields(Record))


def encode_params(space: SearchSpace, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON: numbers as they are, choices as their index."""
    encoded = {}
    for name, value in params.items():
        distribution = space.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            value = choice_index(distribution, value)
        encoded[name] = value
    return encoded


def decode_params(
    distributions: Mapping[str, BaseDistribution], encoded: Mapping[str, Any]
) -> dict[str, Any]:
    """Return native parameters; those that the distributions do not know are left out."""
    params = {}
    for name, value in encoded.items():
        distribution = distributions.get(name)
        if isinstance(distribution, CategoricalDistribution):
            if not isinstance(value, int) or not 0 <= value < len(distribution.choices):
                continue
            value = distribution.choices[value]
        if distribution is not None:
            params[name] = value
    return params


def shorten(text: str, limit: int = MAX_RATIONALE) -> str:
    """Make one printable line of at most ``limit`` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def write_record(study: Study, trial: FrozenTrial, record: Record) -> None:
    """Write the three attributes of a running trial."""
    storage, trial_id = study._storage, trial._trial_id
    entries = {k: v for k, v in asdict(record).items() if v not in (None, "", [], {}, 0, False)}
    entries.pop("rationale", None)
    storage.set_trial_system_attr(trial_id, PROPOSAL_KEY, {"trial": trial.number, **entries})
    write_label(study, trial, record.source, record.rationale)


def write_label(study: Study, trial: FrozenTrial, source: Source, rationale: str) -> None:
    """Write the two attributes of a running trial that are for people, and no record."""
    storage, trial_id = study._storage, trial._trial_id
    storage.set_trial_user_attr(trial_id, SOURCE_KEY, source)
    storage.set_trial_user_attr(trial_id, RATIONALE_KEY, shorten(rationale))


def read_record(trial: FrozenTrial) -> Record | None:
    """Return the provenance of a trial, or None where this package did not propose it.

    A trial that was queued again after its worker died carries the attributes of the first
    attempt under another trial number; they do not count.
    """
    raw = trial.system_attrs.get(PROPOSAL_KEY)
    if not isinstance(raw, dict) or raw.get("trial") != trial.number:
        return None
    known = {k: v for k, v in raw.items() if k in _FIELDS}
    if known.get("source") not in SOURCES:
        return None
    return Record(rationale=str(trial.user_attrs.get(RATIONALE_KEY, "")), **known)


class StudyStore:
    """The system attributes of a study, as the shared memory of all its workers."""

    def __init__(self, study: Study) -> None:
        self._storage = study._storage
        self._study_id = study._storage.get_study_id_from_name(study.study_name)

    def read(self) -> dict[str, Any]:
        """Return all system attributes of the study."""
        return dict(self._storage.get_study_system_attrs(self._study_id))

    def write(self, key: str, value: dict[str, Any]) -> None:
        """Set one system attribute of the study."""
        self._storage.set_study_system_attr(self._study_id, key, value)
