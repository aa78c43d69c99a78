from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import continue_study
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.attributes import PROPOSAL_KEY
from optuna_llm.history.attributes import TRANSFERRED_KEY
from tests.support.transfer import SPACE
from tests.support.transfer import earlier_study
from tests.support.transfer import loss


MORE = {"booster": CategoricalDistribution(("gbtree", "dart", "gblinear"))}


def objective(trial: optuna.Trial) -> float:
    return loss({n: trial._suggest(n, d) for n, d in {**SPACE, **MORE}.items()})


@pytest.mark.parametrize("sampler", [TPESampler(seed=0), CQRSampler(seed=0)], ids=str)
def test_with_a_further_choice_all_trials_go_on_with_their_results(sampler: Any) -> None:
    old = earlier_study()
    new = continue_study(old, name="wider", search_space=MORE, sampler=sampler)
    assert new.sampler is sampler
    assert new.best_value == old.best_value
    assert [t.params for t in new.trials] == [t.params for t in old.trials]
    assert {t.user_attrs[TRANSFERRED_KEY] for t in new.trials[:1]} == {"trial 0 of 'earlier'"}
    new.optimize(objective, n_trials=12)
    assert len(new.trials) == 42
    assert {t.distributions["booster"] for t in new.trials} == {MORE["booster"]}


def test_all_states_directions_constraints_and_reports_are_kept() -> None:
    old = optuna.create_study(
        study_name="old", directions=["maximize"], sampler=CQRSampler(seed=0)
    )
    old.set_metric_names(["accuracy"])
    for i in range(12):
        trial = old.ask()
        trial.suggest_float("x", 0, 1)
        trial.report(0.5, 1)
        trial.set_constraint("memory", float(i - 6))
        if i % 3 == 2:
            old.tell(trial, state=(TrialState.PRUNED, TrialState.FAIL)[i % 2])
        else:
            old.tell(trial, i)
    old.enqueue_trial({"x": 0.5})
    new = continue_study(old, name="new", search_space={"x": FloatDistribution(0, 2)})
    assert new.directions == old.directions
    assert new.metric_names == ["accuracy"]
    assert len(new.trials) == 12
    for a, b in zip(old.trials, new.trials, strict=False):
        assert (a.params, a.values, a.state, a.constraints) == (
            b.params,
            b.values,
            b.state,
            b.constraints,
        )
        assert a.intermediate_values == b.intermediate_values
        assert b.distributions == {"x": FloatDistribution(0, 2)}
        assert PROPOSAL_KEY not in b.system_attrs
    assert len(old.trials) == 13


def test_a_new_parameter_with_a_known_value_so_far_costs_nothing_either() -> None:
    space: dict[str, BaseDistribution] = {"subsample": FloatDistribution(0.2, 1.0)}
    new = continue_study(earlier_study(), name="new", search_space=space, fixed={"subsample": 1.0})
    assert [t.params["subsample"] for t in new.trials] == [1.0] * 30


def test_a_new_parameter_with_no_known_value_begins_with_the_best() -> None:
    old = earlier_study()
    space: dict[str, BaseDistribution] = {"subsample": FloatDistribution(0.2, 1.0)}
    new = continue_study(old, name="new", search_space=space, n=3)
    assert [t.state for t in new.trials] == [TrialState.WAITING] * 3
    assert new.trials[0].system_attrs["fixed_params"].items() >= old.best_params.items()


def test_what_is_outside_of_the_new_space_stays_behind() -> None:
    old = earlier_study()
    narrow: dict[str, BaseDistribution] = {"learning_rate": FloatDistribution(1e-3, 0.1, log=True)}
    new = continue_study(old, name="new", search_space=narrow)
    inside = [t for t in old.trials if 1e-3 <= t.params["learning_rate"] <= 0.1]
    assert 0 < len(inside) < 30
    assert [t.params for t in new.trials] == [t.params for t in inside]


def test_a_parameter_that_is_constant_from_now_on_keeps_the_trials_that_had_that_value() -> None:
    old = earlier_study()
    new = continue_study(old, name="new", fixed={"booster": "dart"})
    darts = [t for t in old.trials if t.params["booster"] == "dart"]
    assert [t.value for t in new.trials] == [t.value for t in darts]
    assert all("booster" not in t.params for t in new.trials)


def test_names_change_and_another_storage_is_possible(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    old = earlier_study(n_trials=3)
    new = continue_study(old, name="new", rename={"learning_rate": "rate"}, storage=url)
    assert optuna.get_all_study_names(url) == ["new"]
    assert [t.params["rate"] for t in new.trials] == [
        t.params["learning_rate"] for t in old.trials
    ]


def test_an_empty_study_goes_on_as_an_empty_one() -> None:
    old = optuna.create_study(study_name="empty")
    assert continue_study(old, name="new", search_space=MORE).trials == []


def test_wrong_arguments_create_no_study() -> None:
    old = earlier_study()
    for options, message in (
        ({"name": "earlier"}, "name='earlier': there is such a study already"),
        ({"name": ""}, "name='' must name the new study"),
        ({"search_space": {"booster": ["a"]}}, r"search_space\['booster'\]"),
        ({"rename": {"rate": "lr"}}, "no source has it"),
        ({"fixed": {"boster": "dart"}}, "Did you mean 'booster'"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            continue_study(old, **{"name": "new", **options})  # type: ignore[arg-type]
    assert optuna.get_all_study_names(old._storage) == ["earlier"]
