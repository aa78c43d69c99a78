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
from optuna_llm.prior.knowledge.trees import XGBOOST_DOCS


Space = dict[str, BaseDistribution]


def _log(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high, log=True)


def _float(low: float, high: float, step: float | None = None) -> FloatDistribution:
    return FloatDistribution(low, high, step=step)


def _int(low: int, high: int, *, log: bool = False) -> IntDistribution:
    return IntDistribution(low, high, log=log)


def _one_of(*choices: Any) -> CategoricalDistribution:
    return CategoricalDistribution(choices)


# --------------------------------------------------------------------------------------
# Which family a space is of


SPACES: dict[str, tuple[str, Space, dict[str, Any]]] = {
    "XGBoost, native names": (
        "xgboost",
        {
            "eta": _log(1e-3, 0.5),
            "max_depth": _int(2, 12),
            "subsample": _float(0.3, 1),
            "colsample_bytree": _float(0.3, 1),
            "min_child_weight": _log(0.1, 100),
            "lambda": _log(1e-8, 10),
            "gamma": _log(1e-8, 1),
            "booster": _one_of("gbtree", "gblinear", "dart"),
        },
        {"eta": 0.1, "max_depth": 6, "subsample": 0.8, "booster": "gbtree", "lambda": 1.0},
    ),
    "XGBoost, scikit-learn names": (
        "xgboost",
        {
            "n_estimators": _int(50, 1000),
            "learning_rate": _log(0.01, 0.3),
            "max_depth": _int(3, 10),
            "reg_alpha": _float(0, 1),
            "reg_lambda": _float(0, 10),
            "colsample_bytree": _float(0.5, 1),
        },
        {"learning_rate": 0.1, "max_depth": 6},
    ),
    "LightGBM": (
        "lightgbm",
        {
            "num_leaves": _int(2, 256),
            "learning_rate": _log(1e-3, 0.3),
            "feature_fraction": _float(0.4, 1),
            "bagging_freq": _int(1, 7),
            "min_child_samples": _int(5, 100),
            "max_depth": _int(-1, 15),
        },
        {"num_leaves": 31, "min_child_samples": 20, "bagging_freq": 1},
    ),
    "CatBoost": (
        "catboost",
        {
            "iterations": _int(100, 2000),
            "depth": _int(1, 12),
            "l2_leaf_reg": _float(1, 10),
            "random_strength": _log(1e-9, 10),
            "learning_rate": _log(0.01, 0.3),
        },
        {"depth": 6, "l2_leaf_reg": 3.0},
    ),
    "random forest": (
        "random forest",
        {
            "n_estimators": _int(10, 1000),
            "max_depth": _one_of(None, 5, 10, 20, 50),
            "max_features": _one_of("sqrt", "log2", None, 0.5),
            "min_samples_leaf": _int(1, 20),
            "bootstrap": _one_of(True, False),
        },
        {"max_depth": None, "max_features": "sqrt", "min_samples_leaf": 1, "bootstrap": True},
    ),
    "random forest, nothing but names of gradient boosting": (
        "random forest",
        {
            "n_estimators": _int(10, 300, log=True),
            "max_depth": _int(1, 50, log=True),
            "max_features": _float(0.02, 1),
            "min_samples_leaf": _int(1, 20),
            "min_samples_split": _int(2, 64, log=True),
        },
        {"max_depth": 20, "max_features": 0.3, "min_samples_leaf": 1, "min_samples_split": 2},
    ),
    "scikit-learn gradient boosting": (
        "scikit-learn gradient boosting",
        {
            "n_estimators": _int(50, 500),
            "learning_rate": _log(0.01, 0.3),
            "max_depth": _int(2, 10),
            "min_samples_leaf": _int(1, 50),
            "max_features": _float(0.1, 1),
        },
        {"learning_rate": 0.1, "max_depth": 5},
    ),
    "support vector machine": (
        "support vector machine",
        {"C": _log(1e-3, 1e3), "gamma": _log(1e-5, 10), "kernel": _one_of("linear", "rbf")},
        {"C": 10.0, "gamma": 0.02, "kernel": "rbf"},
    ),
    "nearest neighbours": (
        "nearest neighbours",
        {"n_neighbors": _int(1, 50), "weights": _one_of("uniform", "distance"), "p": _int(1, 2)},
        {"n_neighbors": 10, "weights": "distance", "p": 2},
    ),
    "scikit-learn MLP": (
        "scikit-learn MLP",
        {
            "alpha": _log(1e-8, 1),
            "learning_rate_init": _log(1e-5, 1),
            "batch_size": _int(4, 256, log=True),
            "depth": _int(1, 3),
            "width": _int(16, 1024, log=True),
        },
        {"alpha": 1e-4, "learning_rate_init": 1e-3, "depth": 2},
    ),
    "network by Adam": (
        "network training",
        {
            "n_layers": _int(1, 5),
            "n_units_l0": _int(16, 512, log=True),
            "dropout_l0": _float(0.0, 0.5),
            "optimizer": _one_of("Adam", "RMSprop", "SGD"),
            "lr": _log(1e-5, 1e-1),
        },
        {"n_units_l0": 256, "dropout_l0": 0.2, "optimizer": "Adam", "lr": 1e-3},
    ),
    "ResNet by SGD": (
        "network training by SGD",
        {
            "lr": _log(1e-3, 1),
            "momentum": _float(0.5, 0.99),
            "weight_decay": _log(1e-5, 1e-2),
            "batch_size": _one_of(32, 64, 128, 256),
            "nesterov": _one_of(True, False),
        },
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 128, "nesterov": True},
    ),
    "BERT fine-tuning": (
        "transformer fine-tuning",
        {
            "learning_rate": _log(1e-6, 1e-3),
            "num_train_epochs": _int(1, 5),
            "per_device_train_batch_size": _one_of(8, 16, 32),
            "warmup_ratio": _float(0, 0.2),
            "weight_decay": _float(0, 0.3),
        },
        {"learning_rate": 3e-5, "num_train_epochs": 3, "per_device_train_batch_size": 16},
    ),
    "LoRA": (
        "low-rank adaptation",
        {
            "lora_r": _one_of(4, 8, 16, 32, 64),
            "lora_alpha": _one_of(8, 16, 32, 64),
            "lora_dropout": _float(0, 0.2),
            "lr": _log(1e-5, 1e-3),
            "target_modules": _one_of("q_proj,v_proj", "all-linear"),
        },
        {"lora_r": 16, "lora_alpha": 32, "lr": 2e-4, "target_modules": "all-linear"},
    ),
    "PPO": (
        "PPO",
        {
            "n_steps": _one_of(128, 256, 512, 1024, 2048),
            "gamma": _float(0.9, 0.9999),
            "gae_lambda": _one_of(0.8, 0.9, 0.95, 0.99),
            "clip_range": _one_of(0.1, 0.2, 0.3),
            "ent_coef": _log(1e-8, 0.1),
            "learning_rate": _log(1e-5, 1e-2),
        },
        {"gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2, "learning_rate": 3e-4},
    ),
    "SAC": (
        "SAC, TD3 and DDPG",
        {
            "buffer_size": _one_of(10_000, 100_000, 1_000_000),
            "tau": _log(1e-3, 0.1),
            "gamma": _float(0.9, 0.999),
            "learning_rate": _log(1e-5, 1e-2),
            "ent_coef": _one_of("auto", 0.1, 0.01),
            "gradient_steps": _int(1, 16),
        },
        {"tau": 5e-3, "ent_coef": "auto", "learning_rate": 3e-4},
    ),
    "pre-training": (
        "language-model pre-training",
        {
            "ASPECT_RATIO": _int(32, 128),
            "DEPTH": _int(4, 24),
            "DEVICE_BATCH_SIZE": _int(32, 256, log=True),
            "EMBEDDING_LR": _log(0.01, 2.0),
            "FINAL_LR_FRAC": _float(0, 0.2),
            "HEAD_DIM": _int(64, 256, log=True),
            "MATRIX_LR": _log(0.005, 0.2),
            "TOTAL_BATCH_SIZE": _int(65536, 2097152, log=True),
            "WEIGHT_DECAY": _float(0.0, 0.5),
            "WINDOW_PATTERN": _one_of("SSSL", "SSLL", "LLLL", "SSSS"),
        },
        {"HEAD_DIM": 128, "TOTAL_BATCH_SIZE": 524288, "WEIGHT_DECAY": 0.1},
    ),
    "cell search": (
        "cell-based architecture",
        {f"op_{i}": _one_of("none", "skip_connect", "nor_conv_3x3") for i in range(3)},
        {"op_0": "nor_conv_3x3", "op_2": "nor_conv_3x3"},
    ),
}


