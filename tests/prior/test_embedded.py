from __future__ import annotations

from collections.abc import Mapping
import pickle
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior.knowledge import FAMILIES
from tests.prior.spaces import SPACES
from tests.prior.spaces import Space
from tests.prior.spaces import log
from tests.prior.spaces import one_of
from tests.prior.spaces import real
from tests.prior.spaces import whole


# --------------------------------------------------------------------------------------
# What a look-up says


def test_lookup_names_its_source() -> None:
    found = EmbeddedPrior("XGBoost").lookup("xgb__eta", log(0.01, 1))
    assert found is not None
    assert (found.name, found.source, found.weights) == (
        "learning_rate",
        "XGBoost documentation",
        (),
    )
    assert found.text == "learning_rate 0.1 (XGBoost documentation; usual 0.02-0.3)"


def test_text_of_a_transformed_parameter_says_so() -> None:
    found = EmbeddedPrior("PPO").lookup("one_minus_gamma", log(1e-4, 0.1))
    assert found is not None
    assert found.value == pytest.approx(0.01)
    assert found.text.startswith("1 - gamma 0.01 (")
    assert found.text.endswith("gamma usual 0.95-0.999)")


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("my_own_parameter", real(0, 1)),
        ("seed", whole(0, 1000)),
        ("temperature", real(20, 200)),
        ("learning_rate", log(1e4, 1e6)),
        ("dropout", whole(1, 10)),
    ],
)
def test_nothing_is_said_of_strangers(name: str, distribution: BaseDistribution) -> None:
    assert EmbeddedPrior().lookup(name, distribution) is None


def test_explain_names_what_is_known_and_what_is_not() -> None:
    space = {"eta": log(0.01, 1), "colsample_bytree": real(0.2, 1), "foo": real(0, 1)}
    text = EmbeddedPrior().explain(space)
    first, second, third = text.splitlines()
    assert first.startswith("xgboost: eta 0.1, colsample_bytree 0.8 (XGBoost documentation; ")
    assert second.startswith("good configurations: 4 of xgboost (")
    assert third == "not known: foo"


# --------------------------------------------------------------------------------------
# Configurations


def test_unknown_parameters_are_in_the_middle_or_at_their_first_choice() -> None:
    space: Space = {
        "a": real(-1, 3),
        "b": log(1e-4, 1e-2),
        "c": one_of("y", "x"),
        "d": one_of(True, False),
        "e": whole(7, 7),
    }
    default = EmbeddedPrior().default(space)
    assert default == {"a": 1.0, "b": pytest.approx(1e-3), "c": "y", "d": True, "e": 7}
    for name, distribution in space.items():
        assert EmbeddedPrior().default_value(name, distribution) == default[name]


def test_samples_are_around_the_usual_values() -> None:
    _, space, _ = SPACES["XGBoost, native names"]
    rng = np.random.default_rng(0)
    samples = [EmbeddedPrior().sample(space, rng) for _ in range(500)]
    logarithms = np.log10([sample["eta"] for sample in samples])
    # Nine of ten in 0.02-0.3, as the table says, and the middle at 0.1.
    assert np.median(logarithms) == pytest.approx(-1, abs=0.1)
    inside = np.mean((np.log10(0.02) < logarithms) & (logarithms < np.log10(0.3)))
    assert inside == pytest.approx(0.9, abs=0.06)
    boosters = [sample["booster"] for sample in samples]
    assert boosters.count("gbtree") > boosters.count("dart") > boosters.count("gblinear") > 0


def test_unknown_parameters_are_uniform() -> None:
    space: Space = {"foo": real(0, 1), "bar": one_of("a", "b")}
    rng = np.random.default_rng(0)
    samples = [EmbeddedPrior().sample(space, rng, spread=0.1) for _ in range(400)]
    assert np.quantile([s["foo"] for s in samples], [0.1, 0.9]) == pytest.approx(
        [0.1, 0.9], abs=0.06
    )
    assert np.mean([s["bar"] == "a" for s in samples]) == pytest.approx(0.5, abs=0.1)


def test_spread_scales_the_samples_down_to_the_default() -> None:
    _, space, _ = SPACES["ResNet by SGD"]
    prior = EmbeddedPrior()
    assert prior.sample(space, np.random.default_rng(0), spread=0) == prior.default(space)

    def deviation(spread: float) -> float:
        rng = np.random.default_rng(0)
        rates = [prior.sample(space, rng, spread=spread)["lr"] for _ in range(200)]
        return float(np.std(np.log(rates)))

    assert deviation(0.3) < 0.5 * deviation(1.0)


def test_samples_around_a_centre() -> None:
    space: Space = {"eta": log(1e-3, 1), "booster": one_of("gbtree", "dart"), "foo": whole(0, 99)}
    centre = {"eta": 0.01, "booster": "dart", "foo": 90}
    rng = np.random.default_rng(0)
    samples = [EmbeddedPrior().sample(space, rng, centre=centre) for _ in range(300)]
    assert np.median([np.log10(s["eta"]) for s in samples]) == pytest.approx(-2, abs=0.15)
    assert np.mean([s["booster"] == "dart" for s in samples]) > 0.5
    assert np.mean([s["foo"] for s in samples]) > 60
    assert EmbeddedPrior().sample(space, rng, spread=0, centre=centre) == centre


