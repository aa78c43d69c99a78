"""Each of Optuna's samplers beside a model: forty trials, or an error at construction."""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import BruteForceSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import GPSampler
from optuna.samplers import GridSampler
from optuna.samplers import NSGAIIISampler
from optuna.samplers import NSGAIISampler
from optuna.samplers import PartialFixedSampler
from optuna.samplers import QMCSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.errors import ConfigurationError
from optuna_llm.sharing.model_sampler import ModelSampler
from tests.support.models import ScriptedModel


pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

SAMPLERS = [LLMSampler, LLAMBOSampler]
BASES: dict[str, Callable[[], BaseSampler]] = {
    "random": lambda: RandomSampler(seed=0),
    "tpe": lambda: TPESampler(seed=0, n_startup_trials=3),
    "tpe univariate": lambda: TPESampler(seed=0, multivariate=False, n_startup_trials=3),
    "tpe group": lambda: TPESampler(seed=0, multivariate=True, group=True, n_startup_trials=3),
    "cma-es": lambda: CmaEsSampler(seed=0),
    "nsga-ii": lambda: NSGAIISampler(seed=0, population_size=6),
    "nsga-iii": lambda: NSGAIIISampler(seed=0, population_size=6),
    "qmc": lambda: QMCSampler(seed=0),
    "cqr": lambda: CQRSampler(seed=0, n_startup_trials=3, n_candidates=64),
}
ENUMERATING: dict[str, Callable[[], BaseSampler]] = {
    "grid": lambda: GridSampler({"x": [0.0, 0.5]}),
    "brute force": lambda: BruteForceSampler(),
}


def objective(trial: optuna.Trial) -> float:
    x, n = trial.suggest_float("x", 0, 1), trial.suggest_int("n", 1, 100)
    return (x - 0.3) ** 2 + n / 100 + (trial.suggest_categorical("c", ["p", "q"]) == "p")


def run(sampler: Any, base: BaseSampler, n_trials: int = 40) -> optuna.Study:
    study = optuna.create_study(
        sampler=sampler(ScriptedModel(n_candidates=3), seed=0, base_sampler=base)
    )
    study.optimize(objective, n_trials=n_trials)
    return study


def foreign(trial: FrozenTrial) -> list[str]:
    return [key for key in trial.system_attrs if not key.startswith("llm:")]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", BASES)
def test_any_sampler_can_be_the_base(name: str, sampler: Callable[..., ModelSampler]) -> None:
    study = run(sampler, BASES[name]())
    sources = [t.user_attrs["llm:source"] for t in study.trials]
    assert len(study.trials) == 40
    assert {"llm", "base"} <= set(sources)
    assert study.best_value < 0.6
    # Other workers read these as what is run.
    assert [t.number for t in study.trials if foreign(t) and sources[t.number] != "base"] == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="GPSampler needs torch")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_gaussian_process_can_be_the_base(sampler: Callable[..., ModelSampler]) -> None:
    study = run(sampler, GPSampler(seed=0, n_startup_trials=3))
    assert len(study.trials) == 40


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ["random", "tpe", "cma-es", "nsga-ii", "qmc"])
def test_a_fixed_parameter_stays_fixed_in_the_trials_of_the_base(
    name: str, sampler: Callable[..., ModelSampler]
) -> None:
    study = run(sampler, PartialFixedSampler({"x": 0.5}, BASES[name]()), 25)
    by_base = [t for t in study.trials if t.user_attrs["llm:source"] == "base"]
    assert by_base
    assert {t.params["x"] for t in by_base} == {0.5}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ENUMERATING)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_what_enumerates_a_grid_is_refused(
    sampler: Callable[..., ModelSampler], name: str, is_wrapped: bool
) -> None:
    base = ENUMERATING[name]()
    if is_wrapped:
        base = PartialFixedSampler({"x": 0.5}, base)
    with pytest.raises(ConfigurationError, match=r"^base_sampler=(Grid|BruteForce)Sampler.*grid"):
        sampler(base_sampler=base)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_with_a_proposer_is_no_base(sampler: Callable[..., ModelSampler]) -> None:
    for base in (LLMSampler(), PartialFixedSampler({"x": 0.5}, LLAMBOSampler())):
        with pytest.raises(ConfigurationError, match=r"^base_sampler=\w+ shares its trials"):
            sampler(base_sampler=base)


class Watchful(RandomSampler):
    """A base sampler that looks at the trial, as samplers for conditional spaces do."""

    seen: list[tuple[str, tuple[str, ...]]]

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.seen = []

    def sample_independent(self, study: Any, trial: Any, name: Any, told: Any) -> Any:
        self.seen.append((name, tuple(trial.params)))
        return super().sample_independent(study, trial, name, told)


def test_the_point_beside_the_candidates_is_sampled_value_by_value() -> None:
    base = Watchful()
    study = run(LLAMBOSampler, base, 12)
    assert ("n", ("c",)) in base.seen
    assert ("x", ("c", "n")) in base.seen
    assert all(len(t.params) == 3 for t in study.trials)


class Broken(RandomSampler):
    """A base sampler that fails from the tenth trial on."""

    def sample_independent(self, study: Any, trial: Any, name: Any, told: Any) -> Any:
        if trial.number >= 9:
            raise RuntimeError("out of order")
        return super().sample_independent(study, trial, name, told)


def test_a_base_sampler_that_fails_beside_candidates_ends_no_study() -> None:
    study = optuna.create_study(
        sampler=LLAMBOSampler(ScriptedModel(n_candidates=3), seed=0, base_sampler=Broken(seed=0))
    )
    study.optimize(objective, n_trials=14)
    assert len(study.trials) == 14
