"""Usual values of one's own: with every sampler, from a file, from earlier studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
import pytest

from optuna_llm import AgentSampler
from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import Prior
from optuna_llm import Usual
from optuna_llm.errors import ConfigurationError
from tests.support.transfer import SPACE
from tests.support.transfer import earlier_study


PRIOR = Prior({"learning_rate": Usual(0.03, spread=0.2), "booster": {"dart": 9, "gbtree": 1}})


def objective(trial: optuna.Trial) -> float:
    return float(trial._suggest("learning_rate", SPACE["learning_rate"])) + (
        trial._suggest("booster", SPACE["booster"]) == "dart"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: CQRSampler(prior=PRIOR, seed=0),
        lambda: LLMSampler(prior=PRIOR, seed=0),
        lambda: LLAMBOSampler(prior=PRIOR, seed=0),
        lambda: AgentSampler(prior=PRIOR, seed=0),
    ],
)
def test_every_sampler_begins_with_it(make: Callable[[], BaseSampler]) -> None:
    study = optuna.create_study(sampler=make())
    study.optimize(objective, n_trials=2)
    assert study.trials[0].params == {"learning_rate": pytest.approx(0.03), "booster": "dart"}


@pytest.mark.parametrize("sampler", [CQRSampler, LLMSampler, AgentSampler])
def test_what_is_no_prior_is_refused(sampler: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"prior=\{'lr': 0.1\} must be an optuna_llm.Pri"):
        sampler(prior={"lr": 0.1})


def test_the_task_of_a_sampler_still_tells_the_family() -> None:
    sampler = LLMSampler(prior=PRIOR, task="XGBoost on churn")
    assert sampler._prior.context is not None
    assert "XGBoost" in sampler._prior.context


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "team.toml"
    path.write_text('source = "team"\n[rows]\nlearning_rate = {usual = 0.03}', encoding="utf-8")
    prior = Prior.load(path, context="LightGBM")
    found = prior.lookup("learning_rate", SPACE["learning_rate"])
    assert found is not None
    assert (found.value, found.source, prior.context) == (pytest.approx(0.03), "team", "LightGBM")


# --------------------------------------------------------------------------------------
# From studies


def learned(prior: Prior, name: str) -> Usual:
    usual = prior.usual[name]
    assert isinstance(usual, Usual)
    return usual


def test_the_best_trials_of_studies_tell_usual_values_and_weights() -> None:
    studies = [earlier_study(f"s{i}", 60, optimum=-1.5, seed=i) for i in range(4)]
    prior = Prior.from_studies(studies)
    rate = learned(prior, "learning_rate")
    assert np.log10(rate.value) == pytest.approx(-1.5, abs=0.25)
    assert rate.scale == "log"
    assert prior.default(SPACE)["booster"] == "gbtree"
    assert 4 <= learned(prior, "max_depth").value <= 8
    assert prior.explain(SPACE).endswith("(4 earlier studies: s0, s1, s2, s3)")


def test_spreads_grow_with_disagreement_and_shrink_with_studies() -> None:
    def spread(optima: list[float]) -> float:
        studies = [earlier_study(f"s{i}", 60, optimum=o, seed=i) for i, o in enumerate(optima)]
        found = learned(Prior.from_studies(studies), "learning_rate").spread
        assert found is not None
        return found

    assert spread([-1.5]) > spread([-1.5] * 6)
    assert spread([-3.0, -1.5, 0.0]) > 1.5 * spread([-1.5] * 3)


def test_a_study_counts_the_same_whatever_its_size() -> None:
    small, large = earlier_study("a", 30, optimum=-3.0), earlier_study("b", 600, optimum=0.0)
    rate = learned(Prior.from_studies([small, large]), "learning_rate")
    assert np.log10(rate.value) == pytest.approx(-1.5, abs=0.4)


def test_tables_have_the_direction_that_is_given() -> None:
    study = earlier_study("a", 60, direction="maximize")
    of_study = Prior.from_studies(study)
    of_trials = Prior.from_studies(study.trials, direction="maximize")
    upside_down = Prior.from_studies(study.trials)
    assert of_trials.usual == of_study.usual
    assert upside_down.usual != of_study.usual


def test_choices_of_numbers_are_numbers_and_others_are_counted() -> None:
    space: dict[str, BaseDistribution] = {
        "batch_size": CategoricalDistribution((16, 32, 64)),
        "max_depth": CategoricalDistribution((None, 4, -1)),
        "amp": CategoricalDistribution((True, False)),
    }
    study = optuna.create_study(study_name="x")
    for batch, depth, amp in [(64, -1, True), (64, -1, True), (32, None, True), (16, 4, False)]:
        study.add_trial(
            optuna.create_trial(
                params={"batch_size": batch, "max_depth": depth, "amp": amp},
                distributions=space,
                value=-batch,
            )
        )
    prior = Prior.from_studies(study)
    assert prior.default(space) == {"batch_size": 64, "max_depth": -1, "amp": True}
    found = prior.lookup("batch_size", IntDistribution(8, 512, log=True))
    assert found is not None
    assert 32 <= found.value <= 64
    depth = prior.lookup("max_depth", space["max_depth"])
    assert depth is not None
    # Two of three, and a study that knows nothing: each choice a third.
    assert depth.weights == pytest.approx([1 / 3, 1 / 6, 1 / 2])


def test_a_parameter_that_never_varied_is_learned_too() -> None:
    study = optuna.create_study()
    study.optimize(lambda t: t.suggest_float("x", 2.0, 2.0), n_trials=3)
    found = Prior.from_studies(study).lookup("x", FloatDistribution(0, 10))
    assert found is not None
    assert found.value == 2.0


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("auto", r'sources="auto": there is no study yet'),
        ([], r"sources=\[\] teach nothing; give at least one study"),
        (optuna.create_study(study_name="bare"), r"'bare' has no complete trial .*; leave it out"),
        ("missing.csv", r"sources\[0\]='missing.csv': there is no such file"),
    ],
)
def test_errors_name_source_and_fix(sources: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Prior.from_studies(sources)


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"direction='up' is not known; choose one of"):
        Prior.from_studies(earlier_study(), direction="up")
