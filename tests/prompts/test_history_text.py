from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import Trial
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

import optuna_llm
from optuna_llm.chat import estimate_tokens
from optuna_llm.history.history import History
from optuna_llm.prompts import pending_text
from optuna_llm.prompts.statistics import crowding_sorted
from optuna_llm.prompts.statistics import diverse
from tests.prompts.building import DISTRIBUTIONS
from tests.prompts.building import Direction
from tests.prompts.building import X
from tests.prompts.building import on_line
from tests.prompts.building import random_history
from tests.prompts.building import rows
from tests.prompts.building import run
from tests.prompts.building import show
from tests.prompts.building import study_of


# ---- the table


def test_table_is_sorted_worst_to_best_and_reads_back() -> None:
    history = on_line([3.0, 1.0, 2.0, 5.0])
    table = rows(show(history))
    assert [row["trial"] for row in table] == ["3", "0", "2", "1"]
    assert [row["rank"] for row in table] == ["4", "3", "2", "1"]
    assert [float(row["value"]) for row in table] == [5.0, 3.0, 2.0, 1.0]
    assert [float(row["x"]) for row in table] == [0.75, 0.0, 0.5, 0.25]


def test_results_keep_the_users_sign_when_maximised() -> None:
    text = show(on_line([-3.0, 0.1, 0.7], "maximize"))
    assert "maximize value" in text
    assert [float(row["value"]) for row in rows(text)] == [-3.0, 0.1, 0.7]
    assert "Best so far: trial 2, value 0.7." in text


def test_results_have_four_digits_where_these_tell_them_apart() -> None:
    assert [row["value"] for row in rows(show(on_line([123456.0, 0.0012344999])))] == [
        "1.235e+05",
        "0.001234",
    ]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_results_have_as_many_digits_as_tell_them_apart(direction: Direction) -> None:
    values = [0.990001, 0.990002, 0.990004, 0.990008, 7.0 if direction == "minimize" else -7.0]
    table = rows(show(on_line(values, direction)))
    assert {row["trial"]: float(row["value"]) for row in table} == {
        str(i): value for i, value in enumerate(values)
    }


def test_infinite_results_are_shown_as_such() -> None:
    table = rows(show(on_line([1.0, math.inf, 2.0, 3.0])))
    assert table[0]["value"] == "inf"
    assert table[-1]["trial"] == "0"


def test_stopped_trials_show_step_and_last_value() -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(4):
            trial.report(10 * step + trial.number, step)
            if trial.number == 2 and step == 3:
                raise optuna.TrialPruned
        return x

    text = show(run(objective, 5))
    stopped = next(row for row in rows(text) if row["trial"] == "2")
    assert stopped["note"] == "stopped early at step 3"
    assert float(stopped["value"]) == 32.0
    assert stopped["rank"] == "5"
    assert "4 complete, 1 stopped early" in text


def test_inactive_parameters_are_dashes_and_their_gate_is_told() -> None:
    def objective(trial: Trial) -> float:
        kernel = trial.suggest_categorical("kernel", ["linear", "rbf", "poly"])
        if kernel == "linear":
            return 1.0
        return trial.suggest_float("gamma", 0, 1)

    text = show(run(objective, 20))
    assert "gamma only with kernel = rbf or poly" in text
    for row in rows(text):
        assert (row["gamma"] == "-") == (row["kernel"] == "linear")


def test_a_failed_trial_shows_what_it_would_have_asked_for() -> None:
    def objective(trial: Trial) -> float:
        kernel = trial.suggest_categorical("kernel", ["linear", "rbf", "poly"])
        if trial.number > 9 and trial.number % 3 == 0:
            raise RuntimeError("preempted")
        return 0.0 if kernel == "linear" else trial.suggest_float("gamma", 0, 1)

    study = optuna.create_study(sampler=optuna_llm.CQRSampler(seed=0))
    study.optimize(objective, n_trials=40, catch=RuntimeError)
    history = History.from_study(study)
    failed = {o.number: o for o in history.failed}
    assert {o.params["kernel"] == "linear" for o in failed.values()} == {True, False}
    shown = {int(row["trial"]): row["gamma"] for row in rows(show(history))}
    for number, o in failed.items():
        # The sampler has announced a value in any case.
        announced = f"{o.intended['gamma']:.4g}"
        assert shown[number] == ("-" if o.params["kernel"] == "linear" else announced)


def test_all_trials_are_shown_while_they_fit() -> None:
    history = random_history(60, seed=5)
    text = show(history, token_budget=4000)
    assert {int(row["trial"]) for row in rows(text)} == set(range(60))
    assert "Left out" not in text


