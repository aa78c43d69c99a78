from __future__ import annotations

import numpy as np
from optuna.distributions import CategoricalDistribution
import pytest

from benchmarks.references import UnknownTaskError
from benchmarks.suites import interior
from benchmarks.tasks import DEVELOPMENT
from benchmarks.tasks import REPORT
from optuna_llm.space.numbers import to_unit


TASKS = [name for name in (*DEVELOPMENT, *REPORT) if name.startswith("interior/")]


@pytest.mark.parametrize("name", TASKS)
def test_the_best_known_configuration_lies_inside_its_ranges(name: str) -> None:
    task = interior.load(name)
    best = task.reference
    assert task.loss(best.configuration) == pytest.approx(best.best, rel=1e-6)
    assert best.best < 0.8 * best.median
    numeric = {
        n: to_unit(task.space[n], v)
        for n, v in best.configuration.items()
        if not isinstance(task.space[n], CategoricalDistribution)
    }
    # Degrees are few: the lowest one counts as inside, if it is not the lowest of all.
    assert all(0.03 < unit < 0.97 for unit in numeric.values()), numeric


def test_every_configuration_has_a_loss() -> None:
    for name in TASKS:
        task = interior.load(name)
        losses = [task.loss(c) for c in task.draw(np.random.default_rng(0), 10)]
        assert np.isfinite(losses).all()
        assert max(losses) <= 3.0


def test_an_unknown_task_is_told() -> None:
    with pytest.raises(UnknownTaskError, match="kernel, neighbours"):
        interior.load("interior/forest-friedman1")
