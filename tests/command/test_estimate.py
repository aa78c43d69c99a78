from __future__ import annotations

from functools import partial

import optuna
import pytest

from optuna_llm import LLMSampler
from optuna_llm.command.cli import main
from optuna_llm.command.estimate import estimate
from tests.support.models import well_behaved
from tests.support.server import ChatServer


SAMPLER = partial(LLMSampler, prefetch=False)


def test_an_estimate_brackets_a_real_run() -> None:
    """A model of some use, asked over HTTP, costs more than the least and less than the most."""
    least, most = estimate(30, 4, SAMPLER)
    with ChatServer(well_behaved()) as server:
        sampler = LLMSampler("m", base_url=server.base_url, seed=0)
        study = optuna.create_study(sampler=sampler)
        study.optimize(_objective, n_trials=30)
        spent = sampler.spending(study)
    assert 0 < least.requests <= spent.requests <= most.requests
    # The server counts four letters to a token, the estimate every digit and mark.
    assert 0.3 * least.prompt_tokens < spent.prompt_tokens < most.prompt_tokens
    assert 0 < least.completion_tokens < most.completion_tokens


def _objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
    layers = trial.suggest_int("num_layers", 1, 16)
    dropout = trial.suggest_float("dropout", 0.0, 0.9)
    activation = trial.suggest_categorical("activation", ["relu", "gelu", "tanh", "silu"])
    return rate + layers + dropout + len(activation)


def test_more_trials_and_more_parameters_cost_more() -> None:
    small, longer, wider = (
        estimate(trials, params, SAMPLER)[1] for trials, params in ((10, 2), (20, 2), (10, 8))
    )
    assert longer.requests > small.requests
    assert longer.prompt_tokens > small.prompt_tokens
    # The prompt tells every parameter and every value of the history.
    assert wider.prompt_tokens / wider.requests > 1.2 * small.prompt_tokens / small.requests
    assert wider.completion_tokens / wider.requests > small.completion_tokens / small.requests


def test_the_command_tells_requests_tokens_and_money(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["estimate", "--trials", "5", "--params", "2", "--prices", "2", "10"]
    assert main(argv) == 0
    out = capsys.readouterr().out
    least, most = estimate(5, 2, SAMPLER)
    for found in (least, most):
        cost = (2 * found.prompt_tokens + 10 * found.completion_tokens) / 1e6
        assert f"{found.prompt_tokens:,}" in out
        assert f"{cost:.4g}" in out


def test_every_sampler_with_a_model_can_be_rehearsed(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["estimate", "--trials", "12", "--params", "2", "--sampler"]
    requests = {}
    for sampler in ("llm", "llambo"):
        assert main([*argv, sampler]) == 0
        out = capsys.readouterr().out
        (row,) = [line for line in out.splitlines() if "always help" in line]
        requests[sampler] = int(row.split()[2])
    # LLAMBO asks for predictions, too.
    assert requests["llambo"] > requests["llm"] > 0


def test_prices_follow_from_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["estimate", "--trials", "2", "--params", "1"]
    assert main([*argv, "--model", "ollama/qwen3"]) == 0
    assert "?" not in capsys.readouterr().out
    assert main(argv) == 0
    assert "No price is known; give --prices" in capsys.readouterr().out


def test_prices_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--trials", "1", "--prices", "-1", "2"]) == 2
    assert "prices" in capsys.readouterr().err
