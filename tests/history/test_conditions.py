"""Parameters that come and go: conditional ones, ones added later, trials that say nothing."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm.history.history import History


DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "kind": CategoricalDistribution(["a", "b"]),
    "layers": IntDistribution(1, 3),
    "x": FloatDistribution(0, 1),
    "y": FloatDistribution(0, 1),
}


def _history(
    *trials: dict[str, Any],
    states: dict[int, TrialState] | None = None,
    announced: dict[str, BaseDistribution] | None = None,
) -> History:
    study = optuna.create_study()
    for i, params in enumerate(trials):
        state = (states or {}).get(i, TrialState.COMPLETE)
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions={n: DISTRIBUTIONS[n] for n in params},
                value=1.0 if state == TrialState.COMPLETE else None,
                state=state,
            )
        )
    return History.from_study(study, search_space=announced)


def test_done_without_after_it_was_known() -> None:
    history = _history({"x": 0.1, "y": 0.1}, {"x": 0.2}, {"x": 0.3, "y": 0.3})
    assert history.search_space().optional == {"y"}


def test_added_later_is_not_conditional() -> None:
    old = [{"kind": kind, "x": x} for kind in "ab" for x in (0.1, 0.9)]
    history = _history(*old, {"kind": "a", "x": 0.5, "y": 0.2})
    assert history.search_space().optional == frozenset()


@pytest.mark.parametrize("switch", [{"kind": "a"}, {"layers": 1}], ids=str)
def test_a_choice_explains_what_came_later(switch: dict[str, Any]) -> None:
    later = {**{n: "b" if v == "a" else 2 for n, v in switch.items()}, "y": 0.2}
    assert _history(switch, switch, later).search_space().optional == {"y"}


def test_a_trial_without_parameters_tells_nothing() -> None:
    history = _history({"x": 0.1, "y": 0.1}, {}, {"x": 0.2, "y": 0.2})
    assert history.search_space().optional == frozenset()


def test_a_failed_trial_tells_nothing() -> None:
    history = _history({"x": 0.1, "y": 0.1}, {"x": 0.2}, states={1: TrialState.FAIL})
    assert history.search_space().optional == frozenset()


def test_what_no_trial_has_asked_for_yet_is_not_conditional() -> None:
    announced = {n: DISTRIBUTIONS[n] for n in ("x", "y")}
    history = _history({"x": 0.1}, announced=announced)
    space = history.search_space()
    assert space.optional == frozenset()
    assert not history.tried(space).repeats({"x": 0.1, "y": 0.5})


def test_what_was_announced_to_a_trial_and_not_asked_for_was_inactive() -> None:
    study = optuna.create_study()
    trial = study.ask({"x": DISTRIBUTIONS["x"]})
    record = {"trial": 0, "source": "llm", "params": {"x": trial.params["x"], "y": 0.5}}
    study._storage.set_trial_system_attr(trial._trial_id, "llm:proposal", record)
    study.tell(trial, 1.0)
    history = History.from_study(study, search_space={"y": DISTRIBUTIONS["y"]})
    space = history.search_space()
    assert history.tried(space).repeats({"x": trial.params["x"], "y": 0.9})


def test_trials_that_ended_early_repeat_nothing() -> None:
    states = {0: TrialState.COMPLETE, 1: TrialState.FAIL}
    history = _history({"kind": "a", "x": 0.1}, {"kind": "b"}, states=states)
    tried = history.tried(history.search_space())
    assert tried.repeats({"kind": "a", "x": 0.1})
    assert not tried.repeats({"kind": "b", "x": 0.1})
    assert not tried.repeats({"kind": "b"})


def test_a_failed_trial_that_asked_for_everything_is_not_repeated() -> None:
    history = _history({"x": 0.3, "y": 0.4}, states={0: TrialState.FAIL})
    assert history.tried(history.search_space()).repeats({"x": 0.3, "y": 0.4})
