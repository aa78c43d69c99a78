"""The attributes in which samplers keep what they must know later: their names and their form.

A sampler keeps no memory of its own. What it writes about a trial stands here:

====================  ==============================================================
user attribute        content
====================  ==============================================================
``llm:source``        who proposed the trial, one of
                      :data:`optuna_llm.history.origin.SOURCES`
``llm:rationale``     why, in at most 300 characters, for people
``llm:transferred``   of which trial of which earlier study it is the like, for people
``llm:choice:<name>`` what the trial has run of an open parameter
====================  ==============================================================

====================  ==============================================================
system attribute      content
====================  ==============================================================
``llm:proposal``      one JSON object, written when the trial is proposed: the fields of
                      :class:`~optuna_llm.history.origin.Origin`,
                      :class:`~optuna_llm.history.announcement.Announcement`,
                      :class:`~optuna_llm.history.failure.Attendance`,
                      :class:`~optuna_llm.history.cost.Cost`,
                      :class:`~optuna_llm.history.queue.Queue`,
                      :class:`~optuna_llm.history.expected.Expected`,
                      :class:`~optuna_llm.history.statement.Statement`,
                      :class:`~optuna_llm.history.suggestions.Settled` and
                      :class:`~optuna_llm.history.predictions.Predictions`
                      that are not at their defaults
``llm:proposal:0``    and so on: the rest of a long one
``llm:failure``       how it failed, see :mod:`optuna_llm.history.failure`
``llm:offer:<name>``  what could be chosen, see :mod:`optuna_llm.history.versions`
====================  ==============================================================

The study's system attributes ``llm:ledger:<worker>`` hold what each worker has spent,
``llm:agent:<name>`` what an agent has suggested (:mod:`optuna_llm.history.suggestions`),
``llm:sampler:<hash>`` what has run it (:mod:`optuna_llm.history.settings`).

Every object names its trial. One that was queued again after its worker died carries the
attributes of the first attempt under another number; they do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import MISSING
from dataclasses import Field
from dataclasses import dataclass
from dataclasses import fields
import json
from typing import TYPE_CHECKING
from typing import Any


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial
    from typing_extensions import Self


SOURCE_KEY = "llm:source"
RATIONALE_KEY = "llm:rationale"
TRANSFERRED_KEY = "llm:transferred"
PROPOSAL_KEY = "llm:proposal"
FAILURE_KEY = "llm:failure"
# CQRSampler's announcements in studies of version 0.1.0.
OLD_CQR_KEY = "cqr:proposal"
MAX_RATIONALE = 300

# Version 1 wrote no such number, and nothing of how a trial failed.
FORMAT = 2
# Databases bound the text of a value; Optuna's own samplers keep to this many characters.
MAX_LENGTH = 2045
_MAX_NAME = 120


@dataclass(frozen=True)
class Part:
    """One of the things that are recorded of a trial; what it consists of is JSON."""

    def entry(self) -> dict[str, Any]:
        """Return the fields that are not at their defaults."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {f.name: values[f.name] for f in fields(self) if values[f.name] != _default(f)}

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """Return what :meth:`entry` has described, perhaps together with other parts."""
        return cls(**{f.name: entry[f.name] for f in fields(cls) if f.name in entry})

    @classmethod
    def read(cls, trial: FrozenTrial) -> Self:
        """Return what was recorded of a trial; all defaults where nothing was."""
        return cls.of(read_entry(trial))


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def write_parts(study: Study, trial: FrozenTrial, *parts: Part) -> None:
    """Write all that is recorded of a trial: one attribute, or several where it is long."""
    storage, trial_id = study._storage, trial._trial_id
    head: dict[str, Any] = {"trial": trial.number, "format": FORMAT}
    for part in parts:
        head |= part.entry()
    if len(json.dumps(head)) > MAX_LENGTH:
        long = {k: v for k, v in head.items() if isinstance(v, dict | list | tuple)}
        head = {k: _short(v) for k, v in head.items() if k not in long}
        pieces = list(_pieces(json.dumps(long)))
        # The first attribute says how many there are: nobody who sees it sees half of them.
        for i, piece in enumerate(pieces):
            storage.set_trial_system_attr(trial_id, f"{PROPOSAL_KEY}:{i}", piece)
        head["pieces"] = len(pieces)
    storage.set_trial_system_attr(trial_id, PROPOSAL_KEY, head)


def read_head(trial: FrozenTrial) -> Mapping[str, Any]:
    """Return the numbers and names of what was recorded of a trial, without long values."""
    raw = trial.system_attrs.get(PROPOSAL_KEY)
    return raw if isinstance(raw, dict) and raw.get("trial") == trial.number else {}


def read_entry(trial: FrozenTrial) -> Mapping[str, Any]:
    """Return all that was recorded of a trial; nothing where nothing was."""
    head = read_head(trial)
    if not head:
        old = trial.system_attrs.get(OLD_CQR_KEY)
        return old if isinstance(old, dict) and old.get("trial") == trial.number else {}
    if not head.get("pieces"):
        return head
    keys = [f"{PROPOSAL_KEY}:{i}" for i in range(head["pieces"])]
    return {**head, **json.loads("".join(trial.system_attrs[key] for key in keys))}


def _pieces(text: str) -> Iterator[str]:
    while text:
        # As JSON, a quotation mark takes two characters.
        surplus = len(json.dumps(text[:MAX_LENGTH])) - MAX_LENGTH
        length = MAX_LENGTH - max(surplus, 0)
        yield text[:length]
        text = text[length:]


def _short(value: Any) -> Any:
    return value[:_MAX_NAME] if isinstance(value, str) else value


def shorten(text: str, limit: int = MAX_RATIONALE) -> str:
    """Make one printable line of at most ``limit`` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
