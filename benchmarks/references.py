"""The scales of the tasks' regrets, computed once and kept in ``references.json``.

With them a report is drawn from a results file alone, without the tasks' data.
"""

from __future__ import annotations

from dataclasses import asdict
import functools
import json
from pathlib import Path

from benchmarks.task import Reference
from benchmarks.task import Task


PATH = Path(__file__).parent / "references.json"


@functools.cache
def known() -> dict[str, Reference]:
    """Return the kept scales by the tasks' names."""
    return {n: Reference(**v) for n, v in json.loads(PATH.read_text()).items()}


def remember(task: Task) -> None:
    """Compute and keep a task's scale, if that is not done yet."""
    if task.name in known():
        return
    found = task.find_reference()
    known.cache_clear()  # Others may have added theirs in the meantime.
    table = {**known(), task.name: found}
    lines = (f"{json.dumps(n)}: {json.dumps(asdict(table[n]))}" for n in sorted(table))
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    known.cache_clear()
