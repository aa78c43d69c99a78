"""The scales of the tasks' regrets, computed once and kept in ``references.json``.

With them a report is drawn from a results file alone, without the tasks' data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
import functools
import json
from pathlib import Path
from typing import Any
from typing import Protocol


PATH = Path(__file__).parent / "references.json"


class UnknownTaskError(ValueError):
    """No task has this name; the message says which there are."""


@dataclass(frozen=True)
class Reference:
    """The scale of a task's regret; in a constrained task, of feasible configurations only.

    Attributes:
        best: The smallest loss known.
        median: The median loss of configurations drawn uniformly.
        configuration: A configuration with the smallest loss.
        ideal: With several objectives, the best of each on the best known front; then ``best`` is
            minus the hypervolume of this front, ``median`` 0, that of nothing, and
            ``configuration`` the one whose worst objective is best.
        worst: The worst of each on it.
    """

    best: float
    median: float
    configuration: dict[str, Any]
    ideal: Sequence[float] = ()
    worst: Sequence[float] = ()

    def regret(self, loss: float) -> float:
        """Normalise a loss: 0 for the best known, 1 for the median configuration."""
        return (loss - self.best) / (self.median - self.best)


class Scaled(Protocol):
    """What has a scale that can be computed: a task."""

    name: str

    def find_reference(self) -> Reference:
        """Compute the scale of the regret; the same in every call."""


@functools.cache
def known() -> dict[str, Reference]:
    """Return the kept scales by the tasks' names."""
    return {n: Reference(**v) for n, v in json.loads(PATH.read_text()).items()}


def remember(task: Scaled) -> None:
    """Compute and keep a task's scale, if that is not done yet."""
    if task.name in known():
        return
    found = task.find_reference()
    known.cache_clear()  # Others may have added theirs in the meantime.
    table = {**known(), task.name: found}
    lines = (f"{json.dumps(n)}: {json.dumps(_fields(table[n]))}" for n in sorted(table))
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    known.cache_clear()


def _fields(reference: Reference) -> dict[str, Any]:
    """Return what a scale holds, without what only several objectives have."""
    return {name: value for name, value in asdict(reference).items() if value != ()}
