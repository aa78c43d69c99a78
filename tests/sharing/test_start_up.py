"""How a study begins where there are good configurations of the family of models."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.samplers import BaseSampler
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior import portfolio
from optuna_llm.prior.portfolio import Portfolio


ROWS = (
    {"kernel": "linear", "C": 0.5},
    {"kernel": "rbf", "C": 100, "gamma": 0.001},
    {"kernel": "rbf", "C": 101, "gamma": 0.001},
)
USUAL = {"kernel": "rbf", "C": 10.0, "gamma": 0.02}
FIRST = {"kernel": "linear", "C": 0.5}
SECOND = {"kernel": "rbf", "C": 100.0, "gamma": 0.001}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"support vector machine": Portfolio("support vector machine", "a test", ROWS)}
    monkeypatch.setattr(portfolio, "portfolios", lambda: found)


def objective(trial: optuna.Trial) -> float:
    kernel = trial.suggest_categorical("kernel", ["rbf", "linear"])
    c = trial.suggest_float("C", 1e-3, 1e3, log=True)
    gamma = trial.suggest_float("gamma", 1e-5, 10.0, log=True) if kernel == "rbf" else 1.0
    return c * gamma


def run(sampler: BaseSampler, n_trials: int, *enqueued: dict[str, object]) -> optuna.Study:
    study = optuna.create_study(sampler=sampler)
    for params in enqueued:
        study.enqueue_trial(params)
    study.optimize(objective, n_trials)
    return study


@pytest.mark.parametrize("kind", [CQRSampler, LLMSampler, LLAMBOSampler])
def test_usual_values_come_first_then_the_portfolio(kind: Callable[..., BaseSampler]) -> None:
    study = run(kind(seed=0), 5)
    # A row that is nearly another one is left out.
    assert [t.params for t in study.trials[:3]] == [USUAL, FIRST, SECOND]
    assert all(t.params["C"] != pytest.approx(101) for t in study.trials)
    assert all("one of a few" in t.user_attrs["llm:rationale"].lower() for t in study.trials[1:3])
    assert [t.user_attrs["llm:source"] for t in study.trials[:3]] == ["prior"] * 3


def test_what_the_user_has_tried_is_not_tried_again() -> None:
    study = run(CQRSampler(seed=0), 3, FIRST)
    assert [t.params for t in study.trials] == [FIRST, USUAL, SECOND]


def test_a_row_that_was_interrupted_is_run_again() -> None:
    def interrupted(trial: optuna.Trial) -> float:
        value = objective(trial)
        if trial.number == 1:
            raise KeyboardInterrupt
        return value

    study = optuna.create_study(sampler=CQRSampler(seed=0))
    with pytest.raises(KeyboardInterrupt):
        study.optimize(interrupted, 3)
    study.optimize(objective, 1)
    assert [t.params for t in study.trials] == [USUAL, FIRST, FIRST]


def test_it_can_be_left_out() -> None:
    study = run(CQRSampler(prior=EmbeddedPrior(portfolios=False), seed=0), 8)
    assert study.trials[0].params == USUAL
    assert all(t.params not in (FIRST, SECOND) for t in study.trials)


def test_trials_that_run_at_once_take_different_rows() -> None:
    study = run(CQRSampler(seed=0), 1)
    trials = study.ask(), study.ask()
    kernels = [t.suggest_categorical("kernel", ["rbf", "linear"]) for t in trials]
    assert kernels == [FIRST["kernel"], SECOND["kernel"]]
    assert trials[1].suggest_float("C", 1e-3, 1e3, log=True) == SECOND["C"]
