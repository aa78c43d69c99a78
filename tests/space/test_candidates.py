from __future__ import annotations

import numpy as np
import pytest

from optuna_llm.space.candidates import Domain


GRID = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
DOMAIN = Domain(np.array([0, 3, 0]), [None, None, GRID])


def legal(candidates: np.ndarray) -> bool:
    numeric, choice, gridded = candidates.T
    inside = ((numeric >= 0) & (numeric <= 1)).all()
    return bool(inside and np.isin(choice, [0, 1, 2]).all() and np.isin(gridded, GRID).all())


def at_ends(candidates: np.ndarray) -> np.ndarray:
    return np.isin(candidates, [0.0, 1.0]) | np.isin(candidates, [GRID[0], GRID[-1]])


def test_uniform_candidates_cover_everything_legal():
    candidates = DOMAIN.uniform(3000, np.random.default_rng(0))
    assert legal(candidates)
    for column in (1, 2):
        _, counts = np.unique(candidates[:, column], return_counts=True)
        assert counts.min() > 0.8 * counts.max()
    assert candidates[:, 0].mean() == pytest.approx(0.5, abs=0.03)


def test_equal_volumes_of_the_unit_cube_belong_to_all_choices():
    line = np.repeat((np.arange(15)[:, None] + 0.5) / 15, 3, axis=1)
    choice, gridded = DOMAIN.at(line).T[1:]
    np.testing.assert_array_equal(np.unique(choice, return_counts=True)[1], [5, 5, 5])
    np.testing.assert_array_equal(np.unique(gridded, return_counts=True)[1], [3] * 5)
    np.testing.assert_array_equal(line[:, 1], (np.arange(15) + 0.5) / 15)


def test_small_steps_stay_near():
    parents = np.array([[0.5, 1, 0.5]])
    copies = DOMAIN.around(parents, 500, np.random.default_rng(0), steps=(0.001, 0.01))
    inside = ~at_ends(copies)
    assert np.abs(copies[inside[:, 0], 0] - 0.5).max() < 0.05
    assert set(copies[inside[:, 2], 2]) == {0.3, 0.5, 0.7}


def test_numbers_move_to_both_ends_of_their_range():
    copies = DOMAIN.around(np.array([[0.5, 1, 0.5]]), 3000, np.random.default_rng(0))
    changed = copies != [0.5, 1, 0.5]
    for column, low, high in ((0, 0.0, 1.0), (2, 0.1, 0.9)):
        moved = copies[changed[:, column], column]
        assert 0.07 < (moved == low).mean() < 0.25
        assert 0.07 < (moved == high).mean() < 0.25
    # Optima in corners are found from there.
    assert at_ends(copies)[:, [0, 2]].all(axis=1).any()


def test_copies_stay_legal_and_near_the_best_parents():
    parents = np.array([[0.2, 1, 0.3], [0.8, 2, 0.7]])
    copies = DOMAIN.around(parents, 3000, np.random.default_rng(0))
    assert legal(copies)
    changed = copies != parents[0]
    of_first = changed.sum(axis=1) <= 1
    assert 0.1 < of_first.mean() < 0.6
    stepped = copies[~at_ends(copies)[:, 0]]
    near = np.abs(stepped[:, :1] - parents[:, 0])
    assert (near[:, 0] < near[:, 1]).mean() > 0.55
    assert np.median(near.min(axis=1)) < 0.05


def test_every_copy_differs_from_its_parent():
    parents = np.array([[0.1], [0.9]])
    copies = Domain(np.array([0]), [GRID]).around(parents, 500, np.random.default_rng(0))
    assert set(np.unique(copies)) > {0.3, 0.7}
    assert (copies == 0.1).mean() < 0.1


def test_what_a_parent_lacks_is_drawn():
    copies = DOMAIN.around(np.array([[np.nan, np.nan, 0.5]]), 500, np.random.default_rng(0))
    assert legal(copies)
    assert copies[:, 0].std() > 0.25
    assert set(copies[:, 1]) == {0, 1, 2}


@pytest.mark.parametrize("n_choices", [0, 1])
def test_one_legal_value_is_no_trouble(n_choices: int):
    domain = Domain(np.array([n_choices]), [None if n_choices else np.array([0.5])])
    value = 0.0 if n_choices else 0.5
    for candidates in (
        domain.uniform(5, np.random.default_rng(0)),
        domain.around(np.array([[value]]), 5, np.random.default_rng(0)),
    ):
        np.testing.assert_array_equal(candidates, value)


# ---- mutants, and choices that were neglected


def test_mutants_are_legal_and_change_about_as_many_parameters_as_asked():
    parent = np.array([0.5, 1, 0.5])
    mutants = DOMAIN.mutants(parent, 4000, np.random.default_rng(0), rate=0.2, step=0.15)
    assert legal(mutants)
    changed = mutants != parent
    assert changed.any(axis=1).mean() > 0.85  # A choice drawn anew may be the same one.
    # One at least, else each with a probability of 0.2: 0.6 + 0.8^3 for three parameters.
    assert changed[:, [0, 2]].sum() / 4000 == pytest.approx(2 / 3 * (0.6 + 0.8**3), rel=0.05)
    steps = mutants[changed[:, 0], 0] - 0.5
    assert steps.std() == pytest.approx(0.15, rel=0.05)
    assert not at_ends(mutants[:, 0]).mean() > 0.01


def test_a_mutant_of_a_partial_parent_is_whole():
    parent = np.array([np.nan, np.nan, 0.5])
    mutants = DOMAIN.mutants(parent, 500, np.random.default_rng(0), rate=0.2, step=0.15)
    assert legal(mutants)
    assert np.unique(mutants[:, 1]).tolist() == [0, 1, 2]


def test_the_most_neglected_choice_is_named():
    domain = Domain(np.array([2, 3, 0]), [None, None, None])
    known = np.array([[0, 0, 0.1], [1, 0, 0.2], [0, 1, 0.3], [1, 0, 0.4]], dtype=float)
    nothing, rng = np.full(3, np.nan), np.random.default_rng(0)
    np.testing.assert_array_equal(
        domain.with_neglected_choice(nothing, known, rng), [np.nan, 2, np.nan]
    )
    # What is fixed stays, and what only few configurations have is measured by these.
    known[1:, 1] = np.nan
    fixed = np.array([np.nan, 2, np.nan])
    assert domain.with_neglected_choice(fixed, known, rng)[1] == 2
    found = {
        tuple(domain.with_neglected_choice(nothing, known, np.random.default_rng(i))[:2])
        for i in range(30)
    }
    assert {choice for column, choice in found if np.isnan(column)} == {1, 2}
    numbers = Domain(np.array([0, 0]), [None, None])
    np.testing.assert_array_equal(
        numbers.with_neglected_choice(nothing[:2], known[:, :2], rng), [np.nan, np.nan]
    )
