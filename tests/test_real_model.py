"""The samplers with a real language model, the weakest one that answers: nothing may break.

In this process, and over HTTP. It holds the form of an answer because grammars make it do so, and
finishes because its answers are bounded; what it says has no value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import Task
from optuna_llm.command.cli import main
from optuna_llm.history.cost import Cost
from optuna_llm.history.predictions import Predictions
from tests.support import smollm2


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]

# Few words: on one core this model reads a hundred tokens a second and writes thirty.
SHORT: dict[str, Any] = {
    "n_candidates": 2,
    "prompt_tokens": 300,
    "task": Task(metric="loss"),
    # Greedy, so that a run is like the one before.
    "temperature": 0.0,
    "seed": 0,
}


def _loss(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
    depth = trial.suggest_int("max_depth", 2, 12)
    booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
    return abs(rate - 0.01) * 10 + abs(depth - 6) / 10 + 0.1 * (booster == "dart")


def _study(sampler: Any, n_trials: int) -> optuna.Study:
    study = optuna.create_study(sampler=sampler)
    study.optimize(_loss, n_trials=n_trials)
    assert all(t.state == TrialState.COMPLETE for t in study.trials)
    assert len(study.trials) == n_trials
    return study


def _costs(study: optuna.Study) -> list[Cost]:
    return [cost for t in study.trials if (cost := Cost.read(t)).requests]


@pytest.fixture(scope="module")
def address() -> Any:
    with smollm2.served() as url:
        yield url


def test_the_check_passes(capsys: pytest.CaptureFixture[str]) -> None:
    # What so small a model writes is drawn at random, and stopped where it repeats itself: it may
    # need another try, but not four.
    code, tries = 1, 0
    while code and tries < 4:
        capsys.readouterr()
        code, tries = main(["check", f"gguf:{smollm2.path()}"]), tries + 1
    assert code == 0
    out = capsys.readouterr().out
    assert "json_schema (the server takes the schema, and the answer follows it)" in out
    assert "3 usable, 3 asked for" in out
    # All values are within their ranges: nothing was repaired, dropped or filled in.
    assert "  - " not in out


def _in_process(kind: Callable[..., Any], _: str, **options: Any) -> Any:
    return kind(f"gguf:{smollm2.path()}", **SHORT, **options)


def _over_http(kind: Callable[..., Any], address: str, **options: Any) -> Any:
    return kind("smollm2", base_url=address, timeout=600.0, **SHORT, **options)


@pytest.mark.parametrize(
    ("connected", "limit"), [(_in_process, {}), (_over_http, {"max_requests": 1})]
)
def test_llm_sampler(connected: Callable[..., Any], limit: dict[str, int], address: str) -> None:
    on_error = "fallback" if limit else "raise"
    sampler = connected(
        LLMSampler,
        address,
        reasoning="none",
        n_startup_trials=3,
        prefetch=False,
        on_error=on_error,
        **limit,
    )
    study = _study(sampler, 6)
    spent = sampler.spending(study)
    sources = [t.user_attrs["llm:source"] for t in study.trials]
    assert "llm" in sources
    # With a limit the statistical sampler takes over where the model is due once more.
    assert limit or "fallback" not in sources
    assert spent.requests - spent.failed_requests >= 1
    assert spent.requests <= limit.get("max_requests", 6)
    # The answers ended by themselves, none at a limit.
    assert 0 < spent.completion_tokens < 200 * spent.requests
    assert not spent.unanswered


@pytest.mark.parametrize(
    ("surrogate", "connected"),
    [("discriminative", _over_http), ("generative", _in_process)],
)
def test_llambo_sampler(surrogate: str, connected: Callable[..., Any], address: str) -> None:
    sampler = connected(
        LLAMBOSampler,
        address,
        surrogate=surrogate,
        n_startup_trials=3,
        n_templates=1,
    )
    study = _study(sampler, 9)
    # So weak a model may repeat itself, or answer nothing of use: it is told, and costs no trial.
    assert all(t.state == TrialState.COMPLETE for t in study.trials)
    assert "llm" in [t.user_attrs["llm:source"] for t in study.trials[1:3]]
    told = [p for t in study.trials if (p := Predictions.read(t)).held_out.get("numbers")]
    assert told or any(cost.error for cost in _costs(study)), "no prediction was read"
    for predictions in told:
        answers = predictions.held_out["model"]
        if surrogate == "generative":
            # Shares of probability, not labels that were drawn.
            assert any(0 < answer < 1 for answer in answers)
        else:
            assert all(-500 <= answer <= 2000 for answer in answers)
    assert all(cost.completion_tokens < 1000 for cost in _costs(study))
