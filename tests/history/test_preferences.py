from __future__ import annotations

import numpy as np

from optuna_llm.history.preferences import preferences_in
from optuna_llm.history.preferences import strengths


def test_pairs_are_read_from_the_attributes_of_the_dashboard() -> None:
    attributes = {
        "preference:valuesb": [[3, 1]],
        "preference:valuesa": [[0, 1], [0, 2]],
        "preference:n_generate": 4,
        "study:metric_names": ["x"],
    }
    assert preferences_in(attributes) == ((0, 1), (0, 2), (3, 1))


def test_who_wins_is_stronger_and_so_is_who_beats_the_strong() -> None:
    found = strengths([5, 6, 7, 8], [(5, 6), (6, 7), (5, 7), (8, 5)])
    assert list(np.argsort(-found)) == [3, 0, 1, 2]


def test_a_contradiction_makes_both_alike() -> None:
    first, second = strengths([0, 1], [(0, 1), (1, 0)])
    assert abs(first - second) < 1e-9


def test_what_nobody_compared_is_average() -> None:
    found = strengths([0, 1, 2], [(0, 1), (9, 0)])
    assert found[1] < found[2] == 0 < found[0]