@pytest.mark.parametrize("title", SPACES)
def test_family_and_usual_values_of_a_space(title: str) -> None:
    family, space, usual = SPACES[title]
    prior = EmbeddedPrior()
    for name, distribution in space.items():
        found = prior.lookup(name, distribution, space)
        assert found is not None, name
        assert found.family == family, name
    default = prior.default(space)
    for name, value in usual.items():
        assert default[name] == pytest.approx(value), name


@pytest.mark.parametrize("title", SPACES)
def test_every_parameter_is_known_before_the_others_are(title: str) -> None:
    _, space, _ = SPACES[title]
    names = list(space)
    for index, name in enumerate(names):
        assert EmbeddedPrior().lookup(name, space[name], names[:index]) is not None, name


@pytest.mark.parametrize(
    ("distribution", "family"),
    [
        (_log(0.01, 0.3), "gradient boosting"),
        (_log(1e-5, 1e-1), "network training"),
        (_log(1e-6, 1e-4), "transformer fine-tuning"),
    ],
)
def test_without_anything_else_the_range_decides(
    distribution: FloatDistribution, family: str
) -> None:
    found = EmbeddedPrior().lookup("learning_rate", distribution)
    assert found is not None
    assert found.family == family


@pytest.mark.parametrize(
    ("context", "family"),
    [
        ("XGBoost on Covertype", "xgboost"),
        ("tune an XGBClassifier for churn", "xgboost"),
        ("a LightGBM ranker", "lightgbm"),
        ("fine-tune DistilBERT on IMDB", "transformer fine-tuning"),
        ("QLoRA of Llama on one GPU", "low-rank adaptation"),
        ("ResNet-18 on CIFAR-10", "network training by SGD"),
        ("PPO agent", "PPO"),
    ],
)
def test_the_context_decides_what_a_learning_rate_is(context: str, family: str) -> None:
    found = EmbeddedPrior(context).lookup("learning_rate", _log(1e-5, 1))
    assert found is not None
    assert found.family == family


