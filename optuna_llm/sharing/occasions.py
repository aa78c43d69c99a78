"""When asking the model pays: at the start, when the search stands still or fails, when it moves.

Between these occasions the candidates of earlier replies serve, and the statistical sampler. All
is computed from the trials' records, as in :mod:`optuna_llm.sharing.turns`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from optuna_llm.history.statement import statements
from optuna_llm.prompts.failures import cause_of
from optuna_llm.prompts.roles import LAST_PART


if TYPE_CHECKING:
    from types import FrameType

    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation
    from optuna_llm.space.search_space import SearchSpace


# Requests that may be sent before trial n: 2 + n / 5, which makes 11 in a study of 50 trials.
_REQUESTS_AT_ONCE = 2
_TRIALS_PER_REQUEST = 5
# Failures since the last answer that are a cluster, if they are half of the trials since then,
# or of a cause that the model has not seen yet.
_FAILURES = 3
# Trials without a new best that are a plateau; more after each answer that brought none.
_PATIENCE = 4
# Mean distance of unit coordinates from which on a best trial is far from the one before.
_FAR = 0.2
# Fewest trials from one answer to the next, where nothing but used up candidates calls for it.
_PAUSE = 3


def occasion(
    history: History,
    space: SearchSpace,
    number: int,
    *,
    n_trials: int | None,
    is_trusted: bool,
    is_used_up: bool,
    is_waiting: bool,
) -> str:
    """Return why the model is to be asked now, as half a sentence; empty where it is not.

    Args:
        history: The study.
        space: The parameters.
        number: The number of the trial that is sampled.
        n_trials: How many trials the study will have, if that is known.
        is_trusted: Whether it is the model's turn, or the model is worth what it was given at
            first. Else it is asked only where the search has moved on from what it has judged.
        is_used_up: Whether it is the model's turn, and no earlier candidate is worth a trial.
        is_waiting: Whether candidates of its last answer are worth a trial and none was run.
    """
    answers = statements(history)
    if not answers:
        return "the search begins"
    n_requests = sum(o.cost.requests for o, _ in answers)
    if n_requests >= _REQUESTS_AT_ONCE + number // _TRIALS_PER_REQUEST:
        return ""
    last, said = answers[0]
    since = [o for o in history.observations if o.number >= last.number and o.state.is_finished()]
    failed = [o for o in since if o in history.failures_of_parameters]
    told = {cause_of(o) for o in history.failures_of_parameters if o.number < last.number}
    n_new = sum(cause_of(o) not in told for o in failed)
    is_cluster = len(failed) >= _FAILURES and 2 * len(failed) >= len(since)
    if n_new >= _FAILURES or (is_trusted and is_cluster):
        return f"{len(failed)} of the last {len(since)} trials have failed"
    if n_trials is not None and last.number < LAST_PART * n_trials <= number < n_trials:
        return "the last quarter of the trials begins"
    best = history.best
    before = _best_before(history, last)
    if best is not None and before is not None and best.number > last.number:
        x = space.coordinates([best.params, before.params])
        if len(space) and space.distances(x[:1], x[1])[0] >= _FAR:
            is_own = best.origin is not None and best.origin.source == "llm"
            whose = ", a candidate of yours," if is_own else ","
            return (
                f"the best, trial {best.number}{whose} lies far from the best that you saw, "
                f"trial {before.number}"
            )
    is_new = best is not None and best.number > last.number and len(since) >= _PAUSE
    if best and is_new and any(rule.is_broken(best.params) for rule in said.stated_rules):
        return f"the best, trial {best.number}, breaks a rule of yours"
    if not is_trusted:
        return ""
    if (n_still := standstill(history)) and not is_waiting:
        return f"the last {n_still} trials brought no new best"
    if is_used_up and len(since) >= _PAUSE:
        return "your earlier candidates are used up"
    return ""


def standstill(history: History) -> int:
    """Return how many trials since the last answer brought no new best; 0 while they are few."""
    answers = statements(history)
    if not answers:
        return 0
    best, last = history.best, answers[0][0]
    newest = -1 if best is None or history.is_multi_objective else best.number
    start = max(newest, last.number - 1)
    n_still = sum(o.number > start and o.state.is_finished() for o in history.observations)
    fruitless = sum(o.number > newest for o, _ in answers)
    return n_still if n_still >= _PATIENCE * (1 + fruitless) else 0


def _best_before(history: History, last: Observation) -> Observation | None:
    """Return the best trial that a model saw when it was asked for another one."""
    earlier = [o for o in history.complete if o.number < last.number]
    return min(earlier, key=lambda o: (o.violation, o.values or ()), default=None)


def is_last_of_run() -> bool:
    """Whether ``Study.optimize`` is known to stop after the trial that is being sampled.

    It keeps the number of its trials in a variable, and tells nobody. What is not found there,
    as in a loop of ``Study.ask``, is not known.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_optimize_sequential":
            n_trials, n_begun = (frame.f_locals.get(k) for k in ("n_trials", "i_trial"))
            return isinstance(n_trials, int) and isinstance(n_begun, int) and n_begun >= n_trials
        frame = frame.f_back
    return False
