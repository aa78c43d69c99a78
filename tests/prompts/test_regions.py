from __future__ import annotations

from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial

from optuna_llm.history.history import History
from optuna_llm.prompts.regions import Box
from optuna_llm.prompts.regions import failure_boundary
from tests.prompts.building import random_history
from tests.prompts.building import study_of


def boundary(history: History) -> Box | None:
    return failure_boundary(history.search_space(), history.failed, history.ranking)


def test_two_conditions_are_found() -> None:
    history = random_history(80)
    box = boundary(history)
    assert box is not None
    names = {condition.split()[0] for condition in box.conditions}
    assert names == {"depth", "batch"}
    assert all(condition.split()[1] == ">=" for condition in box.conditions)
    assert box.n_inside == box.n_trials == len(history.failed) >= 3
    assert box.n_others_inside == 0


def test_one_condition_is_enough_where_it_explains_all() -> None:
    trials = [
        create_trial(
            params={"x": x / 40, "y": (x * 7) % 40},
            distributions={"x": FloatDistribution(0, 1), "y": IntDistribution(0, 40)},
            **({"value": 1.0} if x < 32 else {"state": TrialState.FAIL}),
        )
        for x in range(40)
    ]
    box = boundary(study_of(trials))
    assert box is not None
    assert box.conditions == ("x >= 0.8",)
    assert (box.n_inside, box.n_others_inside, box.n_others) == (8, 0, 32)


def test_one_stray_failure_in_ten_does_not_hide_the_boundary() -> None:
    trials = [
        create_trial(
            params={"x": x / 40},
            distributions={"x": FloatDistribution(0, 1)},
            **({"state": TrialState.FAIL} if x >= 29 or x == 3 else {"value": 1.0}),
        )
        for x in range(40)
    ]
    box = boundary(study_of(trials))
    assert box is not None
    assert box.conditions == ("x >= 0.725",)
    assert (box.n_inside, box.n_trials) == (11, 12)


def test_failures_at_random_have_no_boundary() -> None:
    found = 0
    for seed in range(40):
        history = random_history(40, seed=seed, troubled=False)
        # The first six of independent draws are as good as any six.
        box = failure_boundary(
            history.search_space(), history.observations[:6], history.observations[6:]
        )
        found += box is not None
    assert found <= 4


def test_too_few_failures_have_no_boundary() -> None:
    history = random_history(40, troubled=False)
    assert failure_boundary(history.search_space(), history.complete[:2], history.complete) is None
    assert failure_boundary(history.search_space(), history.complete[:9], ()) is None
