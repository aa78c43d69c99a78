from __future__ import annotations

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial
import pytest

from optuna_llm import CQRSampler
from tests.stopping.studies import bowl
from tests.stopping.studies import converged_points
from tests.stopping.studies import remaining_of
from tests.stopping.studies import spread_points
from tests.stopping.studies import study_of


def test_less_is_left_of_a_study_that_has_closed_in() -> None:
    early = remaining_of(study_of(spread_points(12)))
    late = remaining_of(study_of(converged_points(40)))
    # The optimum is 0: nobody can gain more than the best value.
    assert early.best.values is not None
    assert 0 < late.promised < 0.1 * early.promised < early.best.values[0]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_it_is_in_units_of_the_objective(direction: str) -> None:
    points = spread_points(20)
    sign = 1 if direction == "minimize" else -1
    values = [bowl(x, y) for x, y in points]
    plain = remaining_of(study_of(points, values))
    scaled = remaining_of(
        study_of(points, [sign * (1000 * v + 7) for v in values], direction=direction)
    )
    assert scaled.promised == pytest.approx(1000 * plain.promised, rel=1e-6)
    assert scaled.kept == pytest.approx(plain.kept, rel=1e-6)


def test_what_was_recorded_of_trials_is_what_was_promised() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(
        lambda t: bowl(t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=30
    )
    remaining = remaining_of(study)
    promised, realised = remaining._promises
    assert len(promised) == len(realised) == 20
    values = [t.value or 0.0 for t in study.trials]
    best = np.minimum.accumulate(values)
    assert realised.sum() == pytest.approx(best[9] - best[-1])
    # Records are read, not made anew: without them predictions of blocks take their place.
    bare = study_of([(t.params["x"], t.params["y"]) for t in study.trials], values)
    assert not np.allclose(remaining_of(bare)._promises[0], promised)


def test_promises_that_were_not_kept_count_less() -> None:
    points = spread_points(30)
    values = [bowl(x, y) for x, y in points]
    # Whatever is predicted after the tenth trial, nothing ever becomes better.
    stuck = remaining_of(study_of(points, [*values[:10], *(max(values) for _ in range(20))]))
    assert stuck.kept < 0.2
    assert stuck.expected == pytest.approx(stuck.kept * stuck.promised)


def test_nothing_is_left_where_everything_was_tried() -> None:
    study = optuna.create_study()
    space = {"a": CategoricalDistribution(["u", "v", "w"])}
    for i, choice in enumerate(("u", "v", "w") * 3):
        study.add_trial(create_trial(value=i % 3, params={"a": choice}, distributions=space))
    assert remaining_of(study).promised == 0.0


def test_before_forgets_the_newest_trials() -> None:
    study = study_of(spread_points(15))
    remaining = remaining_of(study)
    assert [o.number for o in remaining.before(3).feasible] == list(range(12))
    assert remaining.before(0) is remaining
