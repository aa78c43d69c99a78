"""What is told of a task beforehand."""

from __future__ import annotations

from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from benchmarks.priors import Mirrored
from benchmarks.priors import sizes_of
from benchmarks.tasks import load


def test_sizes_are_those_of_the_rows_that_are_learnt_from() -> None:
    sizes = sizes_of(load("knowledge/svm-chile"))
    assert sizes is not None
    assert sizes.rows == 266
    assert sizes.classes == 4
    assert sizes_of(load("bbob/f1-4d")) is None


def test_mirrored_relations_have_the_wrong_sign() -> None:
    space = {
        "lr": FloatDistribution(1e-5, 1e-1, log=True),
        "batch_size": IntDistribution(8, 4096, log=True),
    }
    prior = Mirrored(together=True)
    beside = prior.default_value("lr", space["lr"], space, {"batch_size": 256})
    assert beside == pytest.approx(5e-4)
