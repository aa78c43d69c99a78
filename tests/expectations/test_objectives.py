"""The surrogate of several objectives, and what CQRSampler does with it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm.expectations.objectives import ObjectivesSurrogate
from optuna_llm.expectations.objectives import kind_of_surrogate
from optuna_llm.expectations.outlook import Outlook
from optuna_llm.expectations.study import StudySurrogate
from optuna_llm.history.history import History
from optuna_llm.surrogate import targets
from tests.support.searches import seconds_of_a_proposal


Objective = Callable[[optuna.Trial], Sequence[float]]


def distances(k: int) -> Objective:
    """Return squared distances from k points: the front is what lies between them."""
    places = np.linspace(0.15, 0.85, k)

    def objective(trial: optuna.Trial) -> list[float]:
        x = np.array([trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(3)])
        return [float((x[0] - p) ** 2 + ((x[1:] - 0.7 * p) ** 2).sum()) for p in places]

    return objective


def studied(
    objective: Objective,
    n_trials: int,
    sampler: optuna.samplers.BaseSampler,
    directions: Sequence[str] = ("minimize", "minimize"),
) -> optuna.Study:
    study = optuna.create_study(directions=directions, sampler=sampler)
    study.optimize(objective, n_trials=n_trials)
    return study


def hypervolume(study: optuna.Study) -> float:
    values = np.array([t.values for t in study.best_trials])
    corner = np.full(values.shape[1], 0.5)
    return compute_hypervolume(values[(values < corner).all(axis=1)], corner)


def surrogate_of(study: optuna.Study) -> StudySurrogate:
    history = History.from_study(study)
    k = len(study.directions)
    return kind_of_surrogate(history).of(
        history, history.search_space(), seed=0, weights=[1 / k] * k
    )


@pytest.mark.parametrize("k", [2, 3, 4])
def test_it_dominates_more_than_random_search(k: int) -> None:
    directions = ["minimize"] * k
    found = studied(distances(k), 24, CQRSampler(seed=1), directions)
    drawn = studied(distances(k), 24, RandomSampler(seed=1), directions)
    assert hypervolume(found) > hypervolume(drawn)
    assert isinstance(surrogate_of(found), ObjectivesSurrogate)


def test_more_than_four_objectives_are_weighted() -> None:
    study = studied(distances(5), 11, CQRSampler(seed=0), ["minimize"] * 5)
    assert kind_of_surrogate(History.from_study(study)) is StudySurrogate
    assert "one weighting of the 5 objectives" in study.trials[-1].user_attrs["llm:rationale"]


def test_maximising_is_minimising_the_negative() -> None:
    plain = studied(distances(2), 12, CQRSampler(seed=0))
    mixed = studied(
        lambda t: [(v := distances(2)(t))[0], -v[1]],
        12,
        CQRSampler(seed=0),
        ["minimize", "maximize"],
    )
    assert [t.params for t in mixed.trials] == [t.params for t in plain.trials]


def test_what_would_extend_the_front_is_worth_more_than_what_is_dominated() -> None:
    study = studied(distances(2), 20, RandomSampler(seed=0))
    surrogate = surrogate_of(study)
    between = {"x0": 0.5, "x1": 0.35, "x2": 0.35}
    worse = {"x0": 0.0, "x1": 1.0, "x2": 1.0}
    utility = surrogate.utility(surrogate.features([between, worse]))
    assert utility[0] > utility[1]
    history = History.from_study(study)
    assert Outlook(history.search_space(), history, 0).order([worse, between]) == [1, 0]


def test_running_trials_count_as_what_is_expected_of_them() -> None:
    study = studied(distances(2), 20, RandomSampler(seed=0))
    good = {"x0": 0.5, "x1": 0.35, "x2": 0.35}
    before = surrogate_of(study)
    alone = before.log_improvement(before.features([good]))
    study.enqueue_trial(good)
    distances(2)(study.ask())
    after = surrogate_of(study)
    assert after.log_improvement(after.features([good])) < alone - 1.0


def test_failures_are_left_alone_and_trials_go_on() -> None:
    def objective(trial: optuna.Trial) -> Sequence[float]:
        values = distances(2)(trial)
        return values if trial.params["x0"] < 0.6 else [float("nan"), values[1]]

    study = studied(objective, 24, CQRSampler(seed=0))
    failed = [t.state == TrialState.FAIL for t in study.trials]
    assert any(failed[:8])
    assert sum(failed[12:]) <= 3
    assert len(study.trials) == 24


def test_constraints_are_met() -> None:
    def objective(trial: optuna.Trial) -> Sequence[float]:
        values = distances(2)(trial)
        trial.set_constraint("x0", trial.params["x0"] - 0.4)
        return values

    study = studied(objective, 24, CQRSampler(seed=0))
    broken = [t.params["x0"] > 0.4 for t in study.trials]
    assert np.mean(broken[12:]) < 0.4
    assert "likely to meet the constraints" in study.trials[-1].user_attrs["llm:rationale"]


def test_while_nothing_is_feasible_the_violation_is_lowered() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, sampler=RandomSampler(seed=0))
    for _ in range(12):
        trial = study.ask()
        values = distances(2)(trial)
        trial.set_constraint("far", 0.5 + trial.params["x0"])
        study.tell(trial, values)
    surrogate = surrogate_of(study)
    near, far = ({"x0": x, "x1": 0.5, "x2": 0.5} for x in (0.0, 1.0))
    utility = surrogate.utility(surrogate.features([near, far]))
    assert utility[0] > utility[1]


def test_infinite_values_and_equal_ones() -> None:
    def objective(trial: optuna.Trial) -> Sequence[float]:
        x = trial.suggest_float("x", 0.0, 1.0)
        return float("inf") if x > 0.7 else x, 1.0

    # The warning comes once in a process.
    targets._tell_of_infinite_values.cache_clear()
    with pytest.warns(RuntimeWarning, match="infinite"):
        study = studied(objective, 14, CQRSampler(seed=0))
    assert all(t.state == TrialState.COMPLETE for t in study.trials)


def test_it_resumes_from_the_storage_alone() -> None:
    def in_parts(parts: Sequence[int]) -> list[dict[str, float]]:
        storage = optuna.storages.InMemoryStorage()
        for n in parts:
            study = optuna.create_study(
                study_name="two",
                storage=storage,
                load_if_exists=True,
                directions=["minimize", "minimize"],
                sampler=CQRSampler(seed=3),
            )
            study.optimize(distances(2), n_trials=n)
        return [t.params for t in study.trials]

    assert in_parts([6, 6]) == in_parts([12])


def test_a_rationale_tells_each_objective() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, sampler=CQRSampler(seed=0))
    study.set_metric_names(["error", "size"])
    study.optimize(distances(2), n_trials=10)
    why = study.trials[-1].user_attrs["llm:rationale"]
    assert why.startswith("Expected error: ")
    assert ", size: " in why
    assert why.endswith("chosen for what it may add to their Pareto front.")


def test_a_proposal_costs_no_more_than_its_models() -> None:
    def seconds(k: int) -> float:
        study = studied(distances(k), 100, RandomSampler(seed=0), ["minimize"] * k)
        space = study.trials[0].distributions
        return seconds_of_a_proposal(study, CQRSampler(seed=0), space, 5)

    alone = seconds(1)
    ratios = {k: seconds(k) / alone for k in (2, 4)}
    print(", ".join(f"{k} objectives: {ratio:.1f} times one" for k, ratio in ratios.items()))
    assert ratios[2] < 2.5
    assert ratios[4] < 5
