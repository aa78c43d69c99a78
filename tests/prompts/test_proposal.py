from __future__ import annotations

import json
import re
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import Trial
import pytest

from optuna_llm.chat import estimate_tokens
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.prompts import Advice
from optuna_llm.prompts import Point
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts import proposal_messages
from optuna_llm.prompts import proposal_schema
from optuna_llm.prompts import repair_messages
from optuna_llm.prompts.schema import json_schema
from optuna_llm.replies.repair import repair
from optuna_llm.space.search_space import SearchSpace
from tests.prompts.building import DISTRIBUTIONS
from tests.prompts.building import ask
from tests.prompts.building import random_history
from tests.prompts.building import run
from tests.prompts.building import study_of


SPACE = SearchSpace(DISTRIBUTIONS)
NO_HISTORY = study_of([])


def line_with(text: str, part: str) -> str:
    return next(line for line in text.splitlines() if part in line)


# ---- options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"style": "letter"}, "style"),
        ({"reasoning": "cot"}, "reasoning"),
        ({"token_budget": 10}, "token_budget"),
        ({"token_budget": 1e4}, "token_budget"),
        ({"param_docs": {"lr": 3}}, "param_docs"),
        ({"param_docs": "lr"}, "param_docs"),
        ({"task": "text"}, "task"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        PromptOptions(**options)


# ---- layout


@pytest.mark.parametrize("style", ["compressed", "chat"])
def test_everything_before_the_history_is_the_same_for_all_trials(style: str) -> None:
    def prompt(n_trials: int, **request: Any) -> str:
        return ask(
            random_history(n_trials),
            SPACE,
            style=style,
            task=Task.of("tune it"),
            param_docs={"lr": "peak learning rate"},
            **request,
        )

    first = prompt(0)
    end = first.index("REQUEST")
    for other in (
        prompt(1),
        prompt(60, n_candidates=1),
        prompt(90, advice=Advice("TPE", [Point({"lr": 0.1})], ["x"])),
    ):
        assert other[:end] == first[:end]


def test_parts_stand_in_their_order_and_the_best_is_nearest_to_the_request() -> None:
    history = run(lambda t: t.suggest_float("x", 0, 1), 30, n_running=2)
    text = ask(history, task=Task.of("tune it"), advice=Advice("TPE", [Point({"x": 0.5})]))
    order = ["TASK", "SEARCH SPACE", "OUTPUT FORMAT", "HISTORY", "TRIALS", "ADVICE", "PENDING"]
    places = [text.index(part) for part in [*order, "REQUEST"]]
    assert places == sorted(places)
    assert history.best is not None
    last_row = text[: text.index("\n\nADVICE")].splitlines()[-1]
    assert last_row.split(",")[:2] == [str(history.best.number), "1"]


def test_compressed_is_one_user_message() -> None:
    messages = proposal_messages(
        SPACE,
        random_history(30),
        PromptOptions(),
        n_candidates=5,
        advice=None,
        trial_number=30,
    )
    assert [m["role"] for m in messages] == ["system", "user"]


def test_space_card_tells_all_about_each_parameter() -> None:
    space = SearchSpace(DISTRIBUTIONS, frozenset({"dropout"}))
    text = ask(NO_HISTORY, space, param_docs={"lr": "peak rate", "unknown": "no such"})
    assert '- lr: number from 1e-05 to 0.1, log scale. "peak rate"' in text
    assert "- width: integer from 32 to 512, in steps of 32" in text
    assert "- dropout: number from 0 to 0.5, only where it applies" in text
    assert "- optimizer: one of [adam, sgd, rmsprop]" in text
    assert '"dropout": <number> or null' in text
    assert "no such" not in text


def test_task_budget_and_remaining_trials_are_told() -> None:
    text = ask(random_history(12), task=Task(dataset="60,000 images", n_trials=40))
    assert '- dataset: "60,000 images"' in text
    assert "- budget: 40 trials" in text
    assert "REQUEST for trial 12; 28 of 40 trials are left, this one included." in text


@pytest.mark.parametrize("reasoning", ["none", "brief", "full"])
def test_analysis_is_asked_for_first_unless_switched_off(reasoning: Any) -> None:
    text = ask(NO_HISTORY, SPACE, reasoning=reasoning)
    pattern = line_with(text, '"candidates"')
    assert pattern.startswith('{"analysis"') == (reasoning != "none")
    schema = proposal_schema(SPACE, 5, reasoning)
    keys = ["candidates"] if reasoning == "none" else ["analysis", "candidates"]
    assert list(schema["properties"]) == schema["required"] == keys
    assert ("step by step" in text) == (reasoning == "full")


# ---- the request


def test_without_any_result_a_warm_start_is_asked_for() -> None:
    text = ask(NO_HISTORY, SPACE, n_candidates=4, advice=Advice(defaults={"lr": 0.001}))
    assert "No trial has finished yet. Propose exactly 4 diverse candidates" in text
    assert "1. usual: what you would run if there were one trial only." in text
    assert '- usual good values, not run yet: {"lr": 0.001}' in text
    assert "HISTORY" not in text


def test_after_failures_alone_the_warm_start_tells_them() -> None:
    def objective(trial: Trial) -> float:
        trial.suggest_float("x", 0, 1)
        raise RuntimeError("boom")

    text = ask(run(objective, 4))
    assert "No trial has succeeded yet." in text
    assert 'FAILED 4: 4 x "boom"' in text


def test_each_candidate_has_a_role() -> None:
    history = random_history(60)
    text = ask(history, n_candidates=5)
    request = text[text.index("REQUEST") :]
    roles = re.findall(r"^\d\. (\w+):", request, re.MULTILINE)
    assert roles == ["refine", "combine", "vary", "refine", "basin"]
    assert history.best is not None
    assert f"trial {history.best.number}" in line_with(request, "refine:")
    assert len(re.findall(r"^\d\. ", ask(history, n_candidates=7), re.MULTILINE)) == 7


def test_one_candidate_is_the_most_promising() -> None:
    text = ask(random_history(30), n_candidates=1)
    assert "Propose exactly 1 candidate" in text
    assert "2. " not in text[text.index("REQUEST") :]


def test_constraints_and_several_objectives_have_their_own_words() -> None:
    def infeasible(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("c", 1 + x)
        return x

    assert "so that its violated constraints are met" in ask(run(infeasible, 8))
    text = ask(random_history(30, n_objectives=2))
    assert "- objective: minimize value_0, maximize value_1" in text
    assert "Pareto front, or fill its widest gap" in text


def test_why_the_model_is_asked_is_told() -> None:
    text = ask(random_history(30), occasion="the last 9 trials brought no new best")
    assert "You are asked because the last 9 trials brought no new best." in text.splitlines()


def test_the_number_of_trials_that_follow_is_told_or_said_to_be_unknown() -> None:
    assert "how many trials will follow is not known" in ask(random_history(12))
    told = ask(random_history(12), task=Task(n_trials=13))
    assert "REQUEST for trial 12; it is the last of 13 trials." in told


def test_rules_and_schema_hold_what_applies_and_nothing_else() -> None:
    def told(space: SearchSpace, **options: Any) -> str:
        messages = proposal_messages(
            space,
            NO_HISTORY,
            PromptOptions(**options),
            n_candidates=3,
            advice=None,
            trial_number=0,
        )
        return messages[0]["content"]

    plain = told(SPACE)
    for word in ("null", "constraint", "fail", "role", "index", "ignored"):
        assert word not in plain
    assert "null" in told(SearchSpace(DISTRIBUTIONS, frozenset({"dropout"})))
    unknown = told(SPACE, is_announced=False)
    assert "What does not apply under the choices that you make is ignored" in unknown
    assert "0=" not in json.dumps(json_schema(SPACE))
    text = ask(random_history(30, constrained=True))
    assert "Meeting the constraints comes first" in text


# ---- the budget


@pytest.mark.parametrize("style", ["compressed", "chat"])
@pytest.mark.parametrize("budget", [300, 1000, 3000])
def test_history_advice_and_dialogue_share_one_budget(style: str, budget: int) -> None:
    def length(history: History) -> int:
        return estimate_tokens(ask(history, SPACE, style=style, token_budget=budget))

    def objective(trial: Trial) -> float:
        if trial.number % 7 == 3:
            raise RuntimeError(f"failure {trial.number} " * 20)
        trial.suggest_categorical("optimizer", ["adam", "sgd", "rmsprop"])
        return trial.suggest_float("lr", 1e-5, 1e-1, log=True) + trial.suggest_int("depth", 2, 24)

    history = run(objective, 150, by_model=lambda n: n % 3 == 0, n_running=20)
    # What is not history: the request with its roles is the longer of the two.
    assert length(history) <= length(NO_HISTORY) + budget + 250


# ---- the schema


def strict(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    assert not {"oneOf", "allOf", "$ref", "pattern"} & schema.keys()
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
        for inner in schema["properties"].values():
            strict(inner)
    strict(schema.get("items"))


def test_schema_is_in_the_strict_subset_and_describes_the_space() -> None:
    schema = proposal_schema(SPACE, 3, "brief")
    strict(schema)
    candidate = schema["properties"]["candidates"]["items"]
    assert candidate["properties"]["params"] == json_schema(SPACE)
    assert "3" in schema["properties"]["candidates"]["description"]
    assert schema["properties"]["candidates"]["minItems"] == 3
    assert schema["properties"]["candidates"]["maxItems"] == 3
    for name, distribution in SPACE.distributions.items():
        if not isinstance(distribution, CategoricalDistribution):
            told = candidate["properties"]["params"]["properties"][name]
            assert (told["minimum"], told["maximum"]) == (distribution.low, distribution.high)
    assert candidate["properties"]["reason"]["maxLength"] == 200
    assert "maxLength" in schema["properties"]["analysis"]
    assert json.loads(json.dumps(schema)) == schema


# ---- the repair turn


def test_repair_turn_lists_the_violations_with_the_nearest_values() -> None:
    request = proposal_messages(
        SPACE, NO_HISTORY, PromptOptions(), n_candidates=1, advice=None, trial_number=0
    )
    reply = '{"lr": 5, "depth": "deep"}'
    violations = repair(SPACE, {"lr": 5, "depth": "deep"}).violations
    messages = repair_messages(request, reply, violations)
    assert messages[: len(request)] == request
    assert messages[-2] == {"role": "assistant", "content": reply}
    assert messages[-1]["role"] == "user"
    for part in ("lr=5", "nearest is 0.1", 'depth="deep"', "missing: batch"):
        assert part in messages[-1]["content"]


def test_repair_turn_is_bounded_and_never_empty() -> None:
    messages = repair_messages([], "x" * 10**6, ["bad\nvalue " * 1000] * 1000)
    assert sum(estimate_tokens(m["content"]) for m in messages) < 4000
    assert messages[0]["content"].endswith("[cut]")
    assert repair_messages([], "  ", [])[0]["content"] == "(no answer)"
    assert "no configuration" in repair_messages([], "  ", [])[1]["content"]
