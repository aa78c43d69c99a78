from __future__ import annotations

import json
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
import pytest

from optuna_llm import LLMSampler
from optuna_llm.expectations.stated import stated_belief
from optuna_llm.history.history import History
from optuna_llm.space.search_space import SearchSpace
from tests.support.llm import SPACE
from tests.support.llm import objective


PARAMS = {"learning_rate": 0.03, "max_depth": 7, "booster": "dart"}


def believed(structure: list[dict[str, Any]]) -> Any:
    answer = {"analysis": "", "candidates": [{"params": PARAMS}], "structure": structure}
    sampler = LLMSampler(lambda _: json.dumps(answer), seed=0, search_space=SPACE)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=1)
    return stated_belief(History.from_study(study), SearchSpace(SPACE))


def test_candidates_are_draws_from_what_a_model_believes() -> None:
    belief = believed([])
    x = SearchSpace(SPACE).coordinates([PARAMS])[0]
    assert belief.centre[:2] == pytest.approx(x[:2])
    assert (belief.spread[:2] > 0.05).all()
    assert (belief.spread[:2] < 0.3).all()
    assert belief.weights["booster"] == pytest.approx([1 / 3, 2 / 3])


def test_a_stated_range_is_the_spread_and_a_usual_value_counts_three_times() -> None:
    structure = [
        {"parameter": "learning_rate", "low": 0.01, "high": 0.1, "relevance": "high"},
        {"parameter": "booster", "usual": "gbtree", "relevance": "low"},
    ]
    belief = believed(structure)
    # One of the four decades of the range, which is four standard deviations.
    assert belief.spread[0] == pytest.approx(1 / 4 / 4)
    assert belief.weights["booster"] == pytest.approx([4 / 6, 2 / 6])
    assert belief.relevance.tolist() == [1.0, 0.5, 0.25]


def test_of_parameters_that_a_model_has_not_named_nothing_is_known() -> None:
    answer = json.dumps({"candidates": [{"params": {"learning_rate": 0.03}}]})
    known = {**SPACE, "other": FloatDistribution(0, 1)}
    study = optuna.create_study(sampler=LLMSampler(lambda _: answer, seed=0, search_space=known))
    study.optimize(objective, n_trials=1)
    belief = stated_belief(History.from_study(study), SearchSpace(known))
    assert belief is not None
    assert np.isnan(belief.centre[3])
    assert np.isinf(belief.spread[3])
    assert stated_belief(History.from_study(optuna.create_study()), SearchSpace(known)) is None
