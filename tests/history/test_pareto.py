"""Fronts against their definition, and how their cost grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optuna_llm.history import pareto
from optuna_llm.history.pareto import is_on_front
from optuna_llm.history.pareto import non_domination_ranks


def _by_definition(values: np.ndarray) -> np.ndarray:
    ranks = np.full(len(values), -1)
    for front in range(len(values)):
        left = np.flatnonzero(ranks < 0)
        for i in left:
            better = (values[left] <= values[i]).all(axis=1) & (values[left] < values[i]).any(
                axis=1
            )
            if not better.any():
                ranks[i] = front + len(values)
        ranks = np.where(ranks >= len(values), front, ranks)
    return ranks


@pytest.mark.parametrize("n_objectives", [1, 2, 3, 5])
@pytest.mark.parametrize("n_levels", [4, 1000])
def test_ranks_and_front_by_definition(n_objectives: int, n_levels: int) -> None:
    rng = np.random.default_rng(n_objectives)
    for n in (0, 1, 60):
        values = rng.integers(0, n_levels, (n, n_objectives)).astype(float)
        values[rng.random(values.shape) < 0.05] = np.inf
        ranks = _by_definition(values)
        assert non_domination_ranks(values).tolist() == ranks.tolist()
        assert is_on_front(values).tolist() == (ranks == 0).tolist()


def test_two_objectives_take_no_more_than_one_step_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def counted(lowest: list[float], value: float) -> int:
        steps.append(len(lowest))
        return int(np.searchsorted(lowest, value, side="right"))

    monkeypatch.setattr(pareto, "bisect_right", counted)
    non_domination_ranks(np.random.default_rng(0).random((5000, 2)))
    assert len(steps) == 5000
    assert max(steps) < 500


def test_many_rows_with_many_objectives_are_compared_with_the_best_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(0).random((200, 3))
    exact: Any = non_domination_ranks(values)
    monkeypatch.setattr(pareto, "_MAX_COMPARED", 100)
    capped = non_domination_ranks(values)
    assert (capped <= exact).all()
    assert (capped[exact == 0] == 0).all()
    assert np.mean(capped == exact) > 0.6
