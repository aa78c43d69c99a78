from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate.online import DEVIATIONS
from optuna_llm.surrogate.online import Recalibration
from optuna_llm.surrogate.online import deviations


LEVELS = (0.1, 0.2, 0.5, 0.8, 0.9)


def normal(mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return mean + sd * DEVIATIONS[None]


def test_with_nothing_to_learn_from_quantiles_are_told_as_predicted() -> None:
    for levels in (LEVELS, (0.02, 0.98)):
        told = Recalibration().quantiles(normal(5.0, 2.0), levels)[0]
        np.testing.assert_allclose(ndtr((told - 5.0) / 2.0), levels, atol=0.005)


@pytest.mark.parametrize(
    ("quantiles", "outcome", "expected"),
    [
        (DEVIATIONS, 0.25, 0.25),
        (DEVIATIONS, -3.0, -3.0),
        (DEVIATIONS, 5.0, 5.0),
        (DEVIATIONS, 1e308, 8.0),
        (DEVIATIONS * 1e307, -1.7e308, -8.0),
        (np.zeros(9), 0.0, 0.0),
        (np.zeros(9), 1e-9, 8.0),
        (np.zeros(9), -1e-9, -8.0),
        (np.maximum(DEVIATIONS, 0.0), 0.0, -2.0),
    ],
)
def test_where_an_outcome_lies(quantiles: np.ndarray, outcome: float, expected: float) -> None:
    (found,) = deviations(np.array([quantiles]), np.array([outcome]))
    assert found == pytest.approx(expected)


def test_an_outcome_at_a_told_quantile_has_that_deviation() -> None:
    rng = np.random.default_rng(0)
    expected = np.sort(rng.normal(size=(20, len(DEVIATIONS))), axis=1)
    told = Recalibration().quantiles(expected, (0.3,))[:, 0]
    np.testing.assert_allclose(ndtr(deviations(expected, told)), 0.3, atol=0.005)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 0.5), (0.0, 2.0), (0.7, 1.0), (-0.5, 1.5)])
def test_intervals_that_are_wrong_come_to_hold_what_they_say(mean: float, sd: float) -> None:
    rng = np.random.default_rng(0)
    outcomes = rng.normal(mean, sd, size=600)
    scores = deviations(np.repeat(normal(), len(outcomes), axis=0), outcomes)
    told = np.array(
        [Recalibration(scores[:t]).quantiles(normal(), LEVELS)[0] for t in range(len(outcomes))]
    )
    below = (outcomes[10:, None] <= told[10:]).mean(axis=0)
    np.testing.assert_allclose(below, LEVELS, atol=0.05)


def test_the_newest_outcomes_count_most() -> None:
    scores = [*[4.0] * 60, *[-1.0] * 40]
    assert Recalibration(scores).quantiles(normal(), (0.5,))[0, 0] < 0.0
    assert Recalibration(scores[::-1]).quantiles(normal(), (0.5,))[0, 0] > 3.0


def test_one_surprise_does_not_move_everything() -> None:
    told = Recalibration([8.0]).quantiles(normal(), LEVELS)[0]
    assert abs(told[2]) < 1.0
    assert told[4] > 1.5


@pytest.mark.parametrize("expected", [np.zeros(9), 1e307 * DEVIATIONS, np.full(9, 1e308)])
def test_told_quantiles_are_finite_and_increase(expected: np.ndarray) -> None:
    for scores in ([], [8.0] * 50, [-8.0] * 50, [-8.0, 8.0] * 50):
        told = Recalibration(scores).quantiles(np.array([expected]), LEVELS)[0]
        assert np.isfinite(told).all()
        assert (np.diff(told) >= 0).all()


def test_a_level_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"levels=\[1.0\]"):
        Recalibration().quantiles(normal(), (1.0,))
