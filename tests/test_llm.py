from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
import copy
import json
import logging
import pickle
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
import pytest

from optuna_llm import LLMSampler
from optuna_llm import Task
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from optuna_llm.provenance import SOURCES
from tests.models import proposing
from tests.models import well_behaved
from tests.server import ChatServer
from tests.server import Script
from tests.server import error
from tests.server import script


SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "max_depth": IntDistribution(1, 12),
    "booster": CategoricalDistribution(["gbtree", "dart"]),
}
CANARY = "sk-canary-0123456789abcdef"


def objective(trial: optuna.Trial) -> float:
    depth = trial.suggest_int("max_depth", 1, 12)
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
    return float(np.log10(rate / 0.03) ** 2 + (depth - 7) ** 2 / 10 + (booster == "dart"))


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ChatServer]]:
    servers: list[ChatServer] = []

    def start(reply: Script) -> ChatServer:
        servers.append(ChatServer(reply).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What this package's samplers log."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    collector = Collector()
    logger = logging.getLogger("optuna.optuna_llm")
    logger.addHandler(collector)
    yield messages
    logger.removeHandler(collector)


def sampler_for(server: ChatServer, **options: Any) -> LLMSampler:
    defaults = {"base_url": server.base_url, "seed": 0, "max_retries": 0, "search_space": SPACE}
    return LLMSampler("stand-in", **{**defaults, **options})


def run(sampler: BaseSampler, n_trials: int = 20, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n_trials)
    return study


def sources(study: optuna.Study) -> list[str]:
    return [t.user_attrs["llm:source"] for t in study.trials]


def record(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    found: dict[str, Any] = trial.system_attrs["llm:proposal"]
    return found


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
    serve: Callable[[Script], ChatServer],
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, n_candidates=4, prefetch=False), 1)
    assert server.count == 1
    assert sources(study) == ["prior"]
    assert len(record(study.trials[0])["candidates"]) == 4
    study.optimize(objective, n_trials=5)
    assert server.count == 1  # The batch is used up before the model is asked again.
    used = [t for t in study.trials if t.user_attrs["llm:source"] == "llm"]
    assert {t.user_attrs["llm:rationale"] for t in used} == {f"reason {i}" for i in range(4)}
    assert all(record(t).get("requests", 0) == 0 for t in used)


def test_without_a_space_the_model_is_asked_from_trial_1(
    serve: Callable[[Script], ChatServer],
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, search_space=None), 1)
    assert server.count == 0
    study.optimize(objective, n_trials=1)
    assert server.count == 1
    assert sources(study) == ["prior", "llm"]


def test_model_and_base_sampler_take_turns_and_the_cost_is_recorded(
    serve: Callable[[Script], ChatServer],
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
    serve: Callable[[Script], ChatServer],
) -> None:
    server = serve(well_behaved())
    options = {
        "task": Task(text="predict churn", metric="log-loss", n_trials=30),
        "param_docs": {"max_depth": "limited by memory"},
    }
    run(sampler_for(server, **options), 30)
    told = [json.dumps(r.json["messages"]) for r in server.requests]
    assert all("predict churn" in t and "limited by memory" in t for t in told)
    assert any("CQRSampler would run this next" in t for t in told)


@pytest.mark.parametrize("prompt_style", ["compressed", "chat"])
@pytest.mark.parametrize("reasoning", ["none", "brief", "full"])
def test_styles_of_the_paper(
    serve: Callable[[Script], ChatServer], prompt_style: str, reasoning: str
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, prompt_style=prompt_style, reasoning=reasoning), 20)
    assert "llm" in sources(study)[8:]
    roles = {m["role"] for r in server.requests for m in r.json["messages"]}
    assert ("assistant" in roles) == (prompt_style == "chat")


def test_same_seed_and_model_same_search(serve: Callable[[Script], ChatServer]) -> None:
    searches = [run(sampler_for(serve(well_behaved())), 25) for _ in range(2)]
    assert [t.params for t in searches[0].trials] == [t.params for t in searches[1].trials]


