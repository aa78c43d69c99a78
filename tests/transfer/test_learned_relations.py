"""Relations that earlier studies teach, and those that they do not."""

from __future__ import annotations

from collections.abc import Callable
import math

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
import pytest

from optuna_llm import Prior
from optuna_llm import Usual


def study(
    power: float,
    seed: int,
    *,
    shift: float = 0.0,
    sampler: type[optuna.samplers.BaseSampler] = RandomSampler,
) -> optuna.Study:
    """Sixty trials whose best learning rate goes with a power of the batch size."""
    made = optuna.create_study(study_name=f"s{seed}", sampler=sampler(seed=seed))  # type: ignore[call-arg]
    noise = np.random.default_rng(seed)

    def objective(trial: optuna.Trial) -> float:
        rate = math.log10(trial.suggest_float("lr", 1e-5, 1e-1, log=True))
        batch = math.log10(trial.suggest_categorical("batch_size", [8, 16, 32, 64, 128, 256, 512]))
        decay = math.log10(trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True))
        ridge = rate + 3 + shift - power * (batch - math.log10(64))
        return ridge**2 + 0.02 * (decay + 3) ** 2 + 0.05 * noise.normal()

    made.optimize(objective, n_trials=60)
    return made


def relation(prior: Prior, name: str) -> dict[str, float]:
    said = prior.usual[name]
    assert isinstance(said, Usual)
    return dict(said.relation)


@pytest.mark.parametrize("power", [1.0, -1.0])
def test_a_ridge_that_results_bear_out_is_learned(power: float) -> None:
    prior = Prior.from_studies([study(power, seed, shift=0.5 * seed) for seed in range(3)])
    found = relation(prior, "lr")
    # The batch size is the parent, though the learning rate is asked for first.
    assert list(found) == ["batch_size"]
    assert found["batch_size"] == pytest.approx(power, abs=0.3)
    assert relation(prior, "batch_size") == relation(prior, "weight_decay") == {}


def test_values_beside_a_parent_and_spreads_without_it_are_learned_too() -> None:
    prior = Prior.from_studies([study(1.0, seed) for seed in range(4)])
    said = prior.usual["lr"]
    assert isinstance(said, Usual)
    assert said.spread is not None
    assert said.spread < 0.65
    space = {
        "lr": FloatDistribution(1e-5, 1e-1, log=True),
        "batch_size": CategoricalDistribution([8, 64, 512]),
    }
    drawn = [prior.sample(space, np.random.default_rng(i), spread=0.2) for i in range(60)]
    middle = {
        batch: np.median([math.log10(d["lr"]) for d in drawn if d["batch_size"] == batch] or [0])
        for batch in (8, 64, 512)
    }
    assert middle[8] + 0.4 < middle[64] < middle[512] - 0.4
    assert "lr moves with batch_size to the power of" in prior.explain(space)


@pytest.mark.parametrize("sampler", [RandomSampler, TPESampler])
def test_where_nothing_moves_together_nothing_is_learned(
    sampler: Callable[..., optuna.samplers.BaseSampler],
) -> None:
    for first in range(0, 12, 3):
        studies = [study(0.0, seed, sampler=sampler) for seed in range(first, first + 3)]  # type: ignore[arg-type]
        prior = Prior.from_studies(studies)
        for name in ("lr", "weight_decay"):
            powers = relation(prior, name).values()
            assert all(abs(power) < 0.3 for power in powers)


def test_a_few_trials_teach_no_relation() -> None:
    short = study(1.0, 0)
    prior = Prior.from_studies([short.trials[:20]])
    assert relation(prior, "lr") == {}
