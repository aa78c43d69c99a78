from __future__ import annotations

from typing import Literal

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm.expectations.local import MAX_SHARE
from optuna_llm.expectations.local import MIN_SHARE
from optuna_llm.expectations.local import local_share
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.expected import Expected
from optuna_llm.history.history import History


Reach = Literal["", "local", "global"]


def share(trials: list[tuple[Reach, float]], n_trials: int | None = None) -> float:
    study = optuna.create_study()
    for reach, value in trials:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        write_parts(study, study._storage.get_trial(trial._trial_id), Expected(reach=reach))
        study.tell(trial, value)
    return local_share(History.from_study(study), n_trials)


def test_it_begins_with_half_and_follows_what_has_paid() -> None:
    assert share([]) == share([("", 1.0), ("", 0.5)]) == 0.5
    local_pays = [(r, -float(i) if r == "local" else 9.0) for i in range(12) for r in REACHES]
    global_pays = [(r, -float(i) if r == "global" else 9.0) for i in range(12) for r in REACHES]
    assert 0.7 < share(local_pays) <= MAX_SHARE
    assert MIN_SHARE <= share(global_pays) < 0.3
    assert share(local_pays) == pytest.approx(1 - share(global_pays), abs=0.05)


REACHES: tuple[Reach, ...] = ("local", "global")


def test_the_least_share_rises_towards_the_end_of_an_announced_budget() -> None:
    global_pays = [(r, -float(i) if r == "global" else 9.0) for i in range(12) for r in REACHES]
    shares = [share(global_pays, n) for n in (None, 240, 40, 30, 25)]
    assert shares == sorted(shares)
    assert shares[0] == shares[1] < 0.3
    assert shares[-1] > 0.8
    assert share(global_pays, len(global_pays)) == shares[0]  # The budget is passed.


def test_what_is_newest_counts_most() -> None:
    first = [(r, 100.0 - i if r == "local" else 999.0) for i in range(20) for r in REACHES]
    then = [(r, -float(i) if r == "global" else 999.0) for i in range(20) for r in REACHES]
    assert share([*first, *then]) < 0.4 < share(first)


def test_trials_without_a_value_do_not_count() -> None:
    study = optuna.create_study()
    trial = study.ask()
    write_parts(study, study._storage.get_trial(trial._trial_id), Expected(reach="local"))
    study.tell(trial, state=TrialState.FAIL)
    assert local_share(History.from_study(study)) == 0.5