def test_duplicates_are_not_proposed(serve: Callable[[Script], ChatServer]) -> None:
    same = {"learning_rate": 0.02, "max_depth": 6, "booster": "gbtree"}
    study = run(sampler_for(serve(proposing(lambda _: same))), 40)
    by_model = [t for t in study.trials if t.user_attrs["llm:source"] == "llm"]
    assert len(by_model) == 1
    assert any("tried before" in t.user_attrs["llm:rationale"] for t in study.trials)


def test_one_repair_turn_lists_the_violations(serve: Callable[[Script], ChatServer]) -> None:
    bad = json.dumps({"params": {"learning_rate": 5, "max_depth": 3.5, "booster": "linear"}})
    good = json.dumps({"params": {"learning_rate": 0.05, "max_depth": 4, "booster": "dart"}})
    server = serve(script(bad, good))
    study = run(sampler_for(server, n_candidates=1), 1)
    assert server.count == 2
    correction = server.requests[1].json["messages"][-1]["content"]
    assert "max_depth=3.5 must be integer from 1 to 12" in correction
    assert "booster='linear' must be one of" in correction
    assert record(study.trials[0])["requests"] == 2


def test_partial_reply_is_completed_and_counted(serve: Callable[[Script], ChatServer]) -> None:
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
    serve: Callable[[Script], ChatServer],
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


def test_regions_that_fail_are_left_alone(serve: Callable[[Script], ChatServer]) -> None:
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