def test_words_count_only_as_whole_words() -> None:
    space = {"learning_rate": _log(1e-5, 1)}
    assert EmbeddedPrior("a great sacrifice").default(space) == EmbeddedPrior().default(space)


def test_the_other_names_decide_what_gamma_is() -> None:
    prior, wide = EmbeddedPrior(), _float(0.0, 1.0)
    families = {
        "C": "support vector machine",
        "colsample_bytree": "xgboost",
        "clip_range": "PPO",
    }
    for other, family in families.items():
        found = prior.lookup("gamma", wide, [other])
        assert found is not None
        assert found.family == family


def test_a_prefix_decides_for_its_own_parameter_only() -> None:
    space: Space = {
        "classifier": _one_of("SVC", "RandomForest"),
        "svc_c": _log(1e-3, 1e4),
        "rf_max_depth": _int(2, 32, log=True),
        "xgb_max_depth": _int(2, 32, log=True),
    }
    default = EmbeddedPrior().default(space)
    assert default == {
        "classifier": "SVC",
        "svc_c": pytest.approx(10),
        "rf_max_depth": 20,
        "xgb_max_depth": 6,
    }


# --------------------------------------------------------------------------------------
# What a look-up says


def test_lookup_names_its_source() -> None:
    found = EmbeddedPrior("XGBoost").lookup("xgb__eta", _log(0.01, 1))
    assert found is not None
    assert (found.name, found.source, found.weights) == ("learning_rate", XGBOOST_DOCS, ())
    assert found.text == f"learning_rate 0.1 ({XGBOOST_DOCS}; usual 0.02-0.3)"