def test_the_learning_rate_follows_the_optimizer_that_was_drawn() -> None:
    space: Space = {"lr": log(1e-5, 1), "optimizer": one_of("Adam", "SGD")}
    rng = np.random.default_rng(0)
    samples = [EmbeddedPrior().sample(space, rng) for _ in range(300)]
    rates = {
        name: np.median([s["lr"] for s in samples if s["optimizer"] == name])
        for name in ("Adam", "SGD")
    }
    assert rates["SGD"] > 10 * rates["Adam"]
    assert list(samples[0]) == list(space)


@pytest.mark.parametrize("spread", [-0.1, float("nan"), float("inf")])
def test_wrong_spread(spread: float) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigurationError, match="spread="):
        EmbeddedPrior().sample({"x": real(0, 1)}, rng, spread=spread)
    with pytest.raises(ConfigurationError, match="spread="):
        EmbeddedPrior().sample_value("x", real(0, 1), rng, spread=spread)


def test_equal_but_different_spaces_keep_their_own_choices() -> None:
    prior = EmbeddedPrior()
    assert prior.default({"nesterov": one_of(0, 1)})["nesterov"] is 1  # noqa: F632
    assert prior.default({"nesterov": one_of(False, True)})["nesterov"] is True


def test_same_generator_same_samples() -> None:
    _, space, _ = SPACES["random forest"]
    prior = pickle.loads(pickle.dumps(EmbeddedPrior("forest")))
    assert prior == EmbeddedPrior("forest")
    first, second = (
        [sampler.sample(space, rng) for _ in range(5)]
        for sampler, rng in [
            (prior, np.random.default_rng(7)),
            (EmbeddedPrior("forest"), np.random.default_rng(7)),
        ]
    )
    assert first == second


# --------------------------------------------------------------------------------------
# Whatever the space, values are legal and native


ALIASES = sorted({alias for family in FAMILIES for alias in family.by_key})
NAMES = st.one_of(
    st.sampled_from(ALIASES),
    st.sampled_from(ALIASES).map(lambda alias: f"log_{alias}_1"),
    st.sampled_from(ALIASES).map(lambda alias: f"one_minus_{alias}"),
    st.text(max_size=12),
)
BOUNDS = st.floats(-12, 9).map(lambda exponent: float(10**exponent))


@st.composite
def _distributions(draw: st.DrawFn) -> BaseDistribution:
    kind = draw(st.sampled_from(["float", "log", "step", "int", "int log", "int step", "choices"]))
    if kind == "choices":
        choices = st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-2, 1000),
            st.floats(-1, 1000),
            st.sampled_from(["sqrt", "adam", "SGD", "relu", "auto", "64-64", "1e-3", "1", "True"]),
        )
        return CategoricalDistribution(draw(st.lists(choices, min_size=1, max_size=6)))
    if kind.startswith("int"):
        start = draw(st.integers(1 if kind == "int log" else -5, 10**6))
        stop = start + draw(st.integers(0, 10**6))
        stride = draw(st.integers(1, 50)) if kind == "int step" else 1
        return IntDistribution(start, stop, log=kind == "int log", step=stride)
    if kind == "log":
        low, high = sorted((draw(BOUNDS), draw(BOUNDS)))
        return FloatDistribution(low, high, log=True)
    low, high = sorted((draw(st.floats(-10, 1000)), draw(st.floats(-10, 1000))))
    step = draw(st.floats(0.01, 5)) if kind == "step" else None
    return FloatDistribution(low, high, step=step)


def _assert_legal(space: Mapping[str, BaseDistribution], values: Mapping[str, Any]) -> None:
    assert list(values) == list(space)
    for name, distribution in space.items():
        value = values[name]
        if isinstance(distribution, CategoricalDistribution):
            assert any(value is choice for choice in distribution.choices)
        else:
            assert type(value) is (int if isinstance(distribution, IntDistribution) else float)
        assert distribution._contains(distribution.to_internal_repr(value))


@pytest.mark.filterwarnings("ignore:The distribution is specified by")
@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, _distributions(), min_size=1, max_size=6), st.integers(0, 2**32))
def test_values_are_always_legal_and_native(space: Space, seed: int) -> None:
    prior = EmbeddedPrior()
    rng = np.random.default_rng(seed)
    default = prior.default(space)
    _assert_legal(space, default)
    _assert_legal(space, prior.sample(space, rng))
    _assert_legal(space, prior.sample(space, rng, spread=0.1, centre=default))
    _assert_legal(space, prior.sample(space, rng, spread=100))
    for name, distribution in space.items():
        _assert_legal({name: distribution}, {name: prior.default_value(name, distribution)})
        drawn = prior.sample_value(name, distribution, rng, space)
        _assert_legal({name: distribution}, {name: drawn})
        found = prior.lookup(name, distribution, space)
        if found is None:
            continue
        assert 0 <= found.spread <= 1
        assert found.text
        if isinstance(distribution, CategoricalDistribution):
            assert sum(found.weights) == pytest.approx(1)
            assert len(found.weights) == len(distribution.choices)
        else:
            assert found.spread > 0