# --------------------------------------------------------------------------------------
# Bad set-up: one clear error at once


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_sampler": "tpe"}, r"base_sampler='tpe'.*TPESampler"),
        ({"seed": -1}, "seed=-1"),
        ({"on_error": "ignore"}, "on_error='ignore'.*fallback"),
        ({"n_candidates": 0}, "n_candidates=0"),
        ({"n_startup_trials": -1}, "n_startup_trials=-1"),
        ({"prompt_style": "poem"}, "prompt_style|style"),
        ({"reasoning": "deep"}, "reasoning"),
        ({"prompt_tokens": 3}, "token"),
        ({"max_requests": -1}, "max_requests=-1"),
        ({"max_cost": "1"}, "max_cost='1'"),
        ({"timeout": 0}, "timeout"),
        ({"search_space": ["x"]}, "search_space=.*FloatDistribution"),
        ({"search_space": {"x": (0, 1)}}, r"search_space\['x'\]"),
        ({"known_good": {"x": 1}}, "known_good=.*list"),
        ({"known_good": [3]}, r"known_good\[0\]=3"),
        ({"known_good": [{"max_depth": 99}], "search_space": SPACE}, "max_depth=99.*1 to 12"),
        ({"known_good": [{"depth": 3}], "search_space": SPACE}, "'depth'.*max_depth"),
        ({"task": 3}, "task"),
        ({"param_docs": ["x"]}, "param_docs"),
        ({"base_url": "localhost"}, "base_url"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_arguments_are_named_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        LLMSampler("stand-in", **options)


def test_known_good_outside_an_unknown_range_is_named_in_the_first_trial() -> None:
    with pytest.raises(ConfigurationError, match=r"known_good\[0\]: max_depth=99"):
        run(LLMSampler(known_good=[{"max_depth": 99}]), 1)


@pytest.mark.parametrize(
    ("status", "message", "named"),
    [(401, "Incorrect API key", "api_key"), (404, "The model does not exist", "stand-in")],
)
def test_refused_key_and_unknown_model_are_raised_at_the_first_request(
    serve: Callable[[Script], ChatServer], status: int, message: str, named: str
) -> None:
    server = serve(script(error(status, message)))
    study = optuna.create_study(sampler=sampler_for(server, api_key=CANARY))
    with pytest.raises(ModelSetupError, match=named) as caught:
        study.optimize(objective, n_trials=5)
    assert len(study.trials) == 1  # Before the first expensive evaluation.
    assert CANARY not in str(caught.value)


def test_cost_limit_without_prices_is_raised_at_the_first_request(
    serve: Callable[[Script], ChatServer],
) -> None:
    with pytest.raises(ConfigurationError, match="prices="):
        run(sampler_for(serve(well_behaved()), max_cost=1.0), 1)


def test_base_sampler_without_several_objectives_is_named_at_once() -> None:
    sampler = LLMSampler(base_sampler=optuna.samplers.CmaEsSampler())
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    with pytest.raises(ConfigurationError, match=r"base_sampler=CmaEsSampler.*2 objectives"):
        study.optimize(lambda t: (t.suggest_float("x", 0, 1), 0.0), n_trials=3)
    assert len(study.trials) == 1


# --------------------------------------------------------------------------------------
# Faults in the middle of a run


def test_a_key_that_expires_does_not_stop_the_study(
    serve: Callable[[Script], ChatServer],
) -> None:
    answers = well_behaved()
    server = serve(lambda request: answers(request) if server.count < 3 else error(401, "expired"))
    study = run(sampler_for(server), 40)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 40
    assert "fallback" in sources(study)


def test_a_model_that_goes_away_is_reported_once_and_left_alone(
    serve: Callable[[Script], ChatServer], logged: list[str]
) -> None:
    server = serve(script(error(500, "overloaded")))
    study = run(sampler_for(server), 60)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 60
    assert len([w for w in logged if "cannot be used" in w]) == 1
    # Three failures, then pauses of 3, 6, 12, 24 trials.
    assert 4 <= server.count <= 8
    reasons = [t.user_attrs["llm:rationale"] for t in study.trials if record(t).get("error")]
    assert any("left alone" in r for r in reasons)


def test_a_model_that_comes_back_is_used_again(
    serve: Callable[[Script], ChatServer], logged: list[str]
) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    answers = well_behaved()
    server = serve(lambda r: error(503, "busy") if server.count <= 3 else answers(r))
    study = run(sampler_for(server), 40)
    assert "fallback" in sources(study)
    assert "llm" in sources(study)
    assert len([m for m in logged if "cannot be used" in m]) == 1
    assert len([m for m in logged if "answers again" in m]) == 1


def test_on_error_raise(serve: Callable[[Script], ChatServer]) -> None:
    server = serve(script(error(500, "overloaded")))
    with pytest.raises(ModelError, match="overloaded"):
        run(sampler_for(server, on_error="raise"), 5)


def test_budget_is_shared_and_survives_a_resume(serve: Callable[[Script], ChatServer]) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, max_requests=2), 30)
    assert server.count == 2
    study.sampler = sampler_for(server, max_requests=2, seed=1)  # Another worker, or a resume.
    study.optimize(objective, n_trials=20)
    assert server.count == 2
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 50
    last = next(t for t in reversed(study.trials) if record(t).get("error"))
    assert record(last)["error"] == "budget"
    assert "max_requests=2" in last.user_attrs["llm:rationale"]
    study.sampler = sampler_for(server, max_requests=2, on_error="raise")
    with pytest.raises(BudgetExceededError):
        study.optimize(objective, n_trials=30)


# --------------------------------------------------------------------------------------
# One sampler among all that Optuna has


@pytest.mark.parametrize(
    "base",
    [
        optuna.samplers.RandomSampler(seed=0),
        optuna.samplers.TPESampler(seed=0, multivariate=True, group=True),
        optuna.samplers.GPSampler(seed=0, n_startup_trials=3),
        optuna.samplers.CmaEsSampler(seed=0),
        optuna.samplers.QMCSampler(seed=0),
        optuna.samplers.NSGAIISampler(seed=0),
    ],
    ids=str,
)
def test_any_base_sampler(serve: Callable[[Script], ChatServer], base: BaseSampler) -> None:
    study = run(sampler_for(serve(well_behaved()), base_sampler=base), 25)
    assert {"prior", "llm", "base"} <= set(sources(study))
    assert all(t.state == TrialState.COMPLETE for t in study.trials)


