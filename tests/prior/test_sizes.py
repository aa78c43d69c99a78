"""How usual values move with sizes of the problem."""

from __future__ import annotations

import math

import numpy as np
from optuna.distributions import BaseDistribution
import pytest

from optuna_llm import Scale
from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.sizes import sized
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Number
from tests.prior.spaces import Space
from tests.prior.spaces import log
from tests.prior.spaces import real
from tests.prior.spaces import whole


FAMILY = {family.name: family for family in FAMILIES}
SPACE: Space = {
    "lr": log(1e-6, 1),
    "weight_decay": log(1e-6, 1),
    "total_batch_size": whole(2**10, 2**24, log=True),
}
PRE_TRAINING = "language-model pre-training"


def row(family: str, name: str, scale: Scale) -> Number:
    found = FAMILY[family].number(name)
    assert found is not None
    return sized(found, FAMILY[family], scale)[0]


def test_the_law_of_pre_training_gives_the_values_that_it_was_checked_with() -> None:
    usual = EmbeddedPrior(scale=Scale(weights=50e6, tokens=0.5e9)).default(SPACE)
    assert usual["lr"] == pytest.approx(2.7e-3, rel=0.03)
    assert usual["total_batch_size"] == pytest.approx(53_000, rel=0.01)
    assert usual["weight_decay"] == pytest.approx(0.12, rel=0.02)


@pytest.mark.parametrize(
    ("weights", "optimum"), [(46e6, 3.9e-3), (109e6, 2.0e-3), (368e6, 9.8e-4), (872e6, 6.9e-4)]
)
def test_an_independent_replication_lies_within_the_usual_range(
    weights: float, optimum: float
) -> None:
    found = row(PRE_TRAINING, "learning_rate", Scale(weights=weights, tokens=1e9))
    assert found.usual == pytest.approx(optimum, rel=0.6)
    assert found.range[0] < optimum < found.range[1]


def test_values_move_by_powers_of_what_is_given_relative_to_what_they_are_meant_for() -> None:
    assert row("network training", "learning_rate", Scale(width=256)).usual == 1e-3
    wide = row("network training", "learning_rate", Scale(width=4096)).usual
    assert wide == pytest.approx(1e-3 / 8)
    assert row("network training", "n_units", Scale(width=4096)).usual == 4096
    both = Scale(batch=256, depth=12)
    assert row("network training", "learning_rate", both).usual == pytest.approx(1e-3)
    assert row("network training by SGD", "learning_rate", both).usual == pytest.approx(0.1)
    assert row("network training by Lion", "learning_rate", both).usual == 2e-4
    assert row("support vector machine", "gamma", Scale(columns=10)).usual == pytest.approx(0.1)
    assert row("nearest neighbours", "n_neighbors", Scale(rows=32_000)).usual == pytest.approx(40)
    assert row("random forest", "max_features", Scale(columns=108)).usual == pytest.approx(0.1)
    # Less data, more to forget in each step.
    steps = row("network training", "weight_decay", Scale(steps=1000)).usual
    assert steps == pytest.approx(0.01)


def test_a_fraction_stays_one() -> None:
    few = row("random forest", "max_features", Scale(columns=1))
    assert few.usual <= 1
    assert 0 <= few.range[0] < few.range[1] <= 1


def test_spreads_widen_with_the_distance_and_are_vague_where_nobody_has_measured() -> None:
    def decades(width: float) -> float:
        return row("network training", "learning_rate", Scale(width=width)).spread

    start = decades(256)
    assert start < decades(1024) < decades(8192) < 1.1 * math.hypot(start, 0.3)
    assert decades(1e6) > 2 * start
    assert decades(1) > 1.5 * start


def test_every_family_is_well_formed_with_every_size() -> None:
    sizes = Scale(100, 50, 3, 1e9, 1e8, 64, 6, 3000, 128)
    for family in FAMILIES:
        for rows in family.by_key.values():
            for found in rows:
                if isinstance(found, Number):
                    moved, _ = sized(found, family, sizes)
                    assert moved.range[0] <= moved.usual <= moved.range[1], (family.name, moved)
                    if moved.scale in (Axis.LOG, Axis.FRACTION):
                        assert moved.scale.holds(*moved.range)
                    assert 0 < moved.spread < math.inf


def test_without_sizes_and_with_sizes_that_say_nothing_all_is_as_before() -> None:
    space: Space = {"C": log(1e-3, 1e3), "kernel": whole(0, 3)}
    for scale in (None, Scale(rows=100), Scale(tokens=5)):
        assert EmbeddedPrior(scale=scale).default(space) == EmbeddedPrior().default(space)
        assert EmbeddedPrior(scale=scale).sizes(space) == ""


def test_explanations_tell_what_has_moved_and_why() -> None:
    prior = EmbeddedPrior("SVM", scale=Scale(columns=500))
    space: Space = {"gamma": log(1e-5, 10), "C": log(1e-3, 1e3)}
    assert prior.sizes(space) == "gamma x 0.1: gamma ~ columns^-1 (scikit-learn user guide)"
    assert f"sizes: {prior.sizes(space)}" in prior.explain(space)
    found = prior.lookup("gamma", space["gamma"], space)
    assert found is not None
    assert found.text.startswith("gamma 0.002 (")
    assert "moved with sizes" in found.text
    exponent = prior.lookup("log10_gamma", real(-5, 1), space)
    assert exponent is not None
    assert exponent.value == pytest.approx(np.log10(0.002))


def test_where_sizes_lead_far_out_of_a_range_the_range_is_believed() -> None:
    distribution: BaseDistribution = log(0.03, 1)
    wide = EmbeddedPrior("a neural network", scale=Scale(width=8192))
    found = wide.lookup("lr", distribution, ["n_units"])
    assert found is not None
    assert found.value == 0.03
    assert found.moves == ()


def test_what_moves_with_a_parameter_moves_from_its_size() -> None:
    space: Space = {"lr": log(1e-6, 1), "batch_size": whole(8, 4096, log=True)}
    prior = EmbeddedPrior(together=True, scale=Scale(batch=256))
    assert prior.default(space) == {"lr": pytest.approx(2e-3), "batch_size": 256}
    beside = prior.default_value("lr", space["lr"], space, {"batch_size": 1024})
    assert beside == pytest.approx(4e-3)


def test_classes_say_that_it_is_classification() -> None:
    space: Space = {"eta": log(1e-3, 1), "max_depth": whole(1, 12)}
    found = EmbeddedPrior("XGBoost", scale=Scale(classes=2)).lookup("eta", space["eta"], space)
    assert found is not None
    assert found.family == "xgboost for classification"


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "scale says no size; give some of rows, columns"),
        ({"rows": 0}, "scale: rows=0 must be a positive number; leave it out"),
        ({"width": -3}, "scale: width=-3 must be a positive number"),
        ({"width": math.nan}, "scale: width=nan must be"),
        ({"width": math.inf}, "scale: width=inf must be"),
        ({"batch": "64"}, "scale: batch='64' must be"),
        ({"classes": 1}, "scale: classes=1 must be a number of at least 2"),
        ({"widht": 3}, "scale: 'widht' is no size; known are rows"),
        (7, "scale=7 must be a Scale or a mapping"),
    ],
)
def test_wrong_sizes_are_one_error(sizes: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Scale.of(sizes)
