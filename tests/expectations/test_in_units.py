from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial
import pytest

from optuna_llm.expectations.in_units import forecaster
from optuna_llm.expectations.in_units import hindsight
from optuna_llm.expectations.in_units import partial_dependence
from optuna_llm.history.history import History
from tests.support.studies import make_conditional_study


SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0),
    "idle": FloatDistribution(0.0, 1.0),
}
LEVELS = (0.1, 0.5, 0.9)


def _study(n_trials: int, direction: Any = "minimize") -> optuna.Study:
    """Return a study of 10 x with noise; the trials and the noise are the same every time."""
    rng = np.random.default_rng(0)
    study = optuna.create_study(direction=direction)
    for _ in range(n_trials):
        params = {name: float(rng.uniform()) for name in SPACE}
        value = 10 * params["x"] + 0.3 * float(rng.normal())
        study.add_trial(create_trial(params=params, distributions=SPACE, value=value))
    return study


def _history(n_trials: int, direction: Any = "minimize") -> History:
    return History.from_study(_study(n_trials, direction))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_quantiles_are_in_the_units_of_the_objective(direction: Any) -> None:
    model = forecaster(_history(60, direction), 0)
    assert model is not None
    quantiles = model.quantiles([{"x": 0.2, "idle": 0.5}, {"x": 0.8, "idle": 0.5}], LEVELS)
    assert quantiles.shape == (2, 3)
    assert np.all(np.diff(quantiles, axis=1) > 0)
    assert quantiles[:, 1] == pytest.approx([2.0, 8.0], abs=0.7)


def test_too_few_trials_have_no_forecast() -> None:
    assert forecaster(_history(9), 0) is None
    assert partial_dependence(_history(9), 0, LEVELS) == {}
    assert hindsight(_history(10), 0, LEVELS).quantiles.shape == (0, 3)


def test_hindsight_knows_nothing_of_what_it_predicts() -> None:
    """Changing the outcomes of later trials leaves the predictions of earlier ones as they are."""
    whole, half = (hindsight(_history(n), 0, LEVELS) for n in (40, 25))
    assert [o.number for o in whole.observations] == list(range(10, 40))
    assert whole.quantiles[:15] == pytest.approx(half.quantiles)
    assert whole.outcomes[:15] == pytest.approx(half.outcomes)


def test_hindsight_is_calibrated_where_the_noise_is_even() -> None:
    found = hindsight(_history(200), 0, (0.1, 0.25, 0.75, 0.9))
    assert found.inside(0.1, 0.9).mean() == pytest.approx(0.8, abs=0.1)
    assert found.inside(0.25, 0.75).mean() == pytest.approx(0.5, abs=0.12)


def test_dependence_tells_a_parameter_that_matters_from_one_that_does_not() -> None:
    found = partial_dependence(_history(60), 0, LEVELS)
    x, idle = (found[name].quantiles[:, 1] for name in ("x", "idle"))
    assert found["x"].values[0] == 0.0
    assert found["x"].values[-1] == 1.0
    assert x[-1] - x[0] == pytest.approx(10.0, abs=2.0)
    assert np.ptp(idle) < 1.0


def test_dependence_of_a_conditional_parameter_is_that_of_the_trials_that_have_it() -> None:
    study = make_conditional_study(40, linear=30.0)
    found = partial_dependence(History.from_study(study), 0, LEVELS)
    assert found["depth"].values[0] == 1
    assert max(found["depth"].quantiles[:, 1]) < 20.0
    linear, tree = found["kind"].quantiles[:, 1]
    assert linear > tree
