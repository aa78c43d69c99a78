"""What the candidate sampler of LLAMBO asks for."""

from __future__ import annotations

from dataclasses import replace
import itertools
import re

import numpy as np
from optuna.trial import Trial
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

from optuna_llm.history.history import History
from optuna_llm.prompts import FAILED
from optuna_llm.prompts import Example
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts import candidate_examples
from optuna_llm.prompts import candidate_messages
from optuna_llm.prompts import failed_examples
from optuna_llm.prompts import plausible_targets
from optuna_llm.prompts import prediction_messages
from tests.prompts.building import X
from tests.prompts.building import random_history
from tests.prompts.building import run
from tests.prompts.building import study_of


SCORES = [1000.0, 900.0, 800.0, 500.0, 0.0]


@pytest.mark.parametrize("noise", [0.0, 5.0, 17.0, 60.0, 400.0])
def test_targets_are_no_closer_than_noise(noise: float) -> None:
    targets = plausible_targets(SCORES, 0.1, 6, noise)
    assert len(targets) == 6
    assert targets == sorted(targets, reverse=True)
    assert targets[0] == pytest.approx(1100)
    assert min(targets) > 1000
    apart = sorted(set(targets), reverse=True)
    assert all(a - b >= noise for a, b in itertools.pairwise(apart))
    assert len(apart) == (6 if noise < 17 else 5 if noise < 20 else 1)


def request(**options: object) -> str:
    history = random_history(12, troubled=False)
    best = history.best
    assert best is not None
    given: dict[str, object] = {
        "examples": [Example(best.params, "1000")],
        "legend": "score: higher is better.",
        "targets": ["1100", "1100", "1050"],
        "trial_number": 12,
    }
    messages = candidate_messages(
        history.search_space(),
        history,
        PromptOptions(Task(n_trials=20)),
        **{**given, **options},  # type: ignore[arg-type]
    )
    return str(messages[-1]["content"])


def test_trials_left_and_noise_are_told_in_every_request() -> None:
    text = request(noise="noise: 3 repeats differ with a standard deviation of 30")
    assert "REQUEST for trial 12; 8 of 20 trials are left, this one included." in text
    assert "- noise: 3 repeats differ" in text
    assert "Propose exactly 3 candidates" in text
    assert re.findall(r"^\d.*\d\. .*$|^\d\. .*$", text, re.MULTILINE) == [
        "1 to 2. 1100",
        "3. 1050",
    ]


def test_neither_small_steps_nor_repeats_are_forbidden_and_asked_for_at_once() -> None:
    text = request()
    assert "clearly different" not in text
    assert "none of them the same as another or as one above" in text


def failing(n_failed: int) -> History:
    """Good near x = 0.5; of x = i / 100 the failed ones were run from the first on."""
    trials = [
        create_trial(params={"x": x}, distributions=X, value=(x - 0.5) ** 2)
        for x in (0.1, 0.5, 0.9)
    ]
    trials += [
        create_trial(params={"x": i / 100}, distributions=X, state=TrialState.FAIL)
        for i in range(n_failed)
    ]
    return study_of(trials)


def test_failed_trials_are_shown_the_newest_and_those_nearest_to_the_best() -> None:
    history = failing(80)
    scores = {0: 0.0, 1: 1000.0, 2: 100.0}
    examples = candidate_examples(
        history.search_space(), history, scores, rng=np.random.default_rng(0), token_budget=400
    )
    failed, ranked = examples[:6], examples[6:]
    assert [e.result for e in failed] == [FAILED] * 6
    assert sorted(e.params["x"] for e in failed) == [0.49, 0.5, 0.51, 0.77, 0.78, 0.79]
    assert [e.result for e in ranked] == ["0", "100", "1000"]
    # However small the budget: the best, and then what failed.
    (*_, best) = few = candidate_examples(
        history.search_space(), history, scores, rng=np.random.default_rng(0), token_budget=1
    )
    assert len(few) == 3
    assert best.result == "1000"


def test_a_request_says_where_the_failed_trials_stand() -> None:
    history = failing(2)
    examples = candidate_examples(
        history.search_space(), history, {1: 1000.0}, rng=np.random.default_rng(0), token_budget=99
    )
    messages = candidate_messages(
        history.search_space(),
        history,
        PromptOptions(),
        examples=examples,
        legend="l",
        targets=["1100"],
        trial_number=5,
    )
    text = messages[-1]["content"]
    assert "failed ones first, best last" in text
    assert "x,score\n0.01,failed\n0,failed\n0.5,1000\n" in text


def test_of_a_failed_trial_nothing_is_shown_that_does_not_apply() -> None:
    def objective(trial: Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        if kind == "b":
            trial.suggest_float("x", 0, 1)
        if trial.number >= 20:
            raise RuntimeError("out of memory")
        return 1.0

    ran = run(objective, 30)
    # Their sampler has announced x, in case that it is asked for.
    trials = tuple(
        replace(o, announced={"x": 0.3}) if o.state == TrialState.FAIL else o
        for o in ran.observations
    )
    history = History(ran.directions, ran.metric_names, trials, ran.distributions)
    space = history.search_space()
    lines = [e.line(space).split(",") for e in failed_examples(space, history)]
    assert {row[0] for row in lines} == {"a", "b"}
    assert all((row[1] == "-") == (row[0] == "a") for row in lines)


def test_that_trials_are_held_back_from_a_prediction_is_said() -> None:
    history = random_history(12, troubled=False)
    examples = [Example(o.params, "500") for o in history.observations[:9]]
    messages = prediction_messages(
        history.search_space(),
        history,
        PromptOptions(),
        kind="score",
        examples=examples,
        legend="l",
        questions=[o.params for o in history.observations[9:]],
    )
    heading = "FINISHED TRIALS (9 of 12, in no order; some of the others are asked about)."
    assert heading in messages[-1]["content"]
    text = messages[-1]["content"]
    assert "What you expect to fail has [-500, -500]; of what may fail, say how it scores" in text
