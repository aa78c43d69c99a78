from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
import pytest

from optuna_llm.cqr import CQRSampler
from optuna_llm.history.announcement import Announcement
from tests.support.searches import bowl
from tests.support.searches import optimised
from tests.support.searches import tree


# ---- what it is for


@pytest.mark.slow
@pytest.mark.parametrize("objective", [bowl, tree])
def test_it_finds_better_values_than_random_search(objective: Any):
    found = [
        np.mean([optimised(build(s), objective, 40).best_value for s in range(3)])
        for build in (lambda s: CQRSampler(seed=s), lambda s: RandomSampler(seed=s))
    ]
    assert found[0] < 0.5 * found[1]


@pytest.mark.parametrize(
    "options",
    [
        {"acquisition": "ts"},
        {"acquisition": "lcb"},
        {"acquisition": "ei"},
        pytest.param({"surrogate": "gbt"}, marks=pytest.mark.slow),
    ],
)
def test_every_variant_learns(options: dict):
    study = optimised(CQRSampler(seed=0, **options), bowl, 18)
    values = [t.value for t in study.trials]
    assert np.mean(values[-6:]) < 0.7 * np.mean(values[:10])


letters = CategoricalDistribution(("a", "b", "c"))


def test_near_an_announced_end_nothing_is_explored_for_later():
    known = [
        optuna.create_trial(
            params={"c": c, "x": v / 19},
            distributions={"c": letters, "x": FloatDistribution(0, 1)},
            value=float("abc".index(c)) + v / 190,
        )
        for v, c in enumerate("a" * 10 + "b" * 8 + "c")
    ]

    def share_of_rare(**options: Any) -> float:
        found = []
        for seed in range(40):
            sampler = CQRSampler(seed=seed, n_candidates=64, **options)
            study = optuna.create_study(sampler=sampler)
            study.add_trials(known)
            found.append(study.ask({"c": letters, "x": FloatDistribution(0, 1)}).params["c"])
        return found.count("c") / len(found)

    assert share_of_rare(n_trials=20) < 0.5
    for n_trials in (None, 40, 19):  # Unknown, far, and passed.
        assert share_of_rare(n_trials=n_trials) == 1


# ---- repetition


def noisy_bowl(seed: int = 0, noise: float = 0.3) -> Callable[[optuna.Trial], float]:
    rng = np.random.default_rng(seed)
    return lambda trial: bowl(trial) + noise * rng.normal()


def repetitions(study: optuna.Study) -> list[int]:
    """Return the numbers of the trials that repeat an earlier one."""
    seen: list[dict[str, Any]] = []
    found = []
    for trial in study.trials:
        found += [trial.number] if trial.params in seen else []
        seen.append(trial.params)
    return found


def test_the_last_tenth_of_a_noisy_study_repeats_contenders():
    study = optimised(CQRSampler(seed=0, n_trials=30, noisy=True), noisy_bowl(), 30)
    assert repetitions(study) == [27, 28, 29]

    def true_value(trial: optuna.trial.FrozenTrial) -> float:
        return bowl(optuna.trial.FixedTrial(trial.params))

    good = np.median([true_value(t) for t in study.trials[:27]])
    assert np.median([true_value(t) for t in study.trials[27:]]) < good
    for trial in study.trials[27:]:
        why = trial.user_attrs["llm:rationale"]
        assert why.startswith("Repeats trial ")
        assert "Expected value" in why
        other = study.trials[int(why.split()[2].strip(","))]
        assert other.params == trial.params


@pytest.mark.parametrize(
    ("options", "trials"),
    [
        ({"noisy": True}, noisy_bowl()),  # Nobody knows where the end is.
        ({"n_trials": 20}, noisy_bowl()),  # It may be roughness.
        ({"n_trials": 20, "noisy": False}, noisy_bowl()),
        ({"n_trials": 20}, bowl),
        ({"n_trials": 20, "noisy": True}, lambda t: 3.0 + 0 * bowl(t)),
        ({"n_trials": 20, "noisy": True, "surrogate": "gbt", "n_startup_trials": 20}, bowl),
    ],
    ids=["no end", "not known", "denied", "smooth", "constant", "published"],
)
def test_nothing_else_is_repeated(options: dict[str, Any], trials: Any):
    assert repetitions(optimised(CQRSampler(seed=0, **options), trials, 20)) == []


def test_one_repetition_shows_whether_an_objective_is_noisy():
    """Whoever enqueues a configuration twice need not say whether the objective is noisy."""

    def run(objective: Any) -> optuna.Study:
        study = optuna.create_study(sampler=CQRSampler(seed=0, n_trials=20))
        for _ in range(2):
            study.enqueue_trial({"x": 0.5, "y": 0.5})
        study.optimize(objective, n_trials=20)
        return study

    rng = np.random.default_rng(0)
    table: dict[Any, float] = {}

    def rough(trial: optuna.Trial) -> float:
        value = bowl(trial)
        return value + 0.3 * table.setdefault(tuple(trial.params.values()), rng.normal())

    assert repetitions(run(rough)) == [1]
    assert repetitions(run(noisy_bowl())) == [1, 18, 19]


