from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import shorten
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.history.origin import Origin
from optuna_llm.history.pareto import non_domination_ranks
from optuna_llm.history.study_store import StudyStore


def test_values_are_signed_and_states_kept_apart() -> None:
    study = optuna.create_study(direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 1:
            raise RuntimeError
        if trial.number == 2:
            trial.report(0.5, 3)
            raise optuna.TrialPruned
        return math.inf if trial.number == 3 else x

    study.optimize(objective, n_trials=5, catch=RuntimeError)
    study.enqueue_trial({"x": 0.1})
    running = study.ask()
    current = study.ask()
    history = History.from_study(study, current._cached_frozen_trial)
    assert [o.number for o in history.complete] == [0, 3, 4]
    assert [o.number for o in history.failed] == [1]
    assert [o.number for o in history.pruned] == [2]
    assert [o.number for o in history.running] == [running.number]
    assert history.complete[0].values == (-study.trials[0].value,)
    assert history.pruned[0].intermediate_values == {3: -0.5}
    assert history.best is not None
    assert history.best.number == 3
    assert [o.number for o in history.ranking][-1] == 2


def test_infeasible_trials_rank_last_by_violation() -> None:
    study = optuna.create_study()
    for value, constraint in [(1.0, 2.0), (5.0, -1.0), (0.0, 1.0)]:
        trial = study.ask()
        trial.set_constraint("memory", constraint)
        study.tell(trial, value)
    history = History.from_study(study)
    assert [o.number for o in history.ranking] == [1, 2, 0]
    assert history.best_so_far() == [(1, 5.0)]


def test_a_constraint_that_is_nan_is_not_met() -> None:
    """Optuna refuses NaN today; studies of earlier versions hold a list of any values."""
    study = optuna.create_study()
    for value, met in [(0.0, math.nan), (3.0, -1.0), (1.0, math.nan), (2.0, 5.0)]:
        study.add_trial(create_trial(value=value, system_attrs={"constraints": [-1.0, met]}))
    history = History.from_study(study)
    assert [o.number for o in history.ranking] == [1, 3, 0, 2]
    assert history.best is not None
    assert history.best.number == 1


def test_pruned_trials_rank_by_step_then_value() -> None:
    study = optuna.create_study()
    for reports in [[3.0, 2.0], [9.0], [1.0, 1.0], [math.nan]]:
        trial = study.ask()
        for step, value in enumerate(reports):
            trial.report(value, step)
        study.tell(trial, state=TrialState.PRUNED)
    assert [o.number for o in History.from_study(study).ranking] == [2, 0, 1, 3]


def test_multi_objective_ranking_and_front() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for values in [(1.0, 1.0), (2.0, 2.0), (3.0, 1.5), (1.0, 0.0)]:
        study.tell(study.ask(), values)
    history = History.from_study(study)
    assert {o.number for o in history.pareto_front} == {0, 1}
    assert {o.number for o in history.ranking[:2]} == {0, 1}
    assert history.metric_names == ("value_0", "value_1")


def test_non_domination_ranks_against_definition() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, (40, 3)).astype(float)
    ranks = non_domination_ranks(values)
    left = set(range(40))
    front = 0
    while left:
        best = {
            i
            for i in left
            if not any(
                (values[j] <= values[i]).all() and (values[j] < values[i]).any() for j in left
            )
        }
        assert {i for i in left if ranks[i] == front} == best
        left, front = left - best, front + 1


def test_conditional_space_is_the_union_and_knows_what_is_optional() -> None:
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("const", 1, 1)
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return trial.suggest_float("x", 0, 1)
        return trial.suggest_float("y", 0, 1)

    study.enqueue_trial({"kind": "a"})
    study.enqueue_trial({"kind": "b"})
    study.optimize(objective, n_trials=2)
    space = History.from_study(study).search_space()
    assert set(space.names) == {"kind", "x", "y"}
    assert space.optional == {"x", "y"}


def test_changed_range_shows_as_missing_coordinate() -> None:
    study = optuna.create_study()
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=1)
    study.optimize(lambda t: t.suggest_float("x", 5, 9), n_trials=1)
    history = History.from_study(study)
    space = history.search_space()
    assert space.distributions["x"] == FloatDistribution(5, 9)
    assert np.isnan(space.coordinates(o.params for o in history.observations)).sum() == 1


