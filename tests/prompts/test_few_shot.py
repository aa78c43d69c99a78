"""What the candidate sampler of LLAMBO asks for."""

from __future__ import annotations

import itertools
import re

import pytest

from optuna_llm.prompts import Example
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts import candidate_messages
from optuna_llm.prompts import plausible_targets
from optuna_llm.prompts import prediction_messages
from tests.prompts.building import random_history


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


def test_a_repeat_of_the_best_is_one_of_the_candidates() -> None:
    text = request(is_best_repeated=True)
    assert "Propose exactly 4 candidates" in text
    assert "\n4. the best trial exactly once more, to tell noise from effects\n" in text


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
