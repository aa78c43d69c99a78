"""The versions of open parameters: choices that may differ from trial to trial.

Optuna refuses a categorical parameter whose choices change. An open parameter is stored as an
integer whose only legal value in a trial is the number of the version that the trial runs: the
number of the trial in which that version was first run, its birth. No two workers need to agree
on it. What the version is stands in the user attribute ``llm:choice:<name>`` of every trial that
runs it, so that each of them can be run again without the others; what else could have been chosen
in the system attribute ``llm:offer:<name>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import functools
import hashlib
import json
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from optuna_llm.space.versions import VersionDistribution


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


CHOICE_KEY = "llm:choice:"
OFFER_KEY = "llm:offer:"


def digest(choice: Any) -> str:
    """Return what tells choices apart: ``True``, ``1`` and ``"1"`` are three."""
    return hashlib.sha256(json.dumps(choice).encode()).hexdigest()


@dataclass(frozen=True)
class Stored:
    """A choice as the attribute of a trial holds it: itself, or where its text is kept.

    Attributes:
        value: What stands in the attribute; a long text is ``{"artifact": id, "sha256": digest,
            "begins": its first characters}``.
    """

    value: Any

    @property
    def artifact(self) -> str | None:
        """The id of the artifact that holds a long text, else None."""
        return str(self.value["artifact"]) if isinstance(self.value, dict) else None

    @functools.cached_property
    def digest(self) -> str:
        """What tells the choice apart."""
        return str(self.value["sha256"]) if isinstance(self.value, dict) else digest(self.value)

    @property
    def text(self) -> str:
        """The choice for people; of a long text its beginning."""
        if isinstance(self.value, dict):
            return f"{self.value['begins']}…"
        return self.value if isinstance(self.value, str) else json.dumps(self.value)


@dataclass(frozen=True)
class Offer:
    """What could be chosen in a trial.

    Attributes:
        versions: The numbers of the choices that have been run.
        new: How many choices had not.
    """

    versions: tuple[int, ...]
    new: int

    def to_dict(self, number: int) -> dict[str, Any]:
        """Return it as the attribute of a trial."""
        return {"trial": number, "versions": list(self.versions), "new": self.new}

    @classmethod
    def read(cls, trial: FrozenTrial, name: str) -> Offer | None:
        """Return what could be chosen in a trial, as far as it has come."""
        raw = trial.system_attrs.get(OFFER_KEY + name)
        # One that was queued again carries what its first attempt was offered.
        if not isinstance(raw, dict) or raw.get("trial") != trial.number:
            return None
        return cls(tuple(raw["versions"]), int(raw["new"]))


def stored_choice(trial: FrozenTrial, name: str) -> Stored | None:
    """Return what a trial runs of an open parameter; None if it has not got that far."""
    key = CHOICE_KEY + name
    return Stored(trial.user_attrs[key]) if key in trial.user_attrs else None


def number_in(trial: FrozenTrial, name: str) -> int:
    """Return the number of the version that a trial with a choice runs, or is about to run."""
    fixed = trial.system_attrs.get("fixed_params", {}).get(name)
    number = trial.params.get(name, fixed)
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return number if is_number else trial.number


def versions_of(trials: Sequence[FrozenTrial], name: str) -> dict[int, Stored]:
    """Return the versions of an open parameter by their numbers, in order.

    Where two workers have given birth to equal ones at the same moment, the lower number counts.
    """
    found: dict[str, tuple[bool, int, Stored]] = {}
    for trial in trials:
        stored = stored_choice(trial, name)
        if stored is None or trial.state == TrialState.WAITING:
            continue
        # A number that a trial has counts before one that a trial is about to take.
        version = (name not in trial.params, number_in(trial, name), stored)
        if stored.digest not in found or version[:2] < found[stored.digest][:2]:
            found[stored.digest] = version
    return {number: s for _, number, s in sorted(found.values(), key=lambda v: v[1])}


def open_names(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the names of the open parameters of a study, in order of appearance."""
    names: dict[str, None] = {}
    for trial in trials:
        for key in trial.user_attrs:
            name = key[len(CHOICE_KEY) :]
            if key.startswith(CHOICE_KEY) and _is_version(trial, name):
                names[name] = None
    return list(names)


def open_distributions(
    others: Sequence[FrozenTrial], trials: Sequence[FrozenTrial]
) -> Mapping[str, VersionDistribution]:
    """Return what samplers see of each open parameter: what the newest trial could choose from.

    Args:
        others: The trials that are to be learnt from.
        trials: All trials of the study, the one that is being sampled among them.
    """
    found = {}
    for name in open_names(others):
        known = {number: stored.text for number, stored in versions_of(others, name).items()}
        offers = (Offer.read(t, name) for t in reversed(trials))
        offer = next((o for o in offers if o is not None), Offer(tuple(known), 0))
        offered = {n: text for n, text in known.items() if n in offer.versions}
        found[name] = VersionDistribution(offered or known, has_new=offer.new > 0)
    return found


def _is_version(trial: FrozenTrial, name: str) -> bool:
    """Whether a trial runs a version of the parameter, and not something else of its name."""
    distribution = trial.distributions.get(name)
    return isinstance(distribution, IntDistribution) and distribution.single()