def test_what_is_left_out_is_said_and_is_neither_good_nor_new_nor_instructive() -> None:
    history = random_history(400, seed=5, troubled=False)
    text = show(history)
    shown = {int(row["trial"]) for row in rows(text)}
    ranking = [o.number for o in history.ranking]
    assert set(ranking[:12]) <= shown
    assert set(ranking[-5:]) <= shown
    assert set(range(395, 400)) <= shown
    hidden = [i for i, number in enumerate(ranking, start=1) if number not in shown]
    assert (
        f"Left out for length: {len(hidden)} trials (ranks {hidden[0]} to {hidden[-1]})." in text
    )


def test_diverse_trials_are_farthest_from_the_chosen() -> None:
    history = on_line([float(i) for i in range(11)])
    space = history.search_space()
    picked = diverse(space, history.complete[1:], history.complete[:1], 3)
    assert [o.number for o in picked] == [10, 5, 2] or [o.number for o in picked] == [10, 5, 3]


def test_text_is_deterministic() -> None:
    assert show(random_history(300)) == show(random_history(300))


# ---- failures


def test_failures_are_counted_by_reason_with_their_boundary() -> None:
    text = show(random_history(80))
    failed = len(random_history(80).failed)
    assert f'FAILED {failed}: {failed} x "CUDA out of memory' in text
    line = next(x for x in text.splitlines() if x.startswith("In common"))
    assert f"all {failed} failures had" in line
    assert "depth >= 1" in line
    assert "batch >= 1" in line
    assert f"0 of {80 - failed} other trials did" in line


def test_failures_of_one_cause_show_the_range_of_their_numbers() -> None:
    needed = ["19.5", "24.6", "21.2"]

    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number < len(needed):
            raise RuntimeError(f"{needed[trial.number]} GB needed, 16 GB there")
        return x

    assert '3 x "19.5 to 24.6 GB needed, 16 GB there". Stay away' in show(run(objective, 8))