def test_hyperband_hides_nothing() -> None:
    seen: list[tuple[int, int]] = []

    class Spy(optuna.samplers.RandomSampler):
        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            history = History.from_study(study, trial)
            seen.append((len(study.get_trials(deepcopy=False)), len(history.observations)))
            return {}

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(9):
            trial.report(x, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    pruner = optuna.pruners.HyperbandPruner(max_resource=9)
    study = optuna.create_study(sampler=Spy(seed=0), pruner=pruner)
    study.optimize(objective, n_trials=20)
    assert [whole for _, whole in seen] == list(range(20))
    assert any(bracket < whole for bracket, whole in seen[5:])


def test_metric_names_and_store_of_a_study(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db", study_name="one")
    study.set_metric_names(["loss"])
    assert History.from_study(study).metric_names == ("loss",)
    StudyStore(study).write("llm:ledger:a", {"requests": 2})
    again = optuna.load_study(study_name="one", storage=f"sqlite:///{tmp_path}/s.db")
    assert StudyStore(again).read()["llm:ledger:a"] == {"requests": 2}


def test_running_trials_show_their_whole_joint_proposal() -> None:
    study = optuna.create_study()
    choices = CategoricalDistribution([True, 1, "1"])
    study.optimize(lambda t: float(t.suggest_categorical("c", choices.choices) == 1), n_trials=1)
    trial = study.ask()
    frozen = study._storage.get_trial(trial._trial_id)
    write_parts(study, frozen, Origin("llm"), Announcement.native({"c": choices}, {"c": "1"}))
    (running,) = History.from_study(study).running
    assert running.params == {"c": "1"}


def test_leftovers_of_dead_workers_are_not_pending_for_ever() -> None:
    study = optuna.create_study()
    study.ask()
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=40)
    assert [o.number for o in History.from_study(study).running] == [0]
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=20)
    assert History.from_study(study).running == ()


@pytest.mark.parametrize("reason", ["CUDA out of memory\n**bold**", "x" * 500])
def test_failure_reason_is_one_short_line(reason: str) -> None:
    study = optuna.create_study()
    trial = study.ask()
    trial.set_user_attr("fail_reason", reason)
    study.tell(trial, state=TrialState.FAIL)
    (failed,) = History.from_study(study).failed
    assert "\n" not in failed.failure
    assert len(failed.failure) <= 180


def test_record_round_trip_and_stale_records() -> None:
    study = optuna.create_study()
    trial = study.ask()
    frozen = study._storage.get_trial(trial._trial_id)
    origin, cost = Origin("llm", "because", design=2), Cost("m", requests=1, cost=0.0)
    announced = Announcement({"x": 1})
    write_parts(study, frozen, origin, announced, cost)
    origin.label(study, frozen)
    written = study._storage.get_trial(trial._trial_id)
    assert Origin.find(written) == origin
    assert Cost.read(written) == cost
    assert Announcement.read(written) == announced
    retried = study._storage.get_trial(trial._trial_id)
    retried.number = 99  # Queued again after its worker died: the attributes are copies.
    assert Origin.find(retried) is None
    assert Announcement.read(retried) == Announcement()


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("a\nb\tc", 10, "a b c"), ("abcdef", 4, "abc…"), ("\x00x\x1b[31m", 10, "x [31m")],
)
def test_shorten(text: str, limit: int, expected: str) -> None:
    assert shorten(text, limit) == expected


@pytest.mark.parametrize("build", [CQRSampler, LLMSampler, LLAMBOSampler])
def test_a_stopped_trial_in_a_study_of_two_objectives_is_borne(build: Any) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=build(seed=0))
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}
    for i in range(12):
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": i / 12}, distributions=space, values=[float(i), float(i)]
            )
        )
    for state in (TrialState.PRUNED, TrialState.FAIL):
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": 0.5}, distributions=space, state=state, intermediate_values={0: 1.0}
            )
        )
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=3)
    history = History.from_study(study)
    assert history.ranking[-1].state == TrialState.PRUNED
    assert all(not o.intermediate_values for o in history.observations)


def test_finished_trials_are_read_once() -> None:
    study = optuna.create_study()
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=5)
    first = History.from_study(study)
    running = study.ask()
    running.suggest_float("x", 0, 1)
    second = History.from_study(study)
    assert all(a is b for a, b in zip(first.observations, second.observations, strict=False))
    study.tell(running, 0.5)
    third = History.from_study(study)
    assert third.observations[5] is not second.observations[5]
    assert third.complete[5].values == (0.5,)


def test_a_study_under_an_old_name_is_another_study() -> None:
    storage = optuna.storages.InMemoryStorage()
    for value in (1.0, 2.0):
        study = optuna.create_study(study_name="again", storage=storage)
        study.add_trial(optuna.trial.create_trial(value=value))
        assert History.from_study(study).complete[0].values == (value,)
        optuna.delete_study(study_name="again", storage=storage)


def test_curves_of_finished_trials_are_not_read_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.report(1.0, 1)
        return trial.suggest_float("x", 0, 1)

    read: list[int] = []

    def counted(o: Observation) -> dict[int, float]:
        read.append(o.number)
        return {}

    study = optuna.create_study(sampler=CQRSampler(seed=0, n_startup_trials=4))
    study.optimize(objective, n_trials=6)
    monkeypatch.setattr(Observation, "intermediate_values", property(counted))
    study.optimize(objective, n_trials=1)
    assert read == []


def test_trials_of_two_objectives_are_not_ranked_to_be_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranked: list[int] = []

    def counted(values: np.ndarray) -> np.ndarray:
        ranked.append(len(values))
        return non_domination_ranks(values)

    monkeypatch.setattr("optuna_llm.history.history.non_domination_ranks", counted)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=CQRSampler(seed=0))
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=12)
    assert ranked == []
