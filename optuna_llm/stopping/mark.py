"""The mark that a study is done: a study attribute which all its workers read."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna_llm.history.study_store import StudyStore


if TYPE_CHECKING:
    from optuna import Study


_KEY = "llm:stopping"
_MAX_SENTENCE = 500


@dataclass(frozen=True)
class Mark:
    """What was decided about a study.

    Attributes:
        budget: The largest number of trials that was announced; None where none was.
        begun: Number of finished trials when it was resumed with a larger budget, else 0.
        stopped: Number of finished trials when it was stopped; None while it runs.
        sentence: Why it was stopped.
    """

    budget: int | None = None
    begun: int = 0
    stopped: int | None = None
    sentence: str = ""

    @classmethod
    def read(cls, study: Study) -> Mark:
        """Return the mark of a study; that of a new one where nothing was decided."""
        return cls(**StudyStore(study).read().get(_KEY, {}))

    def write(self, study: Study) -> None:
        """Show the mark to all workers of a study."""
        StudyStore(study).write(_KEY, {**asdict(self), "sentence": self.sentence[:_MAX_SENTENCE]})

    def announced(self, budget: int | None) -> Mark:
        """Return the mark after a worker has announced its budget.

        One that is larger than all before resumes a study that was stopped.
        """
        known = (self.stopped or 0) if self.budget is None else self.budget
        if budget is None or budget <= known:
            return self
        return Mark(budget, self.begun if self.stopped is None else self.stopped)


def resume(study: Study) -> None:
    """Let a study that was stopped go on, for at least as many trials as a new one has.

    A larger number of announced trials does the same.

    Args:
        study: The study; one that was not stopped goes on as it does.
    """
    mark = Mark.read(study)
    if mark.stopped is not None:
        Mark(mark.budget, mark.stopped).write(study)
