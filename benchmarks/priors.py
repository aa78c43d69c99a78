"""What is told of a task beforehand: its sizes; and knowledge that is wrong."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.suites.knowledge import OnTable
from benchmarks.task import Task
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior import Scale
from optuna_llm.prior.lookup import Priors
from optuna_llm.prior.relations import Parent


def sizes_of(task: Task) -> Scale | None:
    """Return the sizes of a task's data, where it has some; a third of the rows is held out."""
    if not isinstance(task, OnTable):
        return None
    features, target, is_class = task.data
    n_rows, n_columns = features.shape
    classes = len(set(target.tolist())) if is_class else None
    return Scale(rows=2 * n_rows // 3, columns=n_columns, classes=classes)


class Mirrored(EmbeddedPrior):
    """The table's relations with the wrong sign."""

    def _related(self, priors: Priors) -> dict[str, list[Parent]]:
        return {
            name: [
                replace(p, relation=replace(p.relation, power=-p.relation.power)) for p in parents
            ]
            for name, parents in super()._related(priors).items()
        }
