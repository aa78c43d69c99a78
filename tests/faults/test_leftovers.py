"""Trials that killed workers leave running for ever do not spoil what comes after."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.history import History
from optuna_llm.history.origin import Origin
from tests.faults.samplers import SAMPLERS
from tests.faults.samplers import SPACE
from tests.faults.samplers import objective


BEST = {"learning_rate": 0.1, "max_depth": 6, "subsample": 0.7, "booster": "gbtree"}


def best_value(name: str, *, n_leftovers: int) -> float:
    """Search next to trials that were killed at the optimum itself; return the best value."""
    study = optuna.create_study(sampler=SAMPLERS[name](seed=0, search_space=SPACE))
    for _ in range(n_leftovers):
        study.enqueue_trial(BEST)
        trial = study.ask(SPACE)
        frozen = study._storage.get_trial(trial._trial_id)
        write_parts(study, frozen, Origin("base"), Announcement.native(SPACE, BEST))
    study.optimize(objective, n_trials=75)
    finished = study.get_trials(states=[TrialState.COMPLETE])
    assert len(History.from_study(study).running) == 0
    return min(t.value for t in finished if t.value is not None)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_region_where_workers_died_is_searched_again(name: str) -> None:
    # A sampler that waited for them would stay away from the optimum. A random search of this
    # length ends at about 0.03.
    assert best_value(name, n_leftovers=5) <= max(2 * best_value(name, n_leftovers=0), 0.01)
