"""What has come of a trial: told once, or as often as one likes."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ConflictError
from optuna_llm.history.attributes import shorten
from optuna_llm.history.stored import storage_errors


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from optuna_llm.ask_tell.desk import Desk


# How a trial ends without values; an interrupted one could not help it.
Ending = Literal["failed", "pruned", "interrupted"]
_STATES: Mapping[str, TrialState] = {
    "failed": TrialState.FAIL,
    "pruned": TrialState.PRUNED,
    "interrupted": TrialState.FAIL,
}
# Where an objective says why it failed, and what else there is to say of a trial.
_FAILURE_KEY, COMMENT_KEY = "fail_reason", "comment"
_MAX_WHY = 1000


class _InterruptedRun(BaseException):
    """Stands for what has ended a run, for samplers, who look at what is being handled."""


def tell(
    desk: Desk,
    trial: int,
    outcome: Sequence[float] | Ending | None = None,
    *,
    constraints: Mapping[str, float] | None = None,
    intermediate: Mapping[int, float] | None = None,
    why: str = "",
) -> dict[str, Any]:
    """Tell what has come of a trial.

    The same may be told again, by the same process or another one.

    Args:
        desk: The study.
        trial: Number of the trial.
        outcome: A value for each objective; ``failed``, ``pruned`` or ``interrupted`` (it failed
            by nothing that its parameters could help); None while it goes on.
        constraints: By name; met where <= 0.
        intermediate: Values on the way, by step.
        why: What there is to say about it, such as why it failed.

    Returns:
        ``trial``, ``state``, ``values``; ``already``: whether it had been told before; ``best``:
        numbers of the best trials. Of a trial that goes on ``stop``: whether the pruner would
        stop it.

    Raises:
        ConfigurationError: There is no such trial, or something told of it is not possible.
        ConflictError: It has ended already, and otherwise.
        StorageError: The storage does not answer.
    """
    _check(desk, outcome, intermediate)
    steps, limits = intermediate or {}, constraints or {}
    with storage_errors():
        frozen = _found(desk, trial)
        already = frozen.state.is_finished()
        if not already:
            _compare_parts(frozen, steps, limits)
            try:
                _write(desk, frozen, outcome, limits, steps, why)
            # Another process was faster.
            except (UpdateFinishedTrialError, ValueError):
                if not _found(desk, trial).state.is_finished():
                    raise
                already = True
        frozen = _found(desk, trial)
        if already:
            _compare(frozen, outcome)
            _compare_parts(frozen, steps, limits)
        told: dict[str, Any] = {"trial": trial, "state": frozen.state.name.lower()}
        if not frozen.state.is_finished():
            handle = optuna.Trial(desk.study, frozen._trial_id)
            can_stop = len(desk.study.directions) == 1 and bool(frozen.intermediate_values)
            return told | {"stop": can_stop and bool(handle.should_prune())}
        if frozen.state == TrialState.COMPLETE:
            told["values"] = list(frozen.values)
        history = desk.history()
    if history.is_multi_objective:
        best = [o.number for o in history.pareto_front]
    else:
        best = [history.best.number] if history.best is not None else []
    return told | {"already": already, "best": best}


def _check(
    desk: Desk, outcome: Sequence[float] | str | None, intermediate: Mapping[int, float] | None
) -> None:
    n = len(desk.study.directions)
    if isinstance(outcome, str):
        if outcome not in _STATES:
            raise ConfigurationError(
                f"outcome={outcome!r:.80} is neither a number nor an ending; tell a value for each"
                f" objective, or one of {', '.join(_STATES)}"
            )
    elif outcome is not None:
        if len(outcome) != n:
            raise ConfigurationError(
                f"values={list(outcome)} are {len(outcome)}, the study has {n} objectives; tell"
                " one for each"
            )
        if any(math.isnan(v) for v in outcome):
            raise ConfigurationError("values: NaN is no result; tell 'failed', and why")
    if intermediate and n > 1:
        raise ConfigurationError(
            "intermediate values are not possible with several objectives; leave them out"
        )


def _found(desk: Desk, number: int) -> FrozenTrial:
    trials = desk.study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        known = f"choose one from 0 to {len(trials) - 1}" if trials else "ask for one first"
        raise ConfigurationError(
            f"trial={number} is not in study={desk.study.study_name!r}; {known}"
        )
    frozen = trials[number]
    if frozen.state == TrialState.WAITING:
        raise ConfigurationError(f"trial={number} is enqueued and has not begun; ask for it first")
    return frozen


def _write(
    desk: Desk,
    frozen: FrozenTrial,
    outcome: Sequence[float] | Ending | None,
    constraints: Mapping[str, float],
    intermediate: Mapping[int, float],
    why: str,
) -> None:
    handle = optuna.Trial(desk.study, frozen._trial_id)
    for step, value in intermediate.items():
        if step not in frozen.intermediate_values:
            handle.report(value, step)
    for name, value in constraints.items():
        if math.isnan(value):
            raise ConfigurationError(f"constraint {name!r}: NaN says nothing; leave it out")
        if name not in frozen.constraints:
            handle.set_constraint(name, value)
    if why:
        has_failed = isinstance(outcome, str) and outcome != "pruned"
        handle.set_user_attr(_FAILURE_KEY if has_failed else COMMENT_KEY, shorten(why, _MAX_WHY))
    if outcome is None:
        return
    if outcome == "interrupted":
        try:
            raise _InterruptedRun(why)
        except _InterruptedRun:
            desk.study.tell(frozen.number, state=TrialState.FAIL)
    elif isinstance(outcome, str):
        desk.study.tell(frozen.number, state=_STATES[outcome])
    else:
        desk.study.tell(frozen.number, [float(v) for v in outcome])


def _compare_parts(
    frozen: FrozenTrial, intermediate: Mapping[int, float], constraints: Mapping[str, float]
) -> None:
    """Raise ConflictError where a trial has other values at steps, or of constraints, than told.

    Before it ends more of them may come.
    """
    is_over = frozen.state.is_finished()
    parts: list[tuple[str, Mapping[Any, float], Mapping[Any, float]]] = [
        ("at step", frozen.intermediate_values, intermediate),
        ("of constraint", frozen.constraints, constraints),
    ]
    for what, stored, told in parts:
        for key, value in told.items():
            had = stored.get(key)
            if had is None and not is_over:
                continue
            if had != value and not (had is not None and math.isnan(had) and math.isnan(value)):
                kept = "no value" if had is None else f"the value {had}"
                raise ConflictError(
                    f"trial={frozen.number} has {kept} {what} {key!r}, and now is told {value};"
                    " keep what is stored, or ask for a new trial"
                )


def _compare(frozen: FrozenTrial, outcome: Sequence[float] | str | None) -> None:
    """Raise ConflictError where a trial has ended otherwise than is told now."""
    state = _STATES[outcome] if isinstance(outcome, str) else TrialState.COMPLETE
    values = None if outcome is None or isinstance(outcome, str) else [float(v) for v in outcome]
    is_same = outcome is not None and frozen.state == state
    if is_same and (values is None or values == list(frozen.values)):
        return
    had = frozen.state.name.lower()
    had += f" with {frozen.values}" if frozen.state == TrialState.COMPLETE else ""
    now = "a report on the way" if outcome is None else str(outcome)
    raise ConflictError(
        f"trial={frozen.number} has ended already: {had}, and now is told {now}; keep what is"
        " stored, or ask for a new trial"
    )