def test_text_of_a_transformed_parameter_says_so() -> None:
    found = EmbeddedPrior("PPO").lookup("one_minus_gamma", _log(1e-4, 0.1))
    assert found is not None
    assert found.value == pytest.approx(0.01)
    assert found.text.startswith("1 - gamma 0.01 (")
    assert found.text.endswith("gamma usual 0.95-0.999)")


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("my_own_parameter", _float(0, 1)),
        ("seed", _int(0, 1000)),
        ("temperature", _float(20, 200)),
        ("learning_rate", _log(1e4, 1e6)),
        ("dropout", _int(1, 10)),
    ],
)
def test_nothing_is_said_of_strangers(name: str, distribution: BaseDistribution) -> None:
    assert EmbeddedPrior().lookup(name, distribution) is None


def test_explain_names_what_is_known_and_what_is_not() -> None:
    space = {"eta": _log(0.01, 1), "colsample_bytree": _float(0.2, 1), "foo": _float(0, 1)}
    text = EmbeddedPrior().explain(space)
    first, second = text.splitlines()
    assert first.startswith("xgboost: eta 0.1, colsample_bytree 0.8 (XGBoost documentation; ")
    assert second == "not known: foo"


# --------------------------------------------------------------------------------------
# Configurations


def test_unknown_parameters_are_in_the_middle_or_at_their_first_choice() -> None:
    space: Space = {
        "a": _float(-1, 3),
        "b": _log(1e-4, 1e-2),
        "c": _one_of("y", "x"),
        "d": _one_of(True, False),
        "e": _int(7, 7),
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
    space: Space = {"foo": _float(0, 1), "bar": _one_of("a", "b")}
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
    space: Space = {"eta": _log(1e-3, 1), "booster": _one_of("gbtree", "dart"), "foo": _int(0, 99)}
    centre = {"eta": 0.01, "booster": "dart", "foo": 90}
    rng = np.random.default_rng(0)
    samples = [EmbeddedPrior().sample(space, rng, centre=centre) for _ in range(300)]
    assert np.median([np.log10(s["eta"]) for s in samples]) == pytest.approx(-2, abs=0.15)
    assert np.mean([s["booster"] == "dart" for s in samples]) > 0.5
    assert np.mean([s["foo"] for s in samples]) > 60
    assert EmbeddedPrior().sample(space, rng, spread=0, centre=centre) == centre


def test_the_learning_rate_follows_the_optimizer_that_was_drawn() -> None:
    space: Space = {"lr": _log(1e-5, 1), "optimizer": _one_of("Adam", "SGD")}
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
        EmbeddedPrior().sample({"x": _float(0, 1)}, rng, spread=spread)
    with pytest.raises(ConfigurationError, match="spread="):
        EmbeddedPrior().sample_value("x", _float(0, 1), rng, spread=spread)


def test_equal_but_different_spaces_keep_their_own_choices() -> None:
    prior = EmbeddedPrior()
    assert prior.default({"nesterov": _one_of(0, 1)})["nesterov"] is 1  # noqa: F632
    assert prior.default({"nesterov": _one_of(False, True)})["nesterov"] is True


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