def test_maximisation_mirrors_minimisation():
    down = optimised(CQRSampler(seed=0), bowl, 16)
    up = optimised(CQRSampler(seed=0), lambda t: -bowl(t), 16, direction="maximize")
    assert [t.params for t in down.trials] == [t.params for t in up.trials]


def test_conditional_parameters_are_proposed_jointly_and_kept_legal():
    study = optimised(CQRSampler(seed=0), tree, 40)
    proposals = [Announcement.read(t).params for t in study.trials[10:]]
    assert {"ridge", "depth", "bag", "leaves"} <= set.union(*map(set, proposals))
    late = [t.params["model"] for t in study.trials[20:]]
    assert late.count("linear") >= 6


def test_infinite_values_and_a_range_that_changes():
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1 if trial.number < 15 else 3)
        return [float("inf"), float("-inf"), 1e300][trial.number] if trial.number < 3 else x

    study = optimised(CQRSampler(seed=0, n_startup_trials=3), objective, 20)
    assert all(t.state == TrialState.COMPLETE for t in study.trials)


def test_noise_does_not_stop_it():
    rng = np.random.default_rng(0)
    study = optimised(CQRSampler(seed=0), lambda t: bowl(t) + 0.05 * rng.standard_normal(), 40)
    late = [(t.params["x"] - 0.3) ** 2 + (t.params["y"] - 0.6) ** 2 for t in study.trials[25:]]
    assert np.median(late) < 0.05


def test_a_small_space_is_searched_without_repetition():
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_int("a", 0, 4) + trial.suggest_categorical(
            "b", ["u", "v", "w"]
        ).count("v")

    study = optimised(CQRSampler(seed=0, n_startup_trials=2), objective, 15)
    assert len({tuple(t.params.values()) for t in study.trials[1:]}) >= 14
    study.optimize(objective, n_trials=3)


# ---- failures and constraints


@pytest.mark.slow
def test_failing_regions_are_left_alone():
    def objective(trial: optuna.Trial) -> float:
        value = bowl(trial)
        if trial.params["x"] + trial.params["y"] < 0.8:
            raise RuntimeError("out of memory")
        return value

    def share(build: Callable[[int], BaseSampler]) -> float:
        studies = [optimised(build(s), objective, 60) for s in range(2)]
        late = [t.state == TrialState.FAIL for study in studies for t in study.trials[30:]]
        return float(np.mean(late))

    assert share(lambda s: CQRSampler(seed=s)) < 0.1 < share(lambda s: RandomSampler(seed=s))


def test_a_study_of_failures_only_keeps_going():
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 0, 1)
        raise RuntimeError

    assert len(optimised(CQRSampler(seed=0, n_startup_trials=0), objective, 5).trials) == 5


def test_constraints_are_met_and_the_best_feasible_is_near_the_border():
    def objective(trial: optuna.Trial) -> float:
        value = bowl(trial)
        trial.set_constraint("x", 0.5 - trial.params["x"])
        return value

    study = optimised(CQRSampler(seed=0), objective, 40)
    late = [t.params["x"] >= 0.5 for t in study.trials[20:]]
    assert np.mean(late) > 0.7
    assert study.best_value < 0.08


def test_without_a_feasible_trial_the_violation_is_lowered():
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("c", 1.5 - x)
        return x

    study = optimised(CQRSampler(seed=0), objective, 25)
    assert np.median([t.params["x"] for t in study.trials[15:]]) > 0.9


# ---- several objectives, fidelities


def test_several_objectives_spread_over_the_front():
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        return x**2 + y, 100 * ((1 - x) ** 2 + y)

    study = optimised(CQRSampler(seed=0), objective, 40, directions=["minimize", "minimize"])
    late = study.trials[15:]
    assert np.median([t.params["y"] for t in late]) < 0.1
    assert np.ptp([t.params["x"] for t in study.best_trials]) > 0.5


@pytest.mark.parametrize("multi_fidelity", ["aligned", "last", "ignore"])
def test_pruned_trials_of_all_brackets_are_read(multi_fidelity: Any):
    def objective(trial: optuna.Trial) -> float:
        value = bowl(trial)
        for step in range(1, 10):
            trial.report(value + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    sampler = CQRSampler(seed=0, multi_fidelity=multi_fidelity)
    # Hyperband draws a trial's bracket from the name of the study.
    study = optimised(sampler, objective, 40, pruner=pruner, study_name="brackets")
    assert any(t.state == TrialState.PRUNED for t in study.trials)
    late = [bowl(optuna.trial.FixedTrial(t.params)) for t in study.trials[25:]]
    early = [bowl(optuna.trial.FixedTrial(t.params)) for t in study.trials[:10]]
    # Hardly any trial completes, so that there is little to learn from if the others are ignored.
    assert multi_fidelity == "ignore" or np.median(late) < 0.5 * np.median(early)
