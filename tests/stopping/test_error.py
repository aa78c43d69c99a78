from __future__ import annotations

import math
from typing import Any
import warnings

import numpy as np
import optuna
import pytest

from optuna_llm.stopping.error import error_of_best
from optuna_llm.stopping.error import fold_error
from optuna_llm.stopping.error import spread
from tests.stopping.studies import remaining_of
from tests.stopping.studies import spread_points
from tests.stopping.studies import study_of


SCORES = [0.8, 0.9, 0.7, 0.85, 0.75]


def test_the_error_of_folds_is_that_of_nadeau_and_bengio() -> None:
    # The variance of SCORES is .00625; 1/5 + 1/4 = .45.
    assert fold_error(np.array(SCORES)) == pytest.approx(math.sqrt(0.45 * 0.00625))


@pytest.mark.parametrize("key", ["user_attrs", "system_attrs"])
def test_scores_are_read_wherever_they_were_left(key: str) -> None:
    name = "llm:scores" if key == "user_attrs" else "terminator:cv_scores"
    study = study_of(spread_points(12), **{key: {name: SCORES}})
    error = error_of_best(remaining_of(study))
    assert error is not None
    assert error.value == pytest.approx(fold_error(np.array(SCORES)))
    assert "5 folds" in error.reason


def test_objectives_written_for_the_terminator_keep_working() -> None:
    def objective(trial: optuna.Trial) -> float:
        from optuna.terminator import report_cross_validation_scores

        x = trial.suggest_float("x", 0, 1)
        report_cross_validation_scores(trial, [x, x + 0.2])
        return x

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        study.optimize(objective, n_trials=10)
    error = error_of_best(remaining_of(study))
    assert error is not None
    assert error.value == pytest.approx(math.sqrt(1.5 * 0.02))


@pytest.mark.parametrize("left", ["many", [1.0], [1.0, float("nan")], [[1.0, 2.0]], None])
def test_what_are_no_scores_is_left_alone(left: Any) -> None:
    study = study_of(spread_points(12), user_attrs={"llm:scores": left})
    assert error_of_best(remaining_of(study)) is None


def test_repeats_tell_the_error_of_a_mean() -> None:
    points = [*spread_points(10), (0.3, 0.6), (0.3, 0.6)]
    values = [1.0 + i for i in range(10)] + [0.1, 0.3]
    error = error_of_best(remaining_of(study_of(points, values)))
    assert error is not None
    assert error.value == pytest.approx(math.sqrt(0.02 / 2))
    assert "repeat" in error.reason


def test_spread_is_of_the_better_half() -> None:
    values = [*np.linspace(0, 1, 21), *(1e9 for _ in range(20))]
    assert spread(remaining_of(study_of(spread_points(41), values))).value == pytest.approx(0.0015)
