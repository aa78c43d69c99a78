from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

import optuna_llm
from optuna_llm import best_configuration
from optuna_llm.errors import ConfigurationError


SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0),
    "c": CategoricalDistribution([1, True, "1", None]),
}


def truth(params: dict[str, Any]) -> float:
    return 4 * (params["x"] - 0.4) ** 2


def study_of(*trials: tuple[float, float], direction: Any = "minimize") -> optuna.Study:
    """Return a study of trials (x, value)."""
    study = optuna.create_study(direction=direction)
    for x, value in trials:
        add(study, x, value)
    return study


def add(study: optuna.Study, x: float, value: float, **options: Any) -> None:
    params = {"x": x, "c": None}
    study.add_trial(create_trial(params=params, distributions=SPACE, value=value, **options))


def lucky_study(seed: int, n_trials: int = 40, direction: Any = "minimize") -> optuna.Study:
    """Return a study by another sampler of values whose noise hides what differs near the best."""
    rng = np.random.default_rng(seed)
    sign = 1 if direction == "minimize" else -1
    study = optuna.create_study(direction=direction, sampler=RandomSampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        return sign * (truth({"x": x}) + 0.3 * rng.normal())

    study.optimize(objective, n_trials=n_trials)
    return study


# ---- noise


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_what_is_expected_to_be_best_is_better_than_what_was_lucky(direction: Any) -> None:
    sign = 1 if direction == "minimize" else -1
    rows = []
    for seed in range(12):
        study = lucky_study(seed, direction=direction)
        best, luckiest = best_configuration(study), study.best_trial
        assert luckiest.value is not None
        lucky, kept = truth(luckiest.params), truth(best.params)
        rows.append([lucky, kept, lucky - sign * luckiest.value, kept - sign * best.value])
    lucky, kept, disappointment, left = np.mean(rows, axis=0)
    assert kept < 0.6 * lucky
    assert left < 0.4 * disappointment


def test_the_interval_holds_further_evaluations() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(8):
        best = best_configuration(lucky_study(seed))
        again = truth(best.params) + 0.3 * rng.normal(size=100)
        inside.append(np.mean((best.interval[0] <= again) & (again <= best.interval[1])))
    assert 0.65 < np.mean(inside) < 0.95


def test_repeats_count_together() -> None:
    rng = np.random.default_rng(0)
    others = [(x, truth({"x": x}) + 0.3 * rng.normal()) for x in np.linspace(0.75, 1, 15).tolist()]
    study = study_of(*others)
    for value in (-0.35, 0.2, 0.3, -0.1, 0.0, -0.3, 0.1):
        add(study, 0.41, value)
    best = best_configuration(study)
    assert best.params == {"x": 0.41, "c": None}
    assert (best.n_evaluations, best.trial, best.observed) == (7, 15, -0.35)
    assert best.is_noisy
    assert "evaluated 7 times" in str(best)


# ---- no noise


def test_without_noise_it_is_the_best_trial() -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    study.optimize(lambda t: truth({"x": t.suggest_float("x", 0, 1)}), n_trials=40)
    best = best_configuration(study)
    assert best.params == study.best_params
    assert (best.value, best.interval) == (study.best_value, (study.best_value,) * 2)
    assert (best.trial, best.n_evaluations) == (study.best_trial.number, 1)
    assert not best.is_noisy
    assert str(best).splitlines()[0] == f"value {best.value:.4g}, trial {best.trial}"
    assert "x  " in str(best)


def test_repeats_that_agree_prove_that_roughness_is_no_noise() -> None:
    rng = np.random.default_rng(0)
    rough = [(float(x), float(v)) for x, v in zip(rng.random(30), rng.random(30), strict=True)]
    assert best_configuration(study_of(*rough)).is_noisy
    study = study_of(*rough, rough[3])
    best = best_configuration(study)
    assert not best.is_noisy
    assert best.value == study.best_value


@pytest.mark.parametrize(
    "trials",
    [
        [(0.5, 2.0)],
        [(0.1, 1.0), (0.1, 1.0), (0.2, 3.0)],
        [(0.05 * i, 7.0) for i in range(15)],
        [(0.5, 1.0)] * 15,
    ],
    ids=["one", "few", "constant", "one configuration"],
)
def test_little_to_learn_from(trials: list[tuple[float, float]]) -> None:
    best = best_configuration(study_of(*trials))
    assert best.value == min(value for _, value in trials)
    assert not best.is_noisy


def test_choices_that_python_takes_for_equal_are_not_repeats() -> None:
    study = optuna.create_study()
    for choice in (1, True, "1", None):
        params = {"x": 0.5, "c": choice}
        study.add_trial(
            create_trial(params=params, distributions=SPACE, value=float(choice is None))
        )
    best = best_configuration(study)
    assert best.n_evaluations == 1
    assert not best.is_noisy


def test_a_noisy_study_without_parameters_tells_its_repetitions() -> None:
    study = optuna.create_study()
    values = [0.1 * n for n in range(11)]
    study.add_trials(create_trial(value=value) for value in values)
    best = best_configuration(study)
    assert best.is_noisy
    assert best.value == pytest.approx(0.5)
    assert best.interval == pytest.approx((0.1, 0.9))


# ---- which trials count


def test_only_what_met_the_constraints_is_kept() -> None:
    study = lucky_study(0)
    for value in (-9.0, -9.5):
        add(study, 0.9, value, constraints={"memory": 1.0})
    assert best_configuration(study).params["x"] != 0.9
    only = optuna.create_study()
    add(only, 0.9, 1.0, constraints={"memory": 1.0})
    with pytest.raises(ConfigurationError, match="no trial that met the constraints"):
        best_configuration(only)


def test_values_that_are_not_finite_are_not_kept() -> None:
    study = study_of((0.1, float("-inf")), (0.2, 3.0))
    assert best_configuration(study).params["x"] == 0.2


@pytest.mark.parametrize("state", [None, TrialState.FAIL, TrialState.PRUNED])
def test_a_study_in_which_nothing_is_complete_is_named(state: TrialState | None) -> None:
    study = optuna.create_study(study_name="young")
    if state is not None:
        study.tell(study.ask(), state=state)
    with pytest.raises(ConfigurationError, match="'young' has no trial that finished"):
        best_configuration(study)


def test_several_objectives_have_no_single_best() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, study_name="two")
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=2)
    with pytest.raises(ConfigurationError, match="'two' has 2 objectives"):
        best_configuration(study)


def test_it_is_public() -> None:
    assert {"best_configuration", "BestConfiguration"} <= set(optuna_llm.__all__)
    assert isinstance(best_configuration(study_of((0.1, 1.0))), optuna_llm.BestConfiguration)
