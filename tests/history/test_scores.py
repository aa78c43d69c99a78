"""One scale for any objective."""

from __future__ import annotations

from collections.abc import Callable
import math

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm.history.history import History
from optuna_llm.history.scores import ScoreScale


RNG = np.random.default_rng(0)


def study_of(values: list[float], direction: str = "minimize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for i, value in enumerate(values):
        params = {"x": i / len(values)}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    return study


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(
    "unit", [lambda v: v, lambda v: 1e6 * (v - 3), lambda v: 1e-8 * v, lambda v: 1e-9 * v - 1e-3]
)
def test_scores_do_not_depend_on_unit_sign_or_direction(
    unit: Callable[[float], float], direction: str
) -> None:
    losses = [1.0, 2.0, 3.0, 4.0, 5.0, 100.0]
    sign = 1 if direction == "minimize" else -1
    history = History.from_study(study_of([sign * unit(v) for v in losses], direction))
    scores = list(ScoreScale.of(history, RNG).scores(history).values())
    assert scores[0] == pytest.approx(1000)
    # The first five set the scale.
    assert scores[1:3] == pytest.approx([1000 * (4 - v) / 3 for v in losses[1:3]], rel=1e-3)
    assert scores[3] == pytest.approx(0, abs=1e-3)
    assert -500 <= scores[5] < -400


@pytest.mark.parametrize(("direction", "beyond"), [("minimize", 9.0), ("maximize", 41.0)])
def test_more_than_1000_is_beyond_the_best(direction: str, beyond: float) -> None:
    values = [10.0, 20.0, 20.0, 40.0] if direction == "minimize" else [0.0, 30.0, 30.0, 40.0]
    history = History.from_study(study_of(values, direction))
    scale = ScoreScale.of(history, RNG)
    unit = abs(scale.best - scale.poor) / 1000
    own = scale.value(history, 1000 + 1 / unit)
    assert own == pytest.approx(beyond)


def _scale(values: list[float]) -> ScoreScale:
    return ScoreScale.of(History.from_study(study_of(values)), RNG)


def test_the_scale_stays_while_it_tells_good_results_apart() -> None:
    values = [5.0, 4.0, 3.0, 2.0, 1.0, 0.9, 50.0, 0.8, 0.7, 0.6, 0.5, *np.linspace(0.4, -0.2, 12)]
    scales = [_scale(values[:n]) for n in range(5, len(values) + 1)]
    assert all(scale == scales[0] for scale in scales)
    assert scales[4].best_score(History.from_study(study_of(values[:9]))) == pytest.approx(1100)


def test_a_scale_that_tells_good_results_apart_no_more_is_set_anew() -> None:
    # The first trials were far from what followed; ten have been run by then, not before.
    values = [5.0, 1e6, 3e6, 2e6, 1e5, 4.0, 3.0, 2.0, 1.0, 0.9, 0.8]
    scales = [_scale(values[:n]) for n in range(5, 12)]
    assert all(scale == scales[0] for scale in scales[:5])
    assert scales[5] == scales[6] != scales[0]
    assert scales[5].best == 0.9


def test_what_is_far_beyond_sets_the_scale_anew() -> None:
    values = [5.0, 4.0, 3.0, 2.0, 1.0, -30.0]
    assert _scale(values).best == -30


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0])
def test_a_constant_objective_has_the_best_score(value: float) -> None:
    history = History.from_study(study_of([value] * 4))
    scale = ScoreScale.of(history, RNG)
    assert set(scale.scores(history).values()) == {1000.0}
    own = scale.value(history, 1100)
    assert own is not None
    assert own < value


def test_infinite_and_huge_values_have_scores() -> None:
    history = History.from_study(study_of([1.0, 2.0, math.inf, -1.7e308, 1.7e308]))
    scores = ScoreScale.of(history, RNG).scores(history)
    assert all(math.isfinite(s) for s in scores.values())
    assert scores[3] == pytest.approx(1000)
    assert scores[2] == pytest.approx(-500)


def test_failed_trials_have_none_and_infeasible_ones_the_worst() -> None:
    study = study_of([1.0, 2.0, 3.0])
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    study.add_trial(
        optuna.trial.create_trial(params={"x": 0.1}, distributions=space, state=TrialState.FAIL)
    )

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 0, 1)
        trial.set_constraint("memory", 1.0)
        return 0.0

    study.optimize(objective, n_trials=1)
    history = History.from_study(study)
    scores = ScoreScale.of(history, RNG).scores(history)
    assert set(scores) == {0, 1, 2, 4}
    assert scores[4] == -500
    assert scores[0] == 1000


def test_without_feasible_trials_violations_count() -> None:
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("memory", 1.0 + trial.number)
        return x

    study.optimize(objective, n_trials=4)
    history = History.from_study(study)
    scale = ScoreScale.of(history, RNG)
    scores = scale.scores(history)
    assert sorted(scores, key=lambda n: -scores[n]) == [0, 1, 2, 3]
    assert scale.value(history, 1000) is None


def test_stopped_trials_are_estimated_at_the_end_of_their_curve() -> None:
    study = optuna.create_study()
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for i in range(6):
        whole = i < 5
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": 0.1 * i},
                distributions=space,
                # Every curve falls by 1 from step 1 to the end.
                intermediate_values={1: 2.0 + i, 2: 1.0 + i} if whole else {1: 3.5},
                value=1.0 + i if whole else None,
                state=TrialState.COMPLETE if whole else TrialState.PRUNED,
            )
        )
    history = History.from_study(study)
    scores = ScoreScale.of(history, RNG).scores(history)
    assert scores[1] > scores[5] > scores[2]


def test_several_objectives_get_weights_that_decide_the_order() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for first, second in [(0.0, 0.0), (1.0, 1.0), (0.5, 0.4), (1.0, 0.0)]:
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": first}, distributions=space, values=[first, second]
            )
        )
    history = History.from_study(study)
    best = set()
    for seed in range(20):
        scale = ScoreScale.of(history, np.random.default_rng(seed))
        assert sum(scale.weights) == pytest.approx(1)
        scores = scale.scores(history)
        best.add(max(scores, key=lambda n: scores[n]))
        assert min(scores, key=lambda n: scores[n]) == 3
        assert ScoreScale.from_dict(scale.to_dict()) == scale
        assert scale.value(history, 1000) is None
    assert {0, 1} <= best
