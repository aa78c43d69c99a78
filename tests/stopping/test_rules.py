from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.stopping import Cost
from optuna_llm.stopping import ExpectedImprovement
from optuna_llm.stopping import Patience
from optuna_llm.stopping import RegretBound
from optuna_llm.stopping import Rule
from optuna_llm.stopping import Target
from tests.stopping.studies import converged_points
from tests.stopping.studies import remaining_of
from tests.stopping.studies import spread_points
from tests.stopping.studies import study_of


def test_expected_improvement_stops_where_less_is_left_than_a_trial_is_worth() -> None:
    remaining = remaining_of(study_of(converged_points(40)))
    found = ExpectedImprovement(worth=2 * remaining.promised, patience=1)(remaining)
    assert found.done
    assert found.left == remaining.expected
    assert "what a trial is worth" in found.sentence
    assert not ExpectedImprovement(worth=remaining.expected / 2)(remaining).done


def test_expected_improvement_has_patience() -> None:
    # The last trial alone has made the search look done.
    points = converged_points(40)
    study = study_of([*spread_points(20), points[-1]])
    remaining = remaining_of(study)
    worth = remaining.expected * 1.5
    assert remaining.before(1).expected > worth
    assert ExpectedImprovement(worth, patience=1)(remaining).done
    found = ExpectedImprovement(worth, patience=2)(remaining)
    assert not found.done
    assert "only after one trial" in found.sentence


@pytest.mark.parametrize("rule", [ExpectedImprovement(), Cost(1.0)])
def test_a_space_that_was_tried_as_a_whole_leaves_nothing(rule: Rule) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: float(t.suggest_int("x", 1, 3)), n_trials=20)
    found = rule(remaining_of(study))
    assert found.done
    assert found.sentence == "every configuration has been tried."


def test_by_default_a_share_of_the_error_of_the_folds_counts() -> None:
    points = converged_points(40)
    rough = study_of(points, user_attrs={"llm:scores": [0.0, 1.0]})
    fine = study_of(points, user_attrs={"llm:scores": [0.0, 1e-9]})
    assert ExpectedImprovement()(remaining_of(rough)).done
    assert not ExpectedImprovement()(remaining_of(fine)).done


def test_regret_bound_is_held_against_the_error() -> None:
    remaining = remaining_of(study_of(converged_points(40)))
    found = RegretBound(error=1e-9)(remaining)
    assert not found.done
    assert found.left is not None
    # A bound is no expectation: it is above it.
    assert found.left > remaining.promised
    assert RegretBound(error=2 * found.left)(remaining).done
    assert found.left < (RegretBound(error=1.0, delta=1e-6)(remaining).left or 0.0)
    unknown = RegretBound()(remaining)
    assert not unknown.done
    assert "llm:scores" in unknown.sentence


def test_patience_counts_trials_since_the_last_improvement() -> None:
    study = study_of(spread_points(15), [5.0, 3.0, *(4.0 for _ in range(12)), 2.999])
    remaining = remaining_of(study)
    assert not Patience(1)(remaining).done
    assert Patience(13, least=0.01)(remaining).done
    assert not Patience(14, least=0.01)(remaining).done


@pytest.mark.parametrize(
    ("direction", "enough", "too_much"), [("minimize", 2, 1), ("maximize", 4, 5)]
)
def test_target_is_a_value_of_the_objective(
    direction: str, enough: float, too_much: float
) -> None:
    remaining = remaining_of(study_of(spread_points(3), [2.0, 3.0, 4.0], direction=direction))
    assert Target(enough)(remaining).done
    assert not Target(too_much)(remaining).done


def test_cost_is_held_against_gain() -> None:
    study = study_of(converged_points(40), user_attrs={"euros": 2.0})
    remaining = remaining_of(study)
    gain = remaining.expected
    cheap, dear = (Cost(gain * f / 2, "euros", patience=1)(remaining) for f in (0.5, 2.0))
    assert not cheap.done
    assert dear.done
    assert dear.worth == pytest.approx(2 * gain, rel=0.05)
    unknown = Cost(1.0, "dollars")(remaining)
    assert not unknown.done
    assert "dollars" in unknown.sentence


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        (ExpectedImprovement, {"worth": 0}),
        (ExpectedImprovement, {"worth": "much"}),
        (ExpectedImprovement, {"patience": 0}),
        (ExpectedImprovement, {"share": -1.0}),
        (RegretBound, {"error": float("inf")}),
        (RegretBound, {"delta": 0.0}),
        (Patience, {"trials": 1.5}),
        (Patience, {"least": -1}),
        (Target, {"value": float("nan")}),
        (Cost, {"price": None}),
        (Cost, {"price": 1.0, "attribute": 3}),
    ],
)
def test_arguments_are_checked(rule: Any, options: dict[str, Any]) -> None:
    name = list(options)[-1]
    with pytest.raises(ConfigurationError, match=name):
        rule(**options)
