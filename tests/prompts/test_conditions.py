from __future__ import annotations

from optuna.distributions import FloatDistribution
from optuna.trial import Trial

from optuna_llm.prompts.conditions import condition_lines
from optuna_llm.space.search_space import SearchSpace
from tests.prompts.building import run


def test_a_condition_is_told_with_the_trials_that_show_it() -> None:
    def objective(trial: Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float("x", 0, 1) if kind == "b" else 1.0

    history = run(objective, 12)
    n_with = sum("x" in o.params for o in history.complete)
    (line,) = condition_lines(history.search_space(), history)
    assert line == f"Seen so far: x only with kind = b ({n_with} with, {12 - n_with} without)."


def test_what_several_parameters_explain_is_not_guessed() -> None:
    def objective(trial: Trial) -> float:
        trial.suggest_categorical("first", ["a", "b"])
        trial.suggest_categorical("second", ["c", "d"])
        return trial.suggest_float("x", 0, 1) if trial.params["first"] == "a" else 1.0

    history = run(objective, 30)
    agree = [
        o
        for o in history.observations
        if (o.params["first"] == "a") == (o.params["second"] == "c")
    ]
    few = type(history)(
        history.directions, history.metric_names, tuple(agree), history.distributions
    )
    assert "for no reason that is clear: x" in condition_lines(few.search_space(), few)[0]


def test_announced_parameters_that_no_trial_has_asked_for_are_said_to_be_so() -> None:
    history = run(lambda t: t.suggest_float("x", 0, 1), 3)
    space = SearchSpace({**history.parameters, "y": FloatDistribution(0, 1)})
    (line,) = condition_lines(space, history)
    assert line.startswith("Announced, but asked for by no trial yet: y;")
