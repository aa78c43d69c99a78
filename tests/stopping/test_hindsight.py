from __future__ import annotations

import optuna
import pytest

from optuna_llm.history.history import History
from optuna_llm.stopping.hindsight import Hindsight
from optuna_llm.stopping.hindsight import hindsight
from tests.stopping.studies import bowl
from tests.stopping.studies import converged_points
from tests.stopping.studies import spread_points
from tests.stopping.studies import study_of


def _hindsight(study: optuna.Study) -> Hindsight | None:
    return hindsight(History.from_study(study))


def test_a_study_that_went_on_in_vain_is_told_so() -> None:
    points = [*converged_points(40), *spread_points(30, seed=2)]
    # The scores of folds differ far more than anything that is left to gain.
    found = _hindsight(study_of(points, user_attrs={"llm:scores": [0.0, 1.0]}))
    assert found is not None
    assert found.trial is not None
    assert found.trial < 69
    assert found.n_later == 69 - found.trial
    best = [min(bowl(x, y) for x, y in points[:n]) for n in (found.trial + 1, 70)]
    assert found.brought == pytest.approx(best[0] - best[1])
    assert f"Trials {found.trial + 1} to 69 brought" in found.sentence


def test_a_study_that_has_much_to_gain_was_worth_it() -> None:
    found = _hindsight(study_of(spread_points(24), user_attrs={"llm:scores": [0.0, 1e-9]}))
    assert found is not None
    assert found.trial is None
    assert "worth running" in found.sentence


def test_of_young_studies_and_several_objectives_nothing_is_told() -> None:
    assert _hindsight(study_of(spread_points(19))) is None
    assert _hindsight(optuna.create_study(directions=["minimize", "minimize"])) is None
