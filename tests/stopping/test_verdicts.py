from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import create_trial
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.stopping import Patience
from optuna_llm.stopping import Target
from optuna_llm.stopping import verdict
from tests.stopping.studies import SPACE
from tests.stopping.studies import spread_points
from tests.stopping.studies import study_of


IDLE = Patience(1)


def _idle(n: int) -> optuna.Study:
    return study_of(spread_points(n), [float(i) for i in range(n)])


def test_a_study_may_stop_after_the_first_trials_and_a_quarter_of_the_budget() -> None:
    assert not verdict(_idle(19), IDLE).done
    found = verdict(_idle(20), IDLE)
    assert (found.done, found.rule, found.n_trials) == (True, "Patience", 20)
    assert str(found).startswith("Done: ")
    assert not verdict(_idle(24), IDLE, n_trials=100).done
    assert verdict(_idle(25), IDLE, n_trials=100).done
    assert verdict(_idle(5), IDLE, min_trials=5).done


def test_announced_trials_are_enough() -> None:
    found = verdict(_idle(10), Patience(50), n_trials=10)
    assert found.done
    assert "all 10" in found.sentence


def test_nothing_stops_while_enqueued_trials_wait() -> None:
    study = _idle(30)
    study.enqueue_trial({"x": 0.5})
    found = verdict(study, IDLE)
    assert not found.done
    assert "enqueued" in found.sentence


def test_nothing_stops_while_nothing_is_feasible() -> None:
    study = optuna.create_study()
    for _ in range(30):
        trial = create_trial(
            value=1.0,
            params={"x": 0.5, "y": 0.5},
            distributions=SPACE,
            system_attrs={"constraints": (1.0,)},
        )
        study.add_trial(trial)
    found = verdict(study, IDLE)
    assert not found.done
    assert "constraints" in found.sentence


def test_a_target_counts_at_once_and_any_rule_decides() -> None:
    assert verdict(_idle(3), Target(0.5)).rule == "Target"
    assert verdict(_idle(30), [Target(-5.0), IDLE]).rule == "Patience"
    assert not verdict(_idle(3), [Target(-5.0), IDLE]).done


def test_an_empty_study_is_not_done() -> None:
    assert not verdict(optuna.create_study()).done


def test_studies_of_any_sampler_are_judged_by_what_is_left() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) ** 2, n_trials=25)
    found = verdict(study)
    assert found.rule == "ExpectedImprovement"
    assert found.left is not None
    assert found.worth is not None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"rule": "patience"}, "rule"),
        ({"rule": Patience}, "rule"),
        ({"rule": []}, "rule"),
        ({"n_trials": 0}, "n_trials"),
        ({"min_trials": 2.5}, "min_trials"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        verdict(_idle(3), **options)


def test_several_objectives_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="2 objectives"):
        verdict(optuna.create_study(directions=["minimize", "minimize"]))
