"""Which family of algorithms a parameter is of."""

from __future__ import annotations

from optuna.distributions import FloatDistribution
import pytest

from optuna_llm.prior import EmbeddedPrior
from tests.prior.spaces import SPACES
from tests.prior.spaces import Space
from tests.prior.spaces import log
from tests.prior.spaces import one_of
from tests.prior.spaces import real
from tests.prior.spaces import whole


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
        (log(0.01, 0.3), "gradient boosting"),
        (log(1e-5, 1e-1), "network training"),
        (log(1e-6, 1e-4), "transformer fine-tuning"),
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
    found = EmbeddedPrior(context).lookup("learning_rate", log(1e-5, 1))
    assert found is not None
    assert found.family == family


def test_words_count_only_as_whole_words() -> None:
    space = {"learning_rate": log(1e-5, 1)}
    assert EmbeddedPrior("a great sacrifice").default(space) == EmbeddedPrior().default(space)


def test_the_other_names_decide_what_gamma_is() -> None:
    prior, wide = EmbeddedPrior(), real(0.0, 1.0)
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
        "classifier": one_of("SVC", "RandomForest"),
        "svc_c": log(1e-3, 1e4),
        "rf_max_depth": whole(2, 32, log=True),
        "xgb_max_depth": whole(2, 32, log=True),
    }
    default = EmbeddedPrior().default(space)
    assert default == {
        "classifier": "SVC",
        "svc_c": pytest.approx(10),
        "rf_max_depth": 20,
        "xgb_max_depth": 6,
    }
