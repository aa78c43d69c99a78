"""Where a study could have stopped, in hindsight, and what its later trials have brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optuna_llm.space.numbers import format_number
from optuna_llm.stopping.remaining import Remaining
from optuna_llm.stopping.remaining import loss_of
from optuna_llm.stopping.rules import ExpectedImprovement
from optuna_llm.stopping.verdicts import MIN_TRIALS


if TYPE_CHECKING:
    from optuna_llm.history.history import History
    from optuna_llm.stopping.rules import Finding


# A surrogate for every trial would take minutes where trials are many.
_MAX_FITS = 16


@dataclass(frozen=True)
class Hindsight:
    """Where a study could have stopped.

    Attributes:
        trial: Number of the last trial that was worth running, by the default rule; None where all
            of them were.
        brought: What the trials after it have improved the best value by.
        n_later: How many finished trials came after it.
        sentence: The same, for people.
    """

    trial: int | None
    brought: float
    n_later: int
    sentence: str


def hindsight(history: History) -> Hindsight | None:
    """Return where a study could have stopped; None where rules cannot be asked.

    The default rule is asked after at most 16 trials, evenly spread from the twentieth on; the
    study is done at the first of two in a row after which it says so.

    Args:
        history: The study. With several objectives, or fewer than 20 trials, nothing is told.
    """
    finished = [o for o in history.observations if o.state.is_finished()]
    if history.is_multi_objective or len(finished) < MIN_TRIALS:
        return None
    end = Remaining(history)
    if not end.feasible:
        return None
    rule = ExpectedImprovement(patience=1)
    places = np.unique(np.linspace(MIN_TRIALS, len(finished), _MAX_FITS).round().astype(int))
    first: int | None = None
    found: Finding | None = None
    for n in places.tolist():
        then = end.before(len(finished) - n)
        found = rule(then) if then.feasible else None
        if found is None or not found.done:
            first = None
        elif first is None:
            first = n
        else:
            break
    # The newest trial alone is no second one in a row.
    if first is None or first == len(finished):
        now = "" if found is None else f": {found.sentence}"
        return Hindsight(None, 0.0, 0, f"So far all trials were worth running{now}")
    later = finished[first:]
    then = end.before(len(later))
    brought = loss_of(then.best) - loss_of(end.best)
    at = finished[first - 1].number
    gain = f"brought {format_number(brought)}" if brought > 0 else "brought nothing"
    return Hindsight(
        at,
        brought,
        len(later),
        f"Trials {later[0].number} to {later[-1].number} {gain}; by what was expected of them, the"
        f" study was done after trial {at}.",
    )
