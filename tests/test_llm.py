from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import json

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm import LLMSampler
from optuna_llm import Task
from optuna_llm.history.origin import SOURCES
from optuna_llm.prior import EmbeddedPrior
from tests.support.llm import SPACE
from tests.support.llm import objective
from tests.support.llm import record
from tests.support.llm import run
from tests.support.llm import sampler_for
from tests.support.llm import sources
from tests.support.models import proposing
from tests.support.models import well_behaved
from tests.support.server import ChatServer
from tests.support.server import Script
from tests.support.server import script


# --------------------------------------------------------------------------------------
# Without a model


def test_without_a_model_one_warning_says_how_to_name_one(logged: list[str]) -> None:
    study = run(LLMSampler(seed=0))
    (warning,) = logged
    assert 'LLMSampler("gpt-5-mini")' in warning
    assert "OPTUNA_LLM_MODEL" in warning
    assert set(sources(study)) == {"prior", "base"}


@pytest.mark.parametrize("search_space", [None, SPACE])
def test_trial_0_takes_the_usual_values(search_space: dict[str, BaseDistribution] | None) -> None:
    first = run(LLMSampler(search_space=search_space), 1).trials[0]
    assert 0.01 <= first.params["learning_rate"] <= 0.3
    assert 3 <= first.params["max_depth"] <= 10
    assert first.params["booster"] == "gbtree"
    assert first.user_attrs["llm:source"] == "prior"
    assert "learning_rate" in first.user_attrs["llm:rationale"]


@pytest.mark.parametrize("search_space", [None, SPACE])
def test_known_good_configurations_come_first(
    search_space: dict[str, BaseDistribution] | None,
) -> None:
    known = [{"learning_rate": 0.5, "booster": "dart"}, {"max_depth": 11}]
    study = run(LLMSampler(known_good=known, search_space=search_space, seed=0), 3)
    first, second, third = (t.params for t in study.trials)
    assert (first["learning_rate"], first["booster"]) == (0.5, "dart")
    assert 3 <= first["max_depth"] <= 10  # What is not given takes its usual value.
    assert second["max_depth"] == 11
    assert third["booster"] == "gbtree"
    assert "Known good configuration 1 of 2" in study.trials[0].user_attrs["llm:rationale"]


def test_known_good_choices_are_native_values() -> None:
    space: dict[str, BaseDistribution] = {"c": CategoricalDistribution([True, 1, "1"])}
    study = optuna.create_study(sampler=LLMSampler(known_good=[{"c": "1"}], search_space=space))
    value = study.ask(space).params["c"]
    assert value == "1"
    assert isinstance(value, str)


def test_every_trial_says_who_proposed_it_and_why() -> None:
    study = run(LLMSampler(seed=0), 25)
    for trial in study.trials:
        assert trial.user_attrs["llm:source"] in SOURCES
        assert 0 < len(trial.user_attrs["llm:rationale"]) <= 300
        assert record(trial)["source"] == trial.user_attrs["llm:source"]


def test_same_seed_same_search_and_workers_with_one_seed_differ() -> None:
    a, b = (run(LLMSampler(seed=3), 20) for _ in range(2))
    assert [t.params for t in a.trials] == [t.params for t in b.trials]
    # Four processes with the same seed on one study: each draws its own numbers.
    study = optuna.create_study()
    trials = []
    for _ in range(4):
        study.sampler = LLMSampler(seed=3, search_space=SPACE)
        trials.append(study.ask(SPACE))
    assert len({json.dumps(t.params) for t in trials}) == 4


# --------------------------------------------------------------------------------------
# With a model


def test_zero_shot_batch_is_asked_for_with_trial_0_if_the_space_is_known(
    serve: Callable[..., ChatServer],
) -> None:
    server = serve(well_behaved())
    # The portfolio is so good here that the search moves, which is an occasion to ask.
    prior = EmbeddedPrior(portfolios=False)
    study = run(sampler_for(server, n_candidates=4, prefetch=False, prior=prior), 1)
    assert server.count == 1
    assert sources(study) == ["prior"]
    assert len(record(study.trials[0])["candidates"]) == 4
    study.optimize(objective, n_trials=5)
    assert server.count == 1  # The batch is used up before the model is asked again.
    used = [t for t in study.trials if t.user_attrs["llm:source"] == "llm"]
    assert {t.user_attrs["llm:rationale"] for t in used} == {f"reason {i}" for i in range(4)}
    assert all(record(t).get("requests", 0) == 0 for t in used)


def test_without_a_space_the_model_is_asked_from_trial_1(
    serve: Callable[..., ChatServer],
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, search_space=None), 1)
    assert server.count == 0
    study.optimize(objective, n_trials=1)
    assert server.count == 1
    assert sources(study) == ["prior", "llm"]


def test_model_and_base_sampler_take_turns_and_the_cost_is_recorded(
    serve: Callable[..., ChatServer],
) -> None:
    server = serve(well_behaved())
    sampler = sampler_for(server)
    study = run(sampler, 40)
    counts = Counter(sources(study))
    assert counts["llm"] >= 4
    assert counts["base"] >= 4
    assert counts["fallback"] == 0
    spent = sampler.spending(study)
    # A reply that is on its way when the study ends is counted and belongs to no trial.
    assert 0 <= spent.requests - sum(record(t).get("requests", 0) for t in study.trials) <= 1
    assert spent.prompt_tokens > 1000
    asked = [record(t) for t in study.trials if record(t).get("requests")]
    assert all(r["model"] == "stand-in" and r["prompt_tokens"] > 100 for r in asked)


