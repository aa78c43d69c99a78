"""Numbers of all types, exact at the ends of ranges, on grids and beyond a float's precision."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.space.choices import choice_index
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.numbers import is_number
from optuna_llm.space.numbers import snap
from optuna_llm.space.numbers import to_unit
from optuna_llm.space.numbers import whole_number
from optuna_llm.space.search_space import SearchSpace


SCALARS = [np.int64(3), np.int8(3), np.uint64(3), np.float64(3), np.float32(3), np.float16(3)]
NAMES = ("x", "n", "size")
SPACE = {
    "x": FloatDistribution(0, 10),
    "n": IntDistribution(1, 10),
    "size": CategoricalDistribution([1, 3, 9]),
}


@pytest.mark.parametrize("value", [*SCALARS, Fraction(3)], ids=lambda v: type(v).__name__)
def test_a_scalar_of_any_type_is_the_number_it_is(value: Any) -> None:
    assert is_number(value)
    configuration = dict.fromkeys(NAMES, value)
    space = SearchSpace(SPACE)
    legal = space.legal(configuration)
    assert legal == dict.fromkeys(NAMES, 3)
    assert [type(legal[n]) for n in NAMES] == [float, int, int]
    np.testing.assert_array_equal(
        space.coordinates([configuration]), space.coordinates([dict.fromkeys(NAMES, 3)])
    )
    assert format_number(value) == "3"


@pytest.mark.parametrize("value", [True, np.bool_(1), "3", None, 3j, [3]], ids=repr)
def test_what_is_no_number(value: Any) -> None:
    assert not is_number(value)
    assert whole_number(value) is None


def test_whole_numbers_are_ints() -> None:
    assert type(whole_number(np.uint8(200))) is int
    assert whole_number(3.0) is None


def test_choices_of_numpy_have_an_order_and_are_found() -> None:
    sizes = CategoricalDistribution([np.int64(64), np.int64(16)])  # type: ignore[list-item]
    assert SearchSpace({"c": sizes}).coordinates([{"c": 64}, {"c": 16}]).tolist() == [[1], [0]]


def test_a_scalar_is_no_truth_value_among_choices() -> None:
    mixed = CategoricalDistribution([True, 1, False, 0.0])
    found = [
        choice_index(mixed, v) for v in (np.int64(1), np.bool_(1), np.float32(0), np.bool_(0))
    ]
    assert found == [1, 0, 3, 2]


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(0.005, 0.5, log=True),
        FloatDistribution(1e-3, 200.0, log=True),
        FloatDistribution(-0.1, 0.7),
        FloatDistribution(0.1, 0.9, step=0.1),
        FloatDistribution(-1.7e308, 1.7e308),
        IntDistribution(1, 10**18 + 7),
        IntDistribution(3, 10**15 + 1, log=True),
        IntDistribution(-(2**70), 2**70 + 1),
    ],
    ids=str,
)
def test_ends_of_the_interval_are_the_ends_of_the_range(
    distribution: FloatDistribution | IntDistribution,
) -> None:
    assert from_unit(distribution, 0.0) == distribution.low
    assert from_unit(distribution, 1.0) == distribution.high
    assert snap(distribution, distribution.high) == distribution.high
    middle = from_unit(distribution, to_unit(distribution, from_unit(distribution, 0.5)))
    assert middle == pytest.approx(from_unit(distribution, 0.5))


@pytest.mark.parametrize("step", [0.1, 0.05, 0.005, 1e-3, 0.3, 2.5e-7])
@pytest.mark.parametrize("low", [0.0, -0.3, 0.005, 1.0, 10.1])
def test_grid_values_are_the_decimals_that_are_meant(low: float, step: float) -> None:
    n = 40
    distribution = FloatDistribution(low, round(low + n * step, 12), step=step)
    assert [snap(distribution, low + k * step) for k in range(n + 1)] == [
        round(low + k * step, 12) for k in range(n + 1)
    ]


@pytest.mark.filterwarnings("ignore:The distribution is specified")
@given(
    low=st.floats(-1e3, 1e3),
    step=st.floats(1e-6, 10),
    cells=st.integers(1, 10_000),
    unit=st.floats(0, 1),
)
def test_grid_values_of_any_step_are_legal(
    low: float, step: float, cells: int, unit: float
) -> None:
    distribution = FloatDistribution(low, low + cells * step, step=step)
    value = from_unit(distribution, unit)
    assert distribution._contains(value) or not distribution._contains(
        low + round((value - low) / step) * step
    )


@given(value=st.integers(-(2**90), 2**90), step=st.integers(1, 10**6))
def test_integers_stay_exact_beyond_the_precision_of_a_float(value: int, step: int) -> None:
    distribution = IntDistribution(-(10**25), 10**25)
    assert snap(distribution, value) == min(max(value, -(10**25)), 10**25)
    distribution = IntDistribution(7, 7 + 10**20 * step, step=step)
    assert distribution._contains(snap(distribution, value))


# ---- the samplers


def _samplers(**options: Any) -> list[BaseSampler]:
    return [
        CQRSampler(**options),
        LLMSampler(**options),
        LLAMBOSampler(**options),
    ]


def _objective(trial: optuna.Trial) -> float:
    return float(sum(trial._suggest(name, d) for name, d in SPACE.items()))


@pytest.mark.parametrize("which", range(3))
def test_known_good_may_hold_scalars_of_numpy(which: int) -> None:
    known = {"x": np.float32(2.5), "n": np.int64(4), "size": np.int64(9)}
    sampler = _samplers(known_good=[known], seed=0, search_space=SPACE)[which]
    study = optuna.create_study(sampler=sampler, storage="sqlite:///:memory:")
    study.optimize(_objective, n_trials=1)
    assert study.trials[0].params == {"x": 2.5, "n": 4, "size": 9}


@pytest.mark.parametrize("which", range(3))
def test_imported_trials_may_hold_scalars_of_numpy(which: int) -> None:
    def proposed(cast: Any) -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=_samplers(seed=0)[which])
        rng = np.random.default_rng(0)
        for _ in range(12):
            x, n, size = rng.uniform(0, 10), rng.integers(1, 11), rng.choice([1, 3, 9])
            params = {"x": float(x), "n": cast(n), "size": cast(size)}
            study.add_trial(
                optuna.trial.create_trial(params=params, distributions=SPACE, value=float(x + n))
            )
        study.optimize(_objective, n_trials=3)
        return [t.params for t in study.trials[12:]]

    assert proposed(np.int64) == proposed(int)


@pytest.mark.parametrize("seed", [np.int64(2**32 - 1), np.uint32(7), np.int8(3)])
def test_a_seed_of_numpy_is_that_seed(seed: Any) -> None:
    def first(seed: int) -> dict[str, Any]:
        study = optuna.create_study(sampler=LLMSampler(seed=seed, search_space=SPACE))
        study.optimize(_objective, n_trials=2)
        return study.trials[1].params

    assert first(seed) == first(int(seed))


@pytest.mark.parametrize("seed", ["a", 1.5, True, -1, 2**32, np.float64(1), [1]], ids=repr)
def test_a_wrong_seed_is_refused_at_once(seed: Any) -> None:
    for build in (LLMSampler, LLAMBOSampler):
        with pytest.raises(ConfigurationError, match="seed="):
            build(seed=seed)


def test_every_value_of_a_study_is_in_its_distribution() -> None:
    distributions: dict[str, FloatDistribution | IntDistribution] = {
        "lr": FloatDistribution(0.005, 0.5, log=True),
        "dropout": FloatDistribution(0.0, 0.7, step=0.05),
        "big": IntDistribution(1, 10**18 + 7),
    }

    def objective(trial: optuna.Trial) -> float:
        # The best values are at the ends of the ranges.
        values = {n: trial._suggest(n, d) for n, d in distributions.items()}
        return -values["lr"] - values["dropout"] - values["big"] / 1e18

    for sampler in _samplers(seed=1):
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=14)
        for trial in study.trials:
            for name, value in trial.params.items():
                assert distributions[name]._contains(value)
            assert trial.params["dropout"] == round(trial.params["dropout"], 2)
        best = study.best_params
        assert best["lr"] <= 0.5
        space = History.from_study(study).search_space()
        assert not np.isnan(space.coordinates(t.params for t in study.trials)).any()


@pytest.mark.parametrize("kind", [np.array, np.float32, np.float16, np.int64, np.uint8])
def test_numpy_s_single_values_are_numbers(kind: Callable[[float], object]) -> None:
    value = kind(3)
    assert is_number(value)
    assert to_unit(FloatDistribution(0, 12), value) == pytest.approx(0.25)  # type: ignore[arg-type]
    space = SearchSpace({"n": IntDistribution(1, 9), "x": FloatDistribution(0, 9)})
    legal = space.legal({"n": value, "x": value})
    assert legal == {"n": 3, "x": 3.0}
    assert [type(v) for v in legal.values()] == [int, float]
    assert not is_number(np.array([3]))
    assert not is_number(np.array(True))
    assert whole_number(np.array(3.0)) is None
