from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm.expectations.outlook import Noise
from optuna_llm.expectations.outlook import Outlook
from optuna_llm.history.history import History
from optuna_llm.space.search_space import SearchSpace


SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0, 1),
    "kind": CategoricalDistribution(["a", "b"]),
}


def outlook(
    n_trials: int,
    fails: Callable[[dict[str, Any]], bool] = lambda params: False,
    value: Callable[[dict[str, Any]], float] = lambda params: (params["x"] - 0.2) ** 2,
) -> Outlook:
    study = optuna.create_study()
    rng = np.random.default_rng(0)
    for _ in range(n_trials):
        params = {"x": float(rng.random()), "kind": str(rng.choice(["a", "b"]))}
        study.enqueue_trial(params)
        trial = study.ask(SPACE)
        if fails(params):
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, value(params))
    return Outlook(SearchSpace(SPACE), History.from_study(study), seed=0)


def at(x: float, kind: str = "a") -> dict[str, Any]:
    return {"x": x, "kind": kind}


def test_nothing_is_claimed_about_few_trials() -> None:
    young = outlook(3)
    assert young.order([at(0.9), at(0.2)]) == [0, 1]
    assert not young.is_hopeless(at(0.9))


def test_promising_candidates_come_first_and_hopeless_ones_are_named() -> None:
    grown = outlook(30)
    assert grown.order([at(0.9), at(0.2), at(0.5)]) == [1, 2, 0]
    assert grown.is_hopeless(at(0.95))
    assert not grown.is_hopeless(at(0.2))


def test_what_fails_is_learned_apart_from_what_is_bad() -> None:
    grown = outlook(40, fails=lambda params: params["x"] < 0.3)
    feasible = np.exp(grown.log_possible([at(0.1), at(0.8)]))
    assert feasible[0] < 0.3
    assert feasible[1] > 0.7
    assert grown.is_hopeless(at(0.1))
    assert grown.order([at(0.1), at(0.4)]) == [1, 0]


def test_values_that_will_not_be_asked_for_do_not_count() -> None:
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = {
        "kind": CategoricalDistribution(["a", "b"]),
        "only_b": FloatDistribution(0, 1),
    }
    rng = np.random.default_rng(0)
    for i in range(20):
        has = space if i % 2 else {"kind": space["kind"]}
        study.enqueue_trial({"kind": "b" if i % 2 else "a", "only_b": float(rng.random())})
        study.tell(study.ask(has), float(i % 2))
    history = History.from_study(study)
    view = Outlook(history.search_space(), history, seed=0)
    # For kind a the value of only_b is idle: the two are the same experiment.
    first, second = ({"kind": "a", "only_b": v} for v in (0.1, 0.9))
    assert view.order([{"kind": "b", "only_b": 0.5}, first]) == [1, 0]
    assert view.order([first, second]) == [0, 1]
    assert view.order([second, first]) == [0, 1]


@pytest.mark.parametrize(
    ("noise", "told"),
    [
        (Noise(0.0, 1), "results are deterministic, as far as 1 repeat tells"),
        (Noise(0.0, 2), "results are deterministic, as far as 2 repeats tell"),
        (Noise(3.0, 1), "noise: 1 repeat differs with a standard deviation of 3; "),
        (Noise(3.0, 0), "whether there is noise is not known, for no configuration was run twice"),
    ],
)
def test_noise_in_words(noise: Noise, told: str) -> None:
    assert noise.in_words().startswith(told)