def test_prompt_carries_task_docs_and_the_base_samplers_point(
    serve: Callable[..., ChatServer],
) -> None:
    server = serve(well_behaved())
    options = {
        "task": Task(text="predict churn", metric="log-loss", n_trials=30),
        "param_docs": {"max_depth": "limited by memory"},
    }
    run(sampler_for(server, **options), 30)
    told = [json.dumps(r.json["messages"]) for r in server.requests]
    assert all("predict churn" in t and "limited by memory" in t for t in told)
    assert any("CQRSampler would run one of these next" in t for t in told)


@pytest.mark.parametrize("prompt_style", ["compressed", "chat"])
@pytest.mark.parametrize("reasoning", ["none", "brief", "full"])
def test_styles_of_the_paper(
    serve: Callable[..., ChatServer], prompt_style: str, reasoning: str
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, prompt_style=prompt_style, reasoning=reasoning), 20)
    assert "llm" in sources(study)[8:]
    roles = {m["role"] for r in server.requests for m in r.json["messages"]}
    assert ("assistant" in roles) == (prompt_style == "chat")


def test_same_seed_and_model_same_search(serve: Callable[..., ChatServer]) -> None:
    searches = [run(sampler_for(serve(well_behaved())), 25) for _ in range(2)]
    assert [t.params for t in searches[0].trials] == [t.params for t in searches[1].trials]


def test_duplicates_are_not_proposed(serve: Callable[..., ChatServer]) -> None:
    same = {"learning_rate": 0.02, "max_depth": 6, "booster": "gbtree"}
    study = run(sampler_for(serve(proposing(lambda _: same))), 40)
    by_model = [t for t in study.trials if t.user_attrs["llm:source"] == "llm"]
    assert len(by_model) == 1
    assert any("tried before" in t.user_attrs["llm:rationale"] for t in study.trials)


def test_one_repair_turn_lists_the_violations(serve: Callable[..., ChatServer]) -> None:
    bad = json.dumps({"params": {"learning_rate": 5, "max_depth": 3.5, "booster": "linear"}})
    good = json.dumps({"params": {"learning_rate": 0.05, "max_depth": 4, "booster": "dart"}})
    server = serve(script(bad, good))
    study = run(sampler_for(server, n_candidates=1), 1)
    assert server.count == 2
    correction = server.requests[1].json["messages"][-1]["content"]
    assert "max_depth=3.5 must be integer from 1 to 12" in correction
    assert 'booster="linear" must be one of' in correction
    assert record(study.trials[0])["requests"] == 2


def test_partial_reply_is_completed_and_counted(serve: Callable[..., ChatServer]) -> None:
    server = serve(proposing(lambda _: {"max_depth": 99}))
    study = run(sampler_for(server, search_space=None), 2)
    trial = study.trials[1]
    assert trial.params["max_depth"] == 12
    assert set(trial.params) == set(SPACE)
    assert record(trial)["repaired"] == 1
    assert record(trial)["completed"] == 2


def test_a_plain_callable_is_a_model() -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return "I suggest learning_rate = 0.05, max_depth = 5, booster = dart"

    study = run(LLMSampler(model, search_space=SPACE, seed=0), 2)
    assert study.trials[1].params == {"learning_rate": 0.05, "max_depth": 5, "booster": "dart"}
    assert study.trials[1].user_attrs["llm:source"] == "llm"
    assert "learning_rate: number from 0.0001 to 1, log scale" in prompts[0]


# --------------------------------------------------------------------------------------
# Whose turn it is follows from what it brought


def test_a_bad_model_loses_its_turns_and_a_good_one_gains(
    serve: Callable[..., ChatServer],
) -> None:
    rng = np.random.default_rng(0)

    def near(rate: float, depth: int, booster: str) -> Script:
        return proposing(
            lambda _: {
                "learning_rate": rate * float(np.exp(rng.normal(0, 0.2))),
                "max_depth": depth,
                "booster": booster,
            }
        )

    good = sources(run(sampler_for(serve(near(0.03, 7, "gbtree"))), 60))
    bad = sources(run(sampler_for(serve(near(1e-4, 1, "dart"))), 60))
    assert Counter(good[20:])["llm"] >= 2 * Counter(bad[20:])["llm"]
    assert Counter(bad[20:])["llm"] <= 4


def test_regions_that_fail_are_left_alone(serve: Callable[..., ChatServer]) -> None:
    rng = np.random.default_rng(0)
    deep = proposing(
        lambda _: {
            "learning_rate": float(rng.uniform(0.01, 1)),
            "max_depth": int(rng.integers(9, 13)),
            "booster": "gbtree",
        }
    )

    def fails(trial: optuna.Trial) -> float:
        value = objective(trial)
        if trial.params["max_depth"] > 8:
            trial.set_user_attr("fail_reason", "out of memory")
            raise MemoryError
        return value

    server = serve(deep)
    study = optuna.create_study(sampler=sampler_for(server))
    study.optimize(fails, n_trials=50, catch=MemoryError)
    late = [t for t in study.trials[25:] if t.user_attrs["llm:source"] == "llm"]
    assert sum(t.state == TrialState.FAIL for t in late) <= 1
    assert "out of memory" in json.dumps(server.requests[-1].json["messages"])
