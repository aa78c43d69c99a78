"""Which family of algorithms a parameter is of."""

from __future__ import annotations

from optuna.distributions import BaseDistribution
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
        ("tune an XGB for churn", "xgboost"),
        ("a LightGBM ranker", "lightgbm"),
        ("fine-tune DistilBERT on IMDB", "transformer fine-tuning"),
        ("QLoRA of Llama on one GPU", "low-rank adaptation"),
        ("ResNet-18 on CIFAR-10", "network training by SGD"),
        ("PPO agent", "PPO"),
        ("ViT by the Lion optimizer", "network training by Lion"),
        ("speed run with Muon", "network training by Muon"),
        ("image classification of lions", "network training by SGD"),
        ("train a vision transformer", "vision transformer training"),
        ("fine-tune a ViT on flowers", "vision fine-tuning"),
        ("fine-tune a ViT by SGD", "network training by SGD"),
        ("YOLOv8 on drones", "object detection"),
        ("DreamBooth of a dog", "diffusion fine-tuning"),
        ("Stable Diffusion LoRA", "diffusion fine-tuning"),
        ("Whisper on Swahili", "speech fine-tuning"),
        ("SFT of Llama", "supervised fine-tuning of language models"),
        ("LoRA SFT of Llama", "low-rank adaptation"),
        ("WGAN-GP on faces", "generative adversarial network"),
        ("a GCN on Cora", "graph network"),
    ],
)
def test_the_context_decides_what_a_learning_rate_is(context: str, family: str) -> None:
    found = EmbeddedPrior(context).lookup("learning_rate", log(1e-5, 1))
    assert found is not None
    assert found.family == family


@pytest.mark.parametrize("learner", ["xgboost", "lightgbm", "catboost", "RealMLP"])
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("on churn", ""),
        ("classifier of churn", " for classification"),
        ("judged by its accuracy", " for classification"),
        ("regression of prices", " for regression"),
        ("with the lowest RMSE", " for regression"),
        ("compared with logistic regression", " for classification"),
        ("for classification and for regression", ""),
    ],
)
def test_the_task_tells_labels_from_numbers(learner: str, words: str, kind: str) -> None:
    found = EmbeddedPrior(f"{learner} {words}").lookup("learning_rate", log(1e-3, 0.5))
    assert found is not None
    assert found.family == learner + kind


def test_a_task_without_a_learner_decides_nothing() -> None:
    space: Space = {"eta": log(1e-3, 0.5), "max_depth": whole(2, 12)}
    plain = EmbeddedPrior("ranking").default(space)
    assert EmbeddedPrior("ranking by AUC").lookup("unheard_of", real(0, 1)) is None
    assert EmbeddedPrior("ranking").default(space) == plain


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [("AdamW", 1e-3), ("SGD", 0.05), ("Lion", 2e-4), ("Muon", 0.02), ("SophiaG", 6e-4)],
)
def test_the_optimizer_decides_what_a_learning_rate_is(optimizer: str, rate: float) -> None:
    space: Space = {"optimizer": one_of(optimizer), "lr": log(1e-5, 1)}
    assert EmbeddedPrior().default(space)["lr"] == pytest.approx(rate)


def test_where_the_own_row_does_not_fit_the_parents_may() -> None:
    # Muon with a learning rate adjusted to AdamW's: 0.02 is far outside.
    found = EmbeddedPrior("MLP with Muon").lookup("lr", log(1e-5, 1e-3))
    assert found is not None
    assert found.value == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("context", "name", "distribution", "family"),
    [
        ("DPO of Mistral", "lr", log(1e-7, 1e-4), "direct preference optimization"),
        (
            "RLHF of a chat model with PPO",
            "lr",
            log(1e-7, 1e-4),
            "reinforcement learning of language models",
        ),
        ("PPO agent in mujoco", "clip_range", real(0.1, 0.4), "PPO"),
        ("throughput of vLLM", "block_size", one_of(8, 16, 32), "inference server"),
        ("pretrain GPT-2", "block_size", one_of(256, 512, 1024), "language-model pre-training"),
        ("RAG over manuals", "top_k", whole(1, 20), "retrieval-augmented generation"),
        ("decoding strategies", "top_k", whole(5, 200), "text generation"),
        ("denoising diffusion", "ema_decay", real(0.99, 0.9999), "diffusion model"),
        ("fine-tune a transformer with LoRA", "lr", log(1e-6, 1e-2), "low-rank adaptation"),
    ],
)
def test_the_context_decides_what_a_name_is(
    context: str, name: str, distribution: BaseDistribution, family: str
) -> None:
    found = EmbeddedPrior(context).lookup(name, distribution)
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
