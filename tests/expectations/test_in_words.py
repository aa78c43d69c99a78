from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.samplers import PartialFixedSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm.expectations.in_words import expectation
from optuna_llm.history.expected import Expected
from optuna_llm.history.history import History
from optuna_llm.surrogate.online import Recalibration
from optuna_llm.surrogate.online import deviations


SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "x": FloatDistribution(0.0, 1.0),
}
LEVELS = np.array([0.1, 0.5, 0.9])


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    return abs(np.log10(rate) + 2) + trial.suggest_float("x", 0.0, 1.0)


def run(
    sampler: optuna.samplers.BaseSampler, n_trials: int = 14, objective: Any = objective, **of: Any
) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, **of)
    study.optimize(objective, n_trials=n_trials)
    return study


def labels(study: optuna.Study) -> list[tuple[str, str]]:
    return [(t.user_attrs["llm:source"], t.user_attrs["llm:rationale"]) for t in study.trials]


# ---- the sentence


@pytest.mark.parametrize(
    ("direction", "value", "told"),
    [
        (
            "minimize",
            0.25,
            "Expected loss: 2 (80% interval 1 to 3), after 1 trial; their best: 0.25.",
        ),
        (
            "maximize",
            0.25,
            "Expected loss: -2 (80% interval -3 to -1), after 1 trial; their best: 0.25.",
        ),
    ],
)
def test_expectations_carry_the_users_sign(direction: str, value: float, told: str) -> None:
    study = run(RandomSampler(), 1, lambda t: value, direction=direction)
    study.set_metric_names(["loss"])
    quantiles = np.array([1.0, 2.0, 3.0])
    assert expectation(History.from_study(study), LEVELS, quantiles) == told


def test_what_is_expected_of_constraints_and_several_objectives() -> None:
    study = run(RandomSampler(), 2, lambda t: (0.0, 1.0), directions=["minimize", "maximize"])
    history = History.from_study(study)
    quantiles = np.array([1.0, 2.0, 3.0])
    assert expectation(history, LEVELS, quantiles) == (
        "The most promising for one weighting of the 2 objectives, after 2 trials."
    )
    assert expectation(history, LEVELS, quantiles, feasible=0.8) == (
        "The most promising for one weighting of the 2 objectives, 80% likely to meet the"
        " constraints, after 2 trials."
    )


def test_several_objectives_are_told_each_in_its_unit_and_sign() -> None:
    study = run(RandomSampler(), 2, lambda t: (0.0, 1.0), directions=["minimize", "maximize"])
    study.set_metric_names(["error", "speed"])
    quantiles = np.array([[1.0, 2.0, 3.0], [-30.0, -20.0, -10.0]])
    told = expectation(History.from_study(study), LEVELS, quantiles, feasible=0.8)
    assert told == (
        "Expected error: 2 (80% interval 1 to 3), speed: 20 (80% interval 10 to 30), 80% likely to"
        " meet the constraints, after 2 trials; chosen for what it may add to their Pareto front."
    )


def test_what_is_expected_where_nothing_is_complete_or_feasible() -> None:
    quantiles = np.array([1.0, 2.0, 3.0])
    study = optuna.create_study(direction="maximize")
    trial = study.ask()
    trial.report(0.7, 1)
    study.tell(trial, state=TrialState.PRUNED)
    assert expectation(History.from_study(study), LEVELS, quantiles) == (
        "The most promising by the order of 1 trial; none is complete yet."
    )
    trial = study.ask()
    trial.set_constraint("memory", 1.0)
    study.tell(trial, 0.9)
    assert expectation(History.from_study(study), LEVELS, -quantiles, feasible=0.1) == (
        "Expected value: 2 (80% interval 1 to 3), 10% likely to meet the constraints, after 2"
        " trials."
    )


# ---- CQRSampler, which says so itself where it is the study's sampler


def test_every_trial_of_a_statistical_sampler_says_where_it_comes_from() -> None:
    sampler = CQRSampler(seed=0, known_good=[{"x": 0.5}], prior=True)
    study = run(sampler)
    study.enqueue_trial({"learning_rate": 0.5, "x": 0.1})
    study.optimize(objective, n_trials=1)
    found = labels(study)
    assert found[0] == ("prior", "Known good configuration 1 of 1, from the user.")
    assert found[1] == ("prior", "Start-up: the usual values, where parameters have any.")
    assert found[2] == ("prior", "Start-up: near the usual values, where parameters have any.")
    assert all(source == "base" and "interval" in why for source, why in found[10:14])
    assert found[14][0] == "enqueued"
    ignorant = labels(run(CQRSampler(seed=0, prior=False), 3))
    assert ignorant[1] == (
        "base",
        "Start-up: drawn from a Latin hypercube, as too little is known yet.",
    )


