"""Expected hypervolume improvement: against sampling, against the exact growth, far away."""

from __future__ import annotations

import numpy as np
from optuna._hypervolume import compute_hypervolume
from optuna._hypervolume import get_non_dominated_box_bounds
import pytest
from scipy.special import ndtri

from optuna_llm.surrogate.hypervolume import log_expected_hypervolume_improvement


LEVELS = np.array([0.16, 0.5, 0.84])


def setting(k: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(k)
    return rng.random((10, k)), np.full(k, 1.2), rng


def improvement(
    front: np.ndarray, reference: np.ndarray, means: np.ndarray, deviations: np.ndarray
) -> np.ndarray:
    lower, upper = get_non_dominated_box_bounds(front, reference)
    quantiles = [
        m[:, None] + d[:, None] * ndtri(LEVELS) for m, d in zip(means.T, deviations.T, strict=True)
    ]
    return log_expected_hypervolume_improvement(quantiles, LEVELS, lower, upper)


def growth(front: np.ndarray, reference: np.ndarray, point: np.ndarray) -> float:
    def volume(points: np.ndarray) -> float:
        return compute_hypervolume(points[(points < reference).all(axis=1)], reference)

    return volume(np.vstack([front, point])) - volume(front)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_it_is_the_mean_growth_of_samples(k: int) -> None:
    front, reference, rng = setting(k)
    means, deviations = 0.6 * rng.random((4, k)), 0.05 + 0.2 * rng.random((4, k))
    found = np.exp(improvement(front, reference, means, deviations))
    draws = means + deviations * rng.normal(size=(1000, 4, k))
    lower, upper = get_non_dominated_box_bounds(front, reference)
    sides = upper - np.maximum(lower, draws[:, :, None])
    sampled = np.maximum(sides, 0.0).prod(axis=-1).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(found, sampled, rtol=0.15, atol=3e-3)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_without_doubt_it_is_the_growth_itself(k: int) -> None:
    front, reference, rng = setting(k)
    means = rng.random((6, k)) * 0.8
    found = np.exp(improvement(front, reference, means, np.full((6, k), 1e-9)))
    exact = [growth(front, reference, y) for y in means]
    assert max(exact) > 0.01
    np.testing.assert_allclose(found, exact, atol=1e-6)


def test_what_has_hardly_a_chance_keeps_an_order() -> None:
    front, reference, _ = setting(2)
    far = np.array([[3.0, 3.0], [4.0, 4.0], [40.0, 40.0], [40.0, 50.0]])
    found = improvement(front, reference, far, np.full((4, 2), 0.1))
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()
    assert len(improvement(front, reference, far[:0], far[:0])) == 0


def test_many_candidates_are_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    front, reference, rng = setting(3)
    means = rng.random((50, 3))
    whole = improvement(front, reference, means, np.full((50, 3), 0.1))
    monkeypatch.setattr("optuna_llm.surrogate.hypervolume._MAX_CELLS", 300)
    np.testing.assert_allclose(improvement(front, reference, means, np.full((50, 3), 0.1)), whole)