def test_each_cause_has_its_own_boundary() -> None:
    def objective(trial: Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        if x > 0.8:
            raise RuntimeError("out of memory")
        if y < 0.2:
            raise RuntimeError(f"loss is nan at step {trial.number}")
        return x

    text = show(run(objective, 80))
    lines = [x for x in text.splitlines() if x.startswith("In common")]
    assert len(lines) == 2
    memory = next(x for x in lines if "out of memory" in x)
    nan = next(x for x in lines if "loss is nan" in x)
    assert " x >= 0.8" in memory
    assert " y <= 0." in nan


def test_a_single_failure_is_shown_itself() -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 3:
            raise RuntimeError("boom")
        return x

    text = show(run(objective, 40))
    assert 'FAILED 1: 1 x "boom"' in text
    assert "In common" not in text
    failed = next(row for row in rows(text) if row["trial"] == "3")
    assert failed["rank"] == "-"
    assert failed["note"] == "failed"
    assert rows(text)[0] == failed


def test_a_history_of_failures_alone_is_told() -> None:
    trials = [
        create_trial(params={"x": 0.5}, distributions=X, state=TrialState.FAIL) for _ in range(4)
    ]
    text = show(study_of(trials))
    assert text.startswith("HISTORY: 4 failed.")
    assert "no reason given" in text


# ---- constraints and several objectives


def constrained(trial: Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    trial.set_constraint("memory", x - 0.5)
    trial.set_constraint("latency", -1.0)
    return 1 - x


def test_constraints_have_columns_a_flag_and_their_own_best() -> None:
    history = run(constrained, 20)
    text = show(history)
    table = rows(text)
    assert all((row["feasible"] == "yes") == (float(row["x"]) <= 0.5) for row in table)
    assert all(
        float(row["memory"]) == pytest.approx(float(row["x"]) - 0.5, abs=2e-3) for row in table
    )
    # Infeasible trials with better values rank below all feasible ones.
    assert [row["feasible"] for row in table] == sorted(row["feasible"] for row in table)
    assert history.best is not None
    assert f"Best feasible so far: trial {history.best.number}" in text
    assert "constraint met where <= 0" in text


def test_without_a_feasible_trial_the_least_violation_is_named() -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("c", 1 + x)
        return x

    history = run(objective, 8)
    least = min(history.complete, key=lambda o: o.violation)
    assert f"No feasible trial yet; trial {least.number} violates" in show(history)


def two_objectives(trial: Trial) -> tuple[float, float]:
    x = trial.suggest_float("x", 0, 1)
    y = trial.suggest_float("y", 0, 1)
    # The middle of the front is missing.
    return (x if x < 0.3 or x > 0.8 else 2.0), (1 - x if x < 0.3 or x > 0.8 else -1.0) - y


def test_several_objectives_have_columns_a_front_and_gaps() -> None:
    history = run(two_objectives, 60, directions=("minimize", "maximize"))
    text = show(history)
    table = rows(text)
    front = {str(o.number) for o in history.pareto_front}
    shown = {row["trial"] for row in table if row["on front"] == "yes"}
    assert shown == front if len(front) <= 12 else len(shown) >= 12
    assert f"Pareto front: {len(front)} trials" in text
    assert "Widest gap of the front in value_0: between " in text
    own = {str(t.number): t.trial.values for t in history.complete}
    for row in table:
        assert float(row["value_0"]) == pytest.approx(own[row["trial"]][0], rel=1e-3)
        assert float(row["value_1"]) == pytest.approx(own[row["trial"]][1], rel=1e-3)


def test_crowded_members_of_the_front_come_last() -> None:
    trials = [
        create_trial(params={"x": v}, distributions=X, values=[v, 1 - v])
        for v in (0.0, 0.5, 0.51, 0.52, 1.0)
    ]
    history = study_of(trials, ("minimize", "minimize"))
    order = [o.number for o in crowding_sorted(history.pareto_front)]
    assert set(order[:2]) == {0, 4}
    assert order[-1] == 2


# ---- running trials


def test_running_trials_are_pending_rows() -> None:
    history = run(lambda trial: trial.suggest_float("x", 0, 1), 5, n_running=3)
    text = pending_text(history.search_space(), history, token_budget=500)
    assert [line.split(",")[0] for line in text.splitlines()[2:]] == ["5", "6", "7"]
    assert "running" in show(history)
    assert "5" not in {row["trial"] for row in rows(show(history))}


def test_pending_rows_keep_their_budget_and_drop_the_oldest() -> None:
    history = run(lambda trial: trial.suggest_float("x", 0, 1), 1, n_running=40)
    text = pending_text(history.search_space(), history, token_budget=150)
    assert estimate_tokens(text) <= 150
    assert text.splitlines()[-1].startswith("40,")
    assert pending_text(history.search_space(), history, token_budget=5) == ""


# ---- the budget


def test_nothing_finished_is_an_empty_text() -> None:
    assert show(study_of([])) == ""


@settings(max_examples=120)
@given(
    n_trials=st.integers(0, 120),
    seed=st.integers(0, 10**6),
    n_objectives=st.integers(1, 3),
    constrained=st.booleans(),
    conditional=st.booleans(),
    n_extra=st.integers(0, 30),
    scale=st.sampled_from([1.0, 1e-9, -1e12, 0.0]),
    budget=st.integers(0, 4000),
)
def test_text_never_exceeds_its_budget(
    n_trials: int,
    seed: int,
    n_objectives: int,
    constrained: bool,
    conditional: bool,
    n_extra: int,
    scale: float,
    budget: int,
) -> None:
    extra: dict[str, BaseDistribution] = {f"p{i}": FloatDistribution(0, 1) for i in range(n_extra)}
    history = random_history(
        n_trials,
        seed=seed,
        distributions=DISTRIBUTIONS | extra,
        n_objectives=n_objectives,
        constrained=constrained,
        conditional=conditional,
        scale=scale,
    )
    assert estimate_tokens(show(history, token_budget=budget)) <= budget


@pytest.mark.parametrize(
    ("n_trials", "kind"),
    [
        (5000, {}),
        (5000, {"constrained": True, "conditional": True}),
        (500, {"n_objectives": 2}),
    ],
)
def test_thousands_of_trials_keep_the_budget_and_the_best(
    n_trials: int, kind: dict[str, Any]
) -> None:
    history = random_history(n_trials, **kind)
    text = show(history, token_budget=1500)
    assert 1000 < estimate_tokens(text) <= 1500
    assert history.best is not None
    assert rows(text)[-1]["trial"] == str(history.best.number)


def test_shrinking_takes_the_worst_first_and_the_best_last() -> None:
    history = random_history(60, troubled=False)
    ranking = [str(o.number) for o in history.ranking]
    counts = []
    for budget in (4000, 2000, 1200, 800, 500, 300):
        text = show(history, token_budget=budget)
        if "TRIALS" not in text:
            counts.append(0)
            continue
        shown = [row["trial"] for row in rows(text)]
        counts.append(len(shown))
        assert shown[-1] == ranking[0]
        if len(shown) < 12:
            assert ranking[-2] not in shown
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 25
    assert "HISTORY" in show(history, token_budget=300)
