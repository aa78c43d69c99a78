from __future__ import annotations

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

from optuna_llm.history.history import History
from optuna_llm.history.repeats import is_noisy
from optuna_llm.history.repeats import repeated


def history(*trials: tuple[float, float | None]) -> History:
    study = optuna.create_study()
    for x, value in trials:
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        known = {"x": FloatDistribution(0, 1)}
        study.add_trial(
            create_trial(params={"x": x}, distributions=known, value=value, state=state)
        )
    return History.from_study(study)


@pytest.mark.parametrize(
    ("trials", "noisy"),
    [
        ([], None),
        ([(0.1, 1.0), (0.2, 1.0)], None),
        ([(0.1, 1.0), (0.1, None)], None),
        ([(0.1, 1.0), (0.1, 1.0)], False),
        ([(0.1, 1.0), (0.1, 1.0 + 1e-12)], True),
        ([(0.1, 1.0), (0.1, 1.0), (0.3, 2.0), (0.3, 2.5)], True),
    ],
)
def test_what_repeats_tell_of_noise(
    trials: list[tuple[float, float | None]], noisy: bool | None
) -> None:
    assert is_noisy(history(*trials).observations) is noisy


def test_equal_configurations_stand_together_by_their_first_number() -> None:
    found = repeated(history((0.3, 1.0), (0.1, 2.0), (0.3, 0.0), (0.1, None)).observations)
    assert [[o.number for o in group] for group in found] == [[0, 2], [1]]
