from __future__ import annotations

import warnings

import numpy as np
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.surrogate import ConformalQuantileTrees
from optuna_llm.surrogate import QuantileEnsemble
from optuna_llm.surrogate.table import sample_rows
from optuna_llm.surrogate.targets import TargetTransform
from optuna_llm.surrogate.targets import _tell_of_infinite_values


SURROGATES = [QuantileEnsemble, ConformalQuantileTrees]
LEVELS = (0.1, 0.5, 0.9)


def bowl(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).random((n, 3))
    return X, ((X - 0.3) ** 2).sum(axis=1)


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 40])
def test_quantiles_increase_along_a_row(surrogate: type, n: int):
    X, y = bowl(n)
    q = surrogate(seed=0).fit(X, y).predict(bowl(50, seed=1)[0], (0.9, 0.1, 0.5))
    assert q.shape == (50, 3)
    assert np.isfinite(q).all()
    assert (np.diff(q, axis=1) >= 0).all()


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize(
    "y",
    [
        np.full(40, 3.0),
        np.zeros(40),
        np.where(np.arange(40) < 5, np.inf, np.arange(40.0)),
        np.where(np.arange(40) < 5, -np.inf, np.arange(40.0)),
        np.full(40, np.inf),
        1e308 * np.linspace(-1, 1, 40),
        np.geomspace(1e-300, 1e300, 40),
        np.repeat([1.0, 2.0], 20),
    ],
    ids=["constant", "zero", "inf", "-inf", "all inf", "huge", "wide", "tied"],
)
def test_any_values_give_finite_quantiles(surrogate: type, y: np.ndarray):
    X, _ = bowl(40)
    model = surrogate(seed=0).fit(X, y)
    assert np.isfinite(model.predict(X, LEVELS)).all()
    assert np.isfinite(model.mean(X)).all()


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("n", [1, 3, 40])
def test_no_candidates_have_no_quantiles(surrogate: type, n: int):
    X, y = bowl(n)
    for pending in (None, X[:0], X[:1]):
        model = surrogate(seed=0).fit(X, y, pending)
        for noise in (True, False):
            assert model.predict_scaled(X[:0], LEVELS, noise=noise).shape == (0, 3)
        assert model.predict(X[:0], LEVELS).shape == (0, 3)
        assert model.mean(X[:0]).shape == (0,)


def test_repeated_rows_and_columns_without_information():
    X, y = bowl(30)
    X = np.hstack([np.repeat(X[:10], 3, axis=0), np.full((30, 1), np.nan), np.ones((30, 1))])
    q = QuantileEnsemble(seed=0).fit(X, y).predict(X, LEVELS)
    assert np.isfinite(q).all()


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_quantiles_are_in_units_of_the_objective(surrogate: type):
    X, y = bowl(60)
    small = surrogate(seed=0).fit(X, y).predict(X, LEVELS)
    large = surrogate(seed=0).fit(X, 1e6 * y - 5e5).predict(X, LEVELS)
    np.testing.assert_allclose(large, 1e6 * small - 5e5, rtol=1e-3, atol=1.0)


def test_a_smooth_function_is_learned_from_few_rows():
    (X, y), (X_new, y_new) = bowl(60), bowl(500, seed=1)
    error = np.abs(QuantileEnsemble(seed=0).fit(X, y).mean(X_new) - y_new).mean()
    assert error < 0.15 * np.abs(y_new - np.median(y_new)).mean()


def test_an_inactive_parameter_tells_two_branches_apart():
    rng = np.random.default_rng(0)
    X = rng.random((60, 2))
    inactive = X[:, 0] < 0.5
    X[inactive, 1] = np.nan
    y = np.where(inactive, 0.0, 1 + X[:, 1])
    mean = QuantileEnsemble(seed=0).fit(X, y).mean(np.array([[0.2, np.nan], [0.8, 0.9]]))
    np.testing.assert_allclose(mean, [0, 1.9], atol=0.3)


def test_a_diverged_run_does_not_spoil_the_model():
    (X, y), (X_new, y_new) = bowl(60), bowl(200, seed=1)
    y[:4] = [1e6, 1e12, np.inf, 1e3]
    error = np.abs(QuantileEnsemble(seed=0).fit(X, y).mean(X_new) - y_new)
    assert np.median(error) < 0.1


def test_uncertainty_is_wide_at_first_and_shrinks():
    (X, y), point = bowl(200), np.array([[0.9, 0.1, 0.9]])

    def width(n: int) -> float:
        low, high = QuantileEnsemble(seed=0).fit(X[:n], y[:n]).predict(point, (0.1, 0.9))[0]
        return float(high - low)

    assert width(200) < 0.3 * width(10)
    assert width(10) > 0.1
    one = QuantileEnsemble(seed=0).fit(X[:1], y[:1]).predict(point, (0.1, 0.9))[0]
    assert one[0] < y[0] < one[1]


