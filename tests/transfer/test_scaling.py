from __future__ import annotations

import math
from typing import Any
import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm import Scale
from optuna_llm import Transfer
from optuna_llm import warm_start
from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.sizes import family_of
from optuna_llm.prior.sizes import moves


SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-6, 1.0, log=True),
    "batch_size": IntDistribution(8, 4096, log=True),
    "weight_decay": FloatDistribution(1e-6, 10.0, log=True),
    "activation": CategoricalDistribution(("relu", "tanh")),
}


def factors(small: dict[str, float], large: dict[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    target = Scale.of(large)
    family = family_of("network training", target)
    for move in moves(family, target, Scale.of(small)):
        if move.why == "as you say" and move.quantity not in ("batch_size", "total_batch_size"):
            continue  # The size itself.
        found[move.quantity] = found.get(move.quantity, 1.0) * move.factor
    return found


def test_each_rule_says_its_factor() -> None:
    assert factors({"width": 128}, {"width": 2048}) == pytest.approx({"learning_rate": 1 / 8})
    assert factors({"depth": 4}, {"depth": 16}) == pytest.approx({"learning_rate": 0.5})
    batches = factors({"batch": 32}, {"batch": 128})
    assert batches == pytest.approx({"learning_rate": 2.0, "batch_size": 4.0})
    steps = factors({"steps": 10}, {"steps": 40})
    assert steps == pytest.approx({"weight_decay": 0.25, "warmup_steps": 4.0})
    assert factors({"tokens": 10}, {"tokens": 40}) == steps
    # Twice the rate and four times the steps.
    both = factors({"batch": 1, "steps": 1}, {"batch": 4, "steps": 4})
    assert both["weight_decay"] == pytest.approx(1 / 8)
    assert factors({"width": 64, "batch": 8}, {"width": 64, "batch": 8}) == {}


def test_language_models_follow_their_own_laws() -> None:
    found = factors({"weights": 50e6, "tokens": 0.5e9}, {"weights": 400e6, "tokens": 8e9})
    assert found["learning_rate"] == pytest.approx(8**-0.712 * 16**0.307)
    assert found["batch_size"] == pytest.approx(16**0.571)
    assert found["total_batch_size"] == pytest.approx(16**0.571)
    timescale = 2.0**-0.527
    expected = found["batch_size"] / (found["learning_rate"] * 16 * timescale)
    assert found["weight_decay"] == pytest.approx(expected)
    # Width adds nothing to the number of weights.
    sizes = {"weights": 1.0, "tokens": 1.0, "width": 1.0}
    assert factors(sizes, {**sizes, "width": 8.0}) == {}


def small_study(**params: Any) -> optuna.Study:
    study = optuna.create_study(study_name="small")
    base = {"lr": 0.01, "batch_size": 64, "weight_decay": 0.1, "activation": "relu"}
    study.enqueue_trial({**base, **params})
    study.optimize(lambda t: 1.0 + 0 * len([t._suggest(n, d) for n, d in SPACE.items()]), 1)
    return study


def started(scale: Any, space: dict[str, BaseDistribution] = SPACE, **params: Any) -> Transfer:
    return warm_start(
        optuna.create_study(), small_study(**params), search_space=space, scale=scale
    )


def test_values_are_moved_before_they_are_made_legal_and_the_table_says_why() -> None:
    scale = ({"width": 128, "batch": 64}, Scale(width=2048, batch=256))
    transfer = started(scale)
    assert transfer.starts[0].params == {
        "lr": pytest.approx(0.01 / 8 * 2),
        "batch_size": 256,
        "weight_decay": 0.1,
        "activation": "relu",
    }
    text = str(transfer)
    why = "learning_rate ~ width^-0.75 (Yang et al. 2022, muTransfer"
    assert f"moved: learning_rate x 0.125: {why}" in text
    assert "moved: learning_rate x 2: learning_rate ~ batch^0.5 (Malladi et al. 2022)" in text
    assert "lr            <- lr            same name: x 0.25" in text


def test_an_exponent_is_moved_as_what_it_stands_for() -> None:
    space: dict[str, BaseDistribution] = {"log10_lr": FloatDistribution(-6.0, 0.0)}
    transfer = started(({"width": 16}, {"width": 256}), space)
    assert transfer.starts[0].params == {"log10_lr": pytest.approx(np.log10(0.01 / 8))}
    assert "x 0.125" in str(transfer)


def test_what_leaves_the_range_is_left_to_the_sampler_and_what_is_no_parameter_is_not_told() -> (
    None
):
    space = {**SPACE, "lr": FloatDistribution(1e-3, 0.1, log=True)}
    transfer = started(({"width": 10}, {"width": 1000}), space)
    assert "lr" not in transfer.starts[0].params
    assert "lr left out" in str(transfer)
    transfer = started(({"width": 10}, {"width": 100}), {"batch_size": SPACE["batch_size"]})
    assert transfer.moves == ()


def test_wrong_sizes_are_one_error() -> None:
    for scale, message in (
        (3, "scale=3 must be the sizes"),
        (({"width": 1}, 3), "scale=3 must be a Scale or a mapping"),
        (({"width": 1}, {"depth": 2}), "must say the same of both"),
        (({}, {}), "says no size; give some of rows"),
        (({"wdith": 1}, {"wdith": 2}), "'wdith' is no size; known are rows"),
        (({"width": 0}, {"width": 2}), "width=0 must be a positive number"),
        (({"width": 1}, {"width": math.inf}), "width=inf"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            started(scale)


@pytest.mark.slow
def test_a_wide_network_learns_at_the_rate_that_a_narrow_one_foretells() -> None:
    from sklearn.datasets import make_friedman1
    from sklearn.neural_network import MLPRegressor

    features, target = make_friedman1(300, noise=0.1, random_state=0)
    features, target = 2 * features - 1, (target - target.mean()) / target.std()

    def loss(width: int, rate: float) -> float:
        network = MLPRegressor(
            hidden_layer_sizes=(width,) * 3,
            learning_rate_init=rate,
            batch_size=32,
            max_iter=10,
            n_iter_no_change=100,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(network.fit(features, target).loss_)

    rates = np.logspace(-2.5, -0.5, 5)
    space: dict[str, BaseDistribution] = {
        "learning_rate_init": FloatDistribution(1e-5, 1, log=True)
    }
    narrow = optuna.create_study()
    for rate in rates:
        narrow.add_trial(
            optuna.trial.create_trial(
                params={"learning_rate_init": rate}, distributions=space, value=loss(16, rate)
            )
        )
    study = optuna.create_study()
    scale = ({"width": 16}, {"width": 256})
    moved = warm_start(study, narrow, search_space=space, scale=scale, n=1).starts[0].params
    unmoved = loss(256, narrow.best_params["learning_rate_init"])
    assert loss(256, moved["learning_rate_init"]) < 0.5 * unmoved
