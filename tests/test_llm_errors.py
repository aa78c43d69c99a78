"""LLMSampler with wrong arguments, with a model that fails, and within a budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm import LLMSampler
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from tests.support.llm import CANARY
from tests.support.llm import SPACE
from tests.support.llm import objective
from tests.support.llm import record
from tests.support.llm import run
from tests.support.llm import sampler_for
from tests.support.llm import sources
from tests.support.models import well_behaved
from tests.support.server import ChatServer
from tests.support.server import error
from tests.support.server import script


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


@pytest.mark.parametrize(
    ("status", "message", "named"),
    [(401, "Incorrect API key", "api_key"), (404, "The model does not exist", "stand-in")],
)
def test_refused_key_and_unknown_model_are_raised_at_the_first_request(
    serve: Callable[..., ChatServer], status: int, message: str, named: str
) -> None:
    server = serve(script(error(status, message)))
    study = optuna.create_study(sampler=sampler_for(server, api_key=CANARY))
    with pytest.raises(ModelSetupError, match=named) as caught:
        study.optimize(objective, n_trials=5)
    assert len(study.trials) == 1  # Before the first expensive evaluation.
    assert CANARY not in str(caught.value)


def test_cost_limit_without_prices_is_raised_at_the_first_request(
    serve: Callable[..., ChatServer],
) -> None:
    with pytest.raises(ConfigurationError, match="prices="):
        run(sampler_for(serve(well_behaved()), max_cost=1.0), 1)


def test_base_sampler_without_several_objectives_is_named_at_once() -> None:
    sampler = LLMSampler(base_sampler=optuna.samplers.CmaEsSampler())
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    with pytest.raises(ConfigurationError, match=r"base_sampler=CmaEsSampler.*2 objectives"):
        study.optimize(lambda t: (t.suggest_float("x", 0, 1), 0.0), n_trials=3)
    assert len(study.trials) == 1


def test_a_key_that_expires_does_not_stop_the_study(
    serve: Callable[..., ChatServer],
) -> None:
    answers = well_behaved()
    server = serve(lambda request: answers(request) if server.count < 2 else error(401, "expired"))
    study = run(sampler_for(server), 40)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 40
    assert "fallback" in sources(study)


def test_a_model_that_goes_away_is_reported_once_and_left_alone(
    serve: Callable[..., ChatServer], logged: list[str]
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
    serve: Callable[..., ChatServer], logged: list[str]
) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    answers = well_behaved()
    server = serve(lambda r: error(503, "busy") if server.count <= 3 else answers(r))
    study = run(sampler_for(server), 40)
    assert "fallback" in sources(study)
    assert "llm" in sources(study)
    assert len([m for m in logged if "cannot be used" in m]) == 1
    assert len([m for m in logged if "answers again" in m]) == 1


def test_on_error_raise(serve: Callable[..., ChatServer]) -> None:
    server = serve(script(error(500, "overloaded")))
    with pytest.raises(ModelError, match="overloaded"):
        run(sampler_for(server, on_error="raise"), 5)


def test_budget_is_shared_and_survives_a_resume(serve: Callable[..., ChatServer]) -> None:
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


@pytest.mark.parametrize("limit", [{"max_tokens": 13_000}, {"max_cost": 0.013}])
def test_requests_that_time_out_use_up_a_budget(limit: dict[str, float]) -> None:
    calls = []

    def slow(prompt: str) -> str:
        calls.append(prompt)
        raise TimeoutError("the gateway has closed the connection")

    sampler = LLMSampler(slow, seed=0, prefetch=False, prices=(1.0, 1.0), **limit)  # type: ignore[arg-type]
    study = run(sampler, 30)
    spent = sampler.spending(study)
    assert len(calls) == spent.requests == spent.unanswered == 2  # Of 5,000 tokens and more each.
    # As many as the form of the answer may take.
    assert spent.completion_tokens > 4000
    assert spent.cost == pytest.approx((spent.prompt_tokens + spent.completion_tokens) / 1e6)
    errors = {t.system_attrs["llm:proposal"].get("error") for t in study.trials}
    assert {"ModelError", "budget"} <= errors


class _Own:
    name = "a-model-of-my-own"

    def complete(self, messages: Any, **more: Any) -> Any:
        raise AssertionError("asked")


@pytest.mark.parametrize("model", [lambda prompt: prompt, _Own(), "no-such-model-of-anybody"])
def test_a_limit_on_cost_without_a_price_is_refused_at_once(model: Any) -> None:
    options = {"base_url": "http://127.0.0.1:9/v1"} if isinstance(model, str) else {}
    with pytest.raises(ConfigurationError, match=r"max_cost=1\.5 needs the price.*prices="):
        LLMSampler(model, max_cost=1.5, **options)  # type: ignore[arg-type]
