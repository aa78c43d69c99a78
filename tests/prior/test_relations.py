"""How usual values move with one another."""

from __future__ import annotations

import numpy as np
from optuna.distributions import BaseDistribution
import pytest

from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior.relations import parents_first
from optuna_llm.prior.relations import related
from optuna_llm.prior.table import Relation
from tests.prior.spaces import Space
from tests.prior.spaces import log
from tests.prior.spaces import one_of
from tests.prior.spaces import real
from tests.prior.spaces import whole


BATCHES: Space = {"lr": log(1e-5, 1e-1), "batch_size": whole(8, 4096, log=True)}


def test_a_factor_stops_where_the_source_does() -> None:
    relation = Relation("batch_size", 0.5, (16, 1024), "a paper")
    assert relation.factor(256, 64) == pytest.approx(2)
    assert relation.factor(64, 64) == 1
    assert relation.factor(1e6, 64) == relation.factor(1024, 64) == pytest.approx(4)


ROUNDS = whole(50, 2000)
RATE = log(1e-3, 1)


@pytest.mark.parametrize(
    ("context", "child", "space", "given", "value"),
    [
        (None, "lr", BATCHES, {"batch_size": 1024}, 4e-3),
        (None, "lr", BATCHES, {}, 1e-3),
        ("ResNet by SGD", "lr", BATCHES, {"batch_size": 256}, 0.1),
        ("Lion optimizer", "lr", BATCHES, {"batch_size": 1024}, 2e-4),
        (
            None,
            "eta",
            {"eta": RATE, "n_estimators": ROUNDS},
            {"n_estimators": 1000},
            0.1 / 5**0.86,
        ),
        (
            "catboost",
            "lr",
            {"lr": RATE, "iterations": ROUNDS},
            {"iterations": 1000},
            0.06 / 2**0.86,
        ),
        # Less where boosting is stopped early.
        (
            "XGB regression",
            "eta",
            {"eta": RATE, "n_estimators": ROUNDS},
            {"n_estimators": 100},
            0.05 * 10**0.61,
        ),
        # As an exponent, and as a choice.
        (
            None,
            "log10_lr",
            {"log10_lr": real(-5, -1), "batch_size": BATCHES["batch_size"]},
            {"batch_size": 1024},
            np.log10(4e-3),
        ),
        (
            None,
            "lr",
            {**BATCHES, "batch_size": one_of("64", "1024")},
            {"batch_size": "1024"},
            4e-3,
        ),
        (
            None,
            "lr",
            {"batch_size_log2": whole(3, 12), "lr": BATCHES["lr"]},
            {"batch_size_log2": 10},
            4e-3,
        ),
    ],
)
def test_a_usual_value_moves_with_its_parent(
    context: str | None, child: str, space: Space, given: dict[str, object], value: float
) -> None:
    found = EmbeddedPrior(context, together=True).default_value(child, space[child], space, given)
    assert found == pytest.approx(value, rel=1e-3)


def test_samples_move_together_and_the_parent_is_drawn_as_before() -> None:
    prior, rng = EmbeddedPrior(together=True), np.random.default_rng(0)
    drawn = [prior.sample(BATCHES, rng) for _ in range(500)]
    rate = np.log([d["lr"] for d in drawn])
    batch = np.log([d["batch_size"] for d in drawn])
    slope, _ = np.polyfit(batch, rate, 1)
    assert slope == pytest.approx(0.5, abs=0.15)
    assert np.exp(batch.mean()) == pytest.approx(64, rel=0.3)


def test_where_the_parent_cannot_have_its_usual_value_the_default_moves() -> None:
    space: Space = {"lr": log(1e-5, 1e-1), "batch_size": one_of(256, 512)}
    usual = EmbeddedPrior(together=True).default(space)
    assert usual == {"lr": pytest.approx(2e-3), "batch_size": 256}


def test_around_a_centre_values_stay_together_as_they_are() -> None:
    centre = {"lr": 0.01, "batch_size": 32}
    drawn = EmbeddedPrior(together=True).sample(
        BATCHES, np.random.default_rng(0), spread=0, centre=centre
    )
    assert drawn == pytest.approx(centre)


@pytest.mark.parametrize(
    "space",
    [
        {"lr": log(1e-5, 1e-1), "dropout": real(0, 0.5)},
        # Which of the two is meant?
        {"lr": log(1e-5, 1e-1), "a/batch_size": whole(8, 512), "b/batch_size": whole(8, 512)},
        # Of two families.
        {"xgb_lr": log(1e-3, 1), "rf_n_estimators": whole(50, 2000)},
        {"unheard_of": real(0, 1)},
    ],
)
def test_without_one_parent_in_the_family_nothing_moves(
    space: dict[str, BaseDistribution],
) -> None:
    assert EmbeddedPrior(together=True).relations(space) == ""
    assert "relations" not in EmbeddedPrior(together=True).explain(space)


def test_explain_tells_the_relation_and_its_source() -> None:
    said = "lr moves with batch_size to the power of 0.5 (Malladi et al. 2022; from 8 to 4096)"
    assert EmbeddedPrior(together=True).relations(BATCHES) == said
    assert EmbeddedPrior(together=True).explain(BATCHES).splitlines()[-1] == f"relations: {said}"


def test_nothing_moves_unless_that_is_wanted() -> None:
    prior = EmbeddedPrior()
    assert prior.relations(BATCHES) == ""
    assert prior.default_value("lr", BATCHES["lr"], BATCHES, {"batch_size": 1024}) == 1e-3


def test_parents_stand_before_their_children() -> None:
    prior = EmbeddedPrior("fine-tune with LoRA", together=True)
    space: Space = {"lora_alpha": whole(4, 128), "lr": log(1e-6, 1e-2), "lora_r": whole(2, 64)}
    parents = related({n: prior.lookup(n, d, space) for n, d in space.items()})
    assert parents_first(space, parents) == ["lr", "lora_r", "lora_alpha"]
    assert prior.default_value("lora_alpha", space["lora_alpha"], space, {"lora_r": 64}) == 128