def test_pending_rows_narrow_quantiles_and_leave_the_mean():
    X, y = bowl(40)
    pending = np.array([[0.95, 0.95, 0.95]])
    without = QuantileEnsemble(seed=0).fit(X, y)
    with_pending = QuantileEnsemble(seed=0).fit(X, y, pending)
    np.testing.assert_allclose(with_pending.mean(pending), without.mean(pending))
    spread = [float(np.ptp(m.predict(pending, LEVELS))) for m in (with_pending, without)]
    assert spread[0] < 0.85 * spread[1]


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_equal_seeds_give_equal_quantiles(surrogate: type):
    X, y = bowl(50)
    first, second, other = (surrogate(seed=s).fit(X, y).predict(X, LEVELS) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_scaled_quantiles_keep_the_order_where_values_agree():
    X, _ = bowl(40)
    y = (X[:, 0] > 0.5).astype(float)
    model = QuantileEnsemble(seed=0).fit(X, y)
    new = bowl(300, seed=1)[0]
    scaled, native = (
        q[:, 1] for q in (model.predict_scaled(new, LEVELS), model.predict(new, LEVELS))
    )
    order = np.argsort(scaled)
    assert (np.diff(native[order]) >= 0).all()
    assert len(np.unique(scaled)) > 250


class _Says:
    """A belief of one's own: the first feature is better the lower, or the higher, it is."""

    explanation = "of one's own"
    uniform_moments = (0.0, 0.5)

    def __init__(self, sign: float) -> None:
        self._sign = sign

    def log_density(self, X: np.ndarray) -> np.ndarray:
        return self._sign * (0.5 - X[:, 0])

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.random((n, 3))


def test_a_belief_that_is_right_helps_and_one_that_is_wrong_is_left_aside():
    def error(n: int, beliefs: list[_Says]) -> float:
        errors = []
        for seed in range(8):
            rng = np.random.default_rng(seed)
            X, X_new = rng.random((n, 3)), rng.random((200, 3))
            y, y_new = (A[:, 0] + 0.3 * rng.standard_normal(len(A)) for A in (X, X_new))
            model = QuantileEnsemble(seed=seed, beliefs=beliefs).fit(X, y)
            errors.append(np.abs(model.mean(X_new) - y_new).mean())
        return float(np.mean(errors))

    assert error(10, [_Says(1.0)]) < 0.97 * error(10, [])
    assert error(40, [_Says(-1.0)]) < 1.03 * error(40, [])
    # Before eight rows nothing could weigh it.
    assert error(6, [_Says(1.0)]) == error(6, [])


def test_the_weights_of_the_members_can_be_given():
    (X, y), (X_new, _) = bowl(40), bowl(50, seed=1)
    smooth, mixed, trees = (
        QuantileEnsemble(seed=0, member_weights=w).fit(X, y).mean(X_new)
        for w in ((1, 0), (1, 1), (0, 1))
    )
    assert len(np.unique(trees)) < len(np.unique(smooth)) == 50
    assert ((mixed - smooth) * (mixed - trees) <= 1e-12).mean() > 0.95
    with pytest.raises(ConfigurationError, match=r"member_weights=\[1, -1\] must be 2 numbers"):
        QuantileEnsemble(member_weights=(1, -1))


@pytest.mark.parametrize("thinned_before", [False, True])
def test_coverage_is_kept_where_the_best_rows_are_chosen(thinned_before: bool):
    covered, above = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X, X_new = rng.random((1500, 3)), rng.random((500, 3))
        y, y_new = (
            np.sin(6 * A[:, 0]) + A[:, 1] * A[:, 2] + 0.3 * rng.standard_normal(len(A))
            for A in (X, X_new)
        )
        weights = None
        if thinned_before:
            rows, weights = sample_rows(y, 150, rng)
            X, y = X[rows], y[rows]
        model = QuantileEnsemble(seed=seed, max_rows=150).fit(X, y, None, weights)
        q = model.predict(X_new, (0.1, 0.25, 0.5, 0.75, 0.9))
        inside = [(q[:, i] <= y_new) & (y_new <= q[:, -1 - i]) for i in (0, 1)]
        covered.append(np.mean(inside, axis=1))
        above.append(np.mean(y_new > q[:, 2]))
    np.testing.assert_allclose(np.mean(covered, axis=0), [0.8, 0.5], atol=0.04)
    assert np.mean(above) == pytest.approx(0.5, abs=0.04)


def test_infinite_values_are_told_once():
    X, y = bowl(20)
    y[3] = np.inf
    _tell_of_infinite_values.cache_clear()
    with pytest.warns(RuntimeWarning, match="values are infinite"):
        QuantileEnsemble(seed=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        QuantileEnsemble(seed=0).fit(X, y)


def test_ten_thousand_rows_are_capped():
    X, y = bowl(10_000)
    model = QuantileEnsemble(seed=0).fit(X, y)
    assert np.corrcoef(model.mean(X[:200]), y[:200])[0, 1] > 0.8


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2), "shape"),
        (np.zeros((0, 2)), np.zeros(0), "shape"),
        (np.zeros(3), np.zeros(3), "shape"),
        (np.zeros((2, 1)), np.array([0.0, np.nan]), "NaN"),
        (np.array([[0.0], [np.inf]]), np.zeros(2), "infinite"),
    ],
)
def test_bad_data_is_named(surrogate: type, X: np.ndarray, y: np.ndarray, message: str):
    with pytest.raises(ConfigurationError, match=message):
        surrogate().fit(X, y)


def test_bad_options_are_named():
    with pytest.raises(ConfigurationError, match="target_scale='log'"):
        QuantileEnsemble(target_scale="log")  # type: ignore[arg-type]


def test_values_of_any_size_have_a_finite_scale() -> None:
    tiny = np.linspace(0, 1e-5, 9)
    for y in (np.append(tiny, -1e308), np.append(tiny, 1e308), np.array([1e-320, 0.0, 1.0])):
        z = TargetTransform().fit_transform(y)
        assert np.isfinite(z).all()
        assert (np.diff(z[np.argsort(y)]) >= 0).all()
        assert np.ptp(z) > 1
