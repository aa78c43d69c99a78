from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.order import OrderSurrogate
from optuna_llm.history.history import History


def _sampler(**options: Any) -> CQRSampler:
    return CQRSampler(surrogate="classifier", seed=0, **options)


def _bowl(trial: optuna.Trial) -> float:
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return (x - 0.3) ** 2 + (y - 0.6) ** 2 + (kind == "a")


def _surrogate(study: optuna.Study) -> OrderSurrogate:
    history = History.from_study(study)
    return OrderSurrogate.of(history, history.search_space(), seed=0)


@pytest.mark.parametrize("acquisition", ["ei", "pi"])
def test_it_finds_the_bottom_of_a_bowl(acquisition: str) -> None:
    study = optuna.create_study(sampler=_sampler(acquisition=acquisition))
    study.optimize(_bowl, n_trials=30)
    late = [t for t in study.trials[15:] if (t.number + 1) % 10]
    assert study.best_value < 0.1
    assert np.mean([t.params["kind"] == "b" for t in late]) > 0.7
    assert "Looks like the best third" in study.trials[20].user_attrs["llm:rationale"]


def test_only_the_order_counts_without_weights() -> None:
    studies = []
    for warp in (lambda v: v, lambda v: np.exp(20 * v)):
        study = optuna.create_study(sampler=_sampler(acquisition="pi"))
        study.optimize(lambda t, warp=warp: float(warp(_bowl(t))), n_trials=16)
        studies.append([t.params for t in study.trials])
    assert studies[0] == studies[1]


@pytest.mark.parametrize("how", ["failed", "pruned", "infeasible", "running"])
def test_what_came_to_nothing_is_an_example_of_what_is_not_good(how: str) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(40):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 1)
        if how == "infeasible":
            trial.set_constraint("c", x - 0.5)
        if x < 0.5:
            study.tell(trial, x)
        elif how == "failed":
            study.tell(trial, state=TrialState.FAIL)
        elif how == "pruned":
            trial.report(-1.0, 1)
            study.tell(trial, state=TrialState.PRUNED)
        elif how == "infeasible":
            study.tell(trial, -1.0)
    surrogate = _surrogate(study)
    places = surrogate.features([{"x": 0.02}, {"x": 0.45}, {"x": 0.9}])
    good, middling, bad = surrogate.utility(places)
    assert good > max(middling, bad)


def test_while_nothing_is_feasible_the_least_violation_is_good() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask()
        trial.set_constraint("c", 0.1 + trial.suggest_float("x", 0, 1))
        study.tell(trial, 0.0)
    surrogate = _surrogate(study)
    low, high = surrogate.utility(surrogate.features([{"x": 0.05}, {"x": 0.9}]))
    assert low > high


def test_several_objectives_and_failures_run_through() -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        if x > 0.9:
            raise MemoryError
        return x, 1 - x

    study = optuna.create_study(directions=["minimize", "maximize"], sampler=_sampler())
    study.optimize(objective, n_trials=14, catch=MemoryError)
    assert len(study.trials) == 14


@pytest.mark.parametrize(
    "options",
    [{"surrogate": "classifier", "acquisition": "ts"}, {"acquisition": "pi"}],
)
def test_acquisitions_belong_to_surrogates(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="acquisition"):
        CQRSampler(**options)


def test_a_preferential_study_of_the_dashboard_is_searched() -> None:
    preferential = pytest.importorskip("optuna_dashboard.preferential")
    study = preferential.create_study(n_generate=4, sampler=_sampler())
    asked: list[float] = []
    best: tuple[float, Any] | None = None
    for _ in range(24):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 1)
        trial.suggest_float("nothing", 0, 1)
        asked.append(abs(x - 0.3))
        # Somebody prefers what is near 0.3, and compares each new one with the best so far.
        if best is None:
            best = asked[-1], trial
            continue
        own = (asked[-1], trial)
        better, worse = (own, best) if own[0] < best[0] else (best, own)
        study.report_preference(better[1], worse[1])
        best = better
    assert np.median(asked[12:]) < 0.5 * np.median(asked[:8])
