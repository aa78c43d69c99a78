"""Coordinates as candidates and as features."""

from __future__ import annotations

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace


def _encoding(**distributions: BaseDistribution) -> Encoding:
    return Encoding(SearchSpace(distributions))


def test_features_are_one_hot_only_where_choices_have_no_order() -> None:
    encoding = _encoding(
        x=FloatDistribution(0, 10),
        c=CategoricalDistribution(["a", "b", "c"]),
        size=CategoricalDistribution([64, 16, 32]),
    )
    rows = [{"x": 2.5, "c": "b", "size": 64}, {"x": 99.0}]
    features = encoding.features(encoding.space.coordinates(rows))
    np.testing.assert_allclose(features, [[0.25, 0, 1, 0, 1.0], [np.nan] * 5])
    assert _encoding().features(np.empty((3, 0))).shape == (3, 0)


@pytest.mark.parametrize(
    "choices",
    [[1, "2"], [1, True], [1.0, float("nan")], [1, float("inf")], [2, 2.0], [None, 1], [7]],
)
def test_choices_have_an_order_only_if_all_are_different_numbers(choices: list[object]) -> None:
    encoding = _encoding(c=CategoricalDistribution(choices))  # type: ignore[arg-type]
    assert encoding.domain.n_choices.tolist() == [len(choices)]
    assert encoding.domain.grids == [None]


def test_every_candidate_is_a_legal_coordinate() -> None:
    encoding = _encoding(
        size=CategoricalDistribution([10**18, 10**18 + 1, 3]),
        kind=CategoricalDistribution(["a", "b"]),
        depth=IntDistribution(1, 9, step=2),
    )
    drawn = encoding.domain.uniform(64, np.random.default_rng(0))
    rows = [encoding.space.configuration(row) for row in drawn]
    assert {row["size"] for row in rows} == {10**18, 10**18 + 1, 3}
    np.testing.assert_allclose(encoding.space.coordinates(rows), drawn)
