"""Which candidate of a model is run: what promises most, at times against the surrogate's word."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.history.statement import statements
from optuna_llm.prompts.roles import ELSEWHERE
from optuna_llm.prompts.roles import OPTIMIZER
from optuna_llm.sharing.occasions import standstill


if TYPE_CHECKING:
    from optuna_llm.expectations.outlook import Outlook
    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation


# A role's chance to bring a new best, before any trial has shown it, and what that is worth.
_WINS, _TRIALS = 0.5, 2.0
# Trials against the surrogate's word that may end as it had said.
_TRIALS_IN_VAIN = 2


def choose(
    history: History,
    outlook: Outlook,
    configurations: Sequence[Mapping[str, Any]],
    roles: Sequence[str],
    new: Sequence[int],
) -> tuple[int | None, bool]:
    """Return which candidate is run, if any, and whether that is against the surrogate's word.

    By its expected improvement times what candidates of its role have brought. Where refining
    brings nothing any more, a candidate in another region has its chance first.

    Args:
        history: The study.
        outlook: Its statistical surrogate.
        configurations: The candidates, native values, m of them.
        roles: Their roles.
        new: Positions of those that have not been tried.
    """
    if not new:
        return None, False
    weight = role_weights(history)
    bonus = np.array([weight(roles[i]) for i in new])
    order = [new[i] for i in outlook.order([configurations[i] for i in new], bonus)]
    likely = [i for i in order if not outlook.is_hopeless(configurations[i])]
    wanted = likely
    if may_overrule(history):
        fails = outlook.will_fail([configurations[i] for i in order])
        possible = [i for i, fail in zip(order, fails, strict=True) if not fail]
        elsewhere = [i for i in possible if roles[i] in ELSEWHERE]
        own = [i for i in possible if roles[i] != OPTIMIZER]
        wanted = [*(elsewhere if standstill(history) else []), *(likely or own)]
    chosen = wanted[0] if wanted else None
    return chosen, chosen is not None and chosen not in likely


def worth_a_trial(
    history: History, outlook: Outlook, configurations: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Return the positions of the candidates that may be run, be it against the surrogate."""
    if not may_overrule(history):
        return [i for i, c in enumerate(configurations) if not outlook.is_hopeless(c)]
    fails = outlook.will_fail(configurations) if configurations else ()
    return [i for i, fail in enumerate(fails) if not fail]


def may_overrule(history: History) -> bool:
    """Whether a candidate may be run that the surrogate has turned down.

    What differs from all trials in several parameters it knows badly, and is too sure of itself.
    One trial for each answer, until two of them have ended no better than it had expected at best.
    """
    answers = statements(history)
    against = [o for o in history.observations if o.origin is not None and o.origin.overruled]
    if answers and against and against[-1].number >= answers[0][0].number:
        return False
    in_vain = sum(o.state.is_finished() and not _is_surprise(o) for o in against)
    return in_vain < _TRIALS_IN_VAIN


def _is_surprise(o: Observation) -> bool:
    """Whether a trial ended better than the surrogate's interval said."""
    interval = o.expected.interval
    return bool(o.values and interval and o.violation == 0 and o.values[0] < interval[0])


def role_weights(history: History) -> Callable[[str], float]:
    """Return what logarithm of a chance each role has earned, by how often it made a new best."""
    improved = {n for n, _ in history.best_so_far()}
    if history.is_multi_objective:
        improved = {o.number for o in history.pareto_front}
    wins: dict[str, int] = {}
    trials: dict[str, int] = {}
    for o in history.observations:
        if o.origin is None or not o.state.is_finished() or o.is_interrupted:
            continue
        role = OPTIMIZER if o.origin.source == "base" else o.origin.role
        trials[role] = trials.get(role, 0) + 1
        wins[role] = wins.get(role, 0) + (o.number in improved)

    def weight(role: str) -> float:
        return math.log((wins.get(role, 0) + _WINS) / (trials.get(role, 0) + _TRIALS))

    return weight
