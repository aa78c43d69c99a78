from __future__ import annotations

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm.history.history import History
from optuna_llm.history.progress import spent_share


def study_of(*states: TrialState) -> optuna.Study:
    study = optuna.create_study()
    for state in states:
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        if state != TrialState.RUNNING:
            study.tell(trial, 1.0 if state == TrialState.COMPLETE else None, state=state)
    return study


def test_every_trial_that_was_begun_is_spent_whatever_came_of_it() -> None:
    study = study_of(TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING)
    study.enqueue_trial({"x": 0.5})
    assert spent_share(History.from_study(study), 4) == pytest.approx(0.75)


@pytest.mark.parametrize("n_trials", [None, 2, 3])
def test_an_end_that_is_unknown_or_has_passed_is_never_near(n_trials: int | None) -> None:
    study = study_of(*[TrialState.COMPLETE] * 3)
    assert spent_share(History.from_study(study), n_trials) == 0.0
