from __future__ import annotations

from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial

from optuna_llm.history import History
from optuna_llm.prompts.regions import Box
from optuna_llm.prompts.regions import failure_boundary
from optuna_llm.prompts.regions import undersampled_boxes
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


def test_empty_region_is_found_and_counted() -> None:
    trials = [
        create_trial(
            params={"x": x / 100, "y": (x * 13) % 31},
            distributions={"x": FloatDistribution(0, 1), "y": IntDistribution(0, 30)},
            value=1.0,
        )
        for x in range(60)
    ]
    boxes = undersampled_boxes(study_of(trials).search_space(), study_of(trials))
    assert boxes[0].conditions == ("x from 0.6667 to 1",)
    assert (boxes[0].n_inside, boxes[0].n_trials) == (0, 60)


def test_regions_of_equal_emptiness_are_ordered_by_promise() -> None:
    trials = [
        create_trial(
            params={"x": x, "y": y},
            distributions={"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)},
            value=x + y,
        )
        # Each side of each parameter has been seen, the corners at both ends have not.
        for x, y in ((0.1, 0.9), (0.9, 0.1), (0.5, 0.5), (0.1, 0.5), (0.9, 0.5), (0.5, 0.9))
    ]
    history = study_of([*trials, *trials])
    texts = [str(box) for box in undersampled_boxes(history.search_space(), history, limit=99)]
    low = texts.index("x from 0 to 0.3333 and y from 0 to 0.3333")
    high = texts.index("x from 0.6667 to 1 and y from 0.6667 to 1")
    assert low < high


def test_optional_parameters_and_short_histories_have_no_region() -> None:
    history = random_history(60, conditional=True)
    space = history.search_space()
    assert space.optional == {"dropout"}
    shown = " ".join(map(str, undersampled_boxes(space, history, limit=500)))
    assert "dropout" not in shown
    assert "lr" in shown
    assert undersampled_boxes(space, random_history(3, troubled=False)) == []


def test_small_grids_are_cut_between_their_values() -> None:
    trials = [
        create_trial(
            params={"n": n, "x": n / 10},
            distributions={"n": IntDistribution(1, 4), "x": FloatDistribution(0, 1)},
            value=1.0,
        )
        for n in (1, 1, 2, 1, 2, 1)
    ]
    history = study_of(trials)
    texts = [str(box) for box in undersampled_boxes(history.search_space(), history, limit=99)]
    assert "n = 3" in texts
    assert "n = 4" in texts