def test_several_objectives_constraints_pruning_failures_and_infinity(
    serve: Callable[[Script], ChatServer],
) -> None:
    def everything(trial: optuna.Trial) -> tuple[float, float]:
        value = objective(trial)
        trial.set_constraint("depth", trial.params["max_depth"] - 9.0)
        if trial.number == 7:
            raise RuntimeError
        return (float("inf") if trial.number == 5 else value, -value)

    server = serve(well_behaved())
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler_for(server))
    study.optimize(everything, n_trials=25, catch=RuntimeError)
    assert "llm" in sources(study)[10:]
    assert "Pareto" in json.dumps(server.requests[-1].json["messages"])


def test_hyperband_conditional_space_and_enqueued_trials(
    serve: Callable[[Script], ChatServer],
) -> None:
    def conditional(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["svm", "forest"]) == "svm":
            value = abs(np.log10(trial.suggest_float("C", 1e-3, 1e3, log=True)))
        else:
            value = 1 / trial.suggest_int("n_estimators", 10, 200)
        for step in range(1, 9):
            trial.report(value + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(value)

    server = serve(well_behaved())
    pruner = optuna.pruners.HyperbandPruner(max_resource=8)
    sampler = sampler_for(server, search_space=None)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.enqueue_trial({"kind": "svm", "C": 1.0})
    study.optimize(conditional, n_trials=40)
    assert sources(study)[0] == "enqueued"
    assert {"prior", "llm", "base"} <= set(sources(study))
    assert {TrialState.COMPLETE, TrialState.PRUNED} == {t.state for t in study.trials}


def test_threads_share_one_sampler(serve: Callable[[Script], ChatServer]) -> None:
    study = optuna.create_study(sampler=sampler_for(serve(well_behaved())))
    study.optimize(objective, n_trials=40, n_jobs=4)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 40
    assert "llm" in sources(study)
    assert "fallback" not in sources(study)


def test_fixed_parameters_are_respected_and_shared(
    serve: Callable[[Script], ChatServer],
) -> None:
    study = run(sampler_for(serve(well_behaved())), 12)
    study.enqueue_trial({"max_depth": 2})
    trial = study.ask(SPACE)
    assert trial.params["max_depth"] == 2
    shared = study.trials[-1].system_attrs["llm:proposal"]["params"]
    assert shared["max_depth"] == 2
    assert set(shared) == set(SPACE)


def test_pickle_and_deepcopy_hold_no_key_and_go_on(
    serve: Callable[[Script], ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(well_behaved())
    study = run(sampler_for(server, api_key=CANARY), 8)
    pickled = pickle.dumps(study.sampler)
    assert CANARY.encode() not in pickled
    assert CANARY not in repr(study.sampler) + json.dumps([t.system_attrs for t in study.trials])
    study.sampler = copy.deepcopy(study.sampler)
    study.optimize(objective, n_trials=12)
    monkeypatch.setenv("OPTUNA_LLM_API_KEY", CANARY)
    study.sampler = pickle.loads(pickled)
    study.optimize(objective, n_trials=12)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 32
    assert "fallback" not in sources(study)
    assert server.requests[-1].headers["authorization"] == f"Bearer {CANARY}"


def test_cassette_replays_a_search_without_the_model(
    serve: Callable[[Script], ChatServer], tmp_path: Any
) -> None:
    server = serve(well_behaved())
    path = tmp_path / "search.jsonl"
    recorded = run(sampler_for(server, cassette=path, prefetch=False), 25)
    count = server.count
    replayed = run(sampler_for(server, cassette=path, prefetch=False), 25)
    assert server.count == count
    assert [t.params for t in recorded.trials] == [t.params for t in replayed.trials]