def test_expected_intervals_hold_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    study = run(CQRSampler(seed=0), 50, lambda t: objective(t) + rng.normal())
    inside = []
    for trial in study.trials[10:]:
        told = re.search(r"interval (\S+) to (\S+)\)", trial.user_attrs["llm:rationale"])
        assert told is not None
        assert trial.value is not None
        inside.append(float(told[1]) <= trial.value <= float(told[2]))
    assert 0.4 < np.mean(inside) < 0.9


def test_what_is_told_is_corrected_by_what_came() -> None:
    """Who reads the records of a study comes to the interval that its trials have told."""
    study = run(CQRSampler(seed=0, n_startup_trials=4), 20)
    scores: list[float] = []
    corrected = 0
    for trial in study.trials[4:]:
        expected = np.array([Expected.read(trial).expected])
        levels = (1 / 6, 0.5, 5 / 6)
        told = re.search(
            r"loss: (\S+) \(67% interval (\S+) to (\S+)\)",
            trial.user_attrs["llm:rationale"].replace("value:", "loss:"),
        )
        assert told is not None
        numbers = [float(told[2]), float(told[1]), float(told[3])]
        after = Recalibration(scores).quantiles(expected, levels)[0]
        assert numbers == pytest.approx(after, rel=2e-3, abs=2e-3)
        corrected += numbers != pytest.approx(
            Recalibration().quantiles(expected, levels)[0], rel=0.02, abs=0.02
        )
        scores += deviations(expected, np.array([trial.value])).tolist()
    assert corrected > 4


def test_every_proposal_of_a_shared_study_records_what_was_expected() -> None:
    study = run(LLMSampler(seed=0), 24)
    study.enqueue_trial({"learning_rate": 0.5})
    study.optimize(objective, n_trials=1)
    sources = {t.user_attrs["llm:source"] for t in study.trials[10:24]}
    assert sources == {"base"}
    assert all(len(Expected.read(t).expected) == 9 for t in study.trials[10:24])
    # What the surrogate says of its own choice is not about what a user has chosen.
    assert Expected.read(study.trials[24]) == Expected()
    assert Expected.read(study.trials[0]) == Expected()


def test_nothing_is_recorded_where_losses_have_no_unit() -> None:
    two = run(
        CQRSampler(seed=0),
        12,
        lambda t: (objective(t), t.params["x"]),
        directions=["minimize"] * 2,
    )
    assert not any(Expected.read(t).expected for t in two.trials)


@pytest.mark.parametrize("kind", ["pickled", "hyperband", "threads", "another start"])
def test_labels_wherever_it_is_the_studys_sampler(kind: str) -> None:
    sampler = CQRSampler(seed=0, n_startup_trials=4)
    if kind == "another start":
        sampler = CQRSampler(seed=0, n_startup_trials=4, independent_sampler=RandomSampler())
    if kind == "pickled":
        sampler = pickle.loads(pickle.dumps(sampler))
    options = {"pruner": optuna.pruners.HyperbandPruner()} if kind == "hyperband" else {}
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=8, n_jobs=4 if kind == "threads" else 1)
    assert len(labels(study)) == 8
    assert any("interval" in why for _, why in labels(study))
    assert any("by RandomSampler" in why for _, why in labels(study)) == (kind == "another start")


def test_the_base_of_a_hybrid_sampler_says_what_it_expects() -> None:
    study = run(LLMSampler(seed=0, base_sampler=CQRSampler(seed=0, n_startup_trials=3)), 20)
    expected = [why for source, why in labels(study) if source == "base"]
    assert all("interval" in why for why in expected)
    # The trial is labelled once, by the hybrid sampler.
    assert any(source == "prior" for source, _ in labels(study))


def test_the_base_of_another_sampler_leaves_the_word_to_it() -> None:
    study = run(LLMSampler(seed=0, base_sampler=TPESampler(seed=0)), 20)
    assert ("base", "TPESampler's turn.") in labels(study)
    wrapped = run(PartialFixedSampler({"x": 0.5}, CQRSampler(seed=0)), 3)
    assert not any("llm:source" in t.user_attrs for t in wrapped.trials)


def test_a_label_is_no_proposal_of_the_hybrid_family() -> None:
    """So a study that goes on with a hybrid sampler still begins with what is known to be good."""
    study = run(CQRSampler(seed=0), 12)
    study.sampler = LLMSampler(known_good=[{"x": 0.123}], seed=0)
    study.optimize(objective, n_trials=1)
    assert study.trials[-1].params["x"] == 0.123
