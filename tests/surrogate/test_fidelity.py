from __future__ import annotations

import numpy as np

from optuna_llm.surrogate.fidelity import aligned_values
from optuna_llm.surrogate.fidelity import last_values


# Losses fall by 1 from step 1 to 3 and by another 2 to the final value at step 9.
FINISHED = [{1: 5.0 + i, 3: 4.0 + i, 9: 2.0 + i} for i in range(4)]
FINAL: list[float | None] = [2.0 + i for i in range(4)]


def test_last_values_count_at_whatever_step():
    values = last_values([{1: 5.0, 3: 4.0}, {1: 9.0}, {}], [None, None, 1.0])
    np.testing.assert_array_equal(values, [4, 9, 1])


def test_stopped_values_are_carried_to_the_end():
    values = aligned_values([*FINISHED, {1: 6.5}, {1: 8.5, 3: 7.5}], [*FINAL, None, None])
    np.testing.assert_allclose(values, [2, 3, 4, 5, 3.5, 5.5])


def test_without_finished_values_at_a_step_the_way_leads_over_a_later_one():
    through = [{1: 8.0 + i, 3: 7.0 + i} for i in range(4)]
    finished = [{3: c[3], 9: c[9]} for c in FINISHED]
    values = aligned_values([*finished, *through, {1: 6.5}], [*FINAL, *[None] * 5])
    np.testing.assert_allclose(values[-1], 3.5)


def test_nothing_stopped_beats_the_best_finished():
    assert aligned_values([*FINISHED, {1: -50.0}], [*FINAL, None])[-1] == 2.0


def test_without_enough_to_compare_the_further_one_is_better():
    curves = [{9: 5.0}, {1: 0.1}, {3: 9.0}, {1: 0.0}, {3: 8.0}]
    values = aligned_values(curves, [5.0, None, None, None, None])
    assert list(np.argsort(values)) == [0, 4, 2, 3, 1]
    assert list(np.argsort(aligned_values(curves[1:], [None] * 4))) == [3, 1, 2, 0]


def test_infinite_reports_do_no_harm():
    values = aligned_values([*FINISHED, {1: np.inf}, {1: 5.0}], [*FINAL, None, None])
    assert values[-2] == np.inf
    np.testing.assert_allclose(values[-1], 2.0)


def test_without_evaluations_there_are_no_values() -> None:
    assert aligned_values([], []).shape == (0,)
