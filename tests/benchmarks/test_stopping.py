from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.stopping.record import path_of
from benchmarks.stopping.record import record
from benchmarks.stopping.record import replay
from benchmarks.stopping.rules import FAMILIES
from benchmarks.stopping.rules import below
from benchmarks.stopping.rules import outcome
from benchmarks.stopping.rules import patience
from benchmarks.stopping.rules import stagnation
from benchmarks.stopping.tasks import evaluate
from benchmarks.tasks import load


def _table(**columns: list[float]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"value": [1.0] * n, "spread": [1.0] * n, **columns})


def test_what_is_below_its_worth_often_enough_stops_a_study() -> None:
    nan = float("nan")
    table = _table(left=[nan, 1.0, nan, 0.1, nan, 2.0, 0.1, 0.1], worth=[nan, *(0.5,) * 7])
    assert below("left", "worth", 1.0)(table) == 4
    assert below("left", "worth", 1.0, patience=2)(table) == 8
    assert below("left", "worth", 0.1)(table) == 8
    assert below("bound", "error", 1.0)(table) == 8


def test_patience_and_stagnation_wait_for_the_first_trials() -> None:
    value = [*np.linspace(2, 1, 30), *(1.0 for _ in range(20))]
    table = _table(value=value)
    assert patience(10)(table) == 40
    assert patience(30)(table) == 50
    # Five trials improve by .17 on the way, which is a share of the spread.
    assert stagnation(0.01)(table) == 35
    assert stagnation(0.2)(table) == 20


def test_an_outcome_compares_the_tests_of_the_incumbents() -> None:
    table = pd.DataFrame(
        {
            "test": [1.0, 0.6, 0.5, 0.4],
            "tested": [1.0, 0.6, 0.5, 0.4],
            "seconds": [1.0, 2.0, 3.0, 10.0],
        }
    )
    found = outcome(table, 2)
    assert (found["saved"], found["time"]) == (0.5, 0.8)
    assert found["ryc"] == pytest.approx(-1 / 3)
    assert found["lost"] == pytest.approx(0.2 / (np.quantile([1.0, 0.6, 0.5, 0.4], 0.95) - 0.4))
    assert outcome(table, 4)["lost"] == 0


def test_a_study_is_recorded_once_and_replayed_with_its_folds(tmp_path: Path) -> None:
    record(tmp_path, ["sklearn/tree-wine"], "Random", [0], 3)
    path = path_of(tmp_path, "sklearn/tree-wine", "Random", 0)
    before = path.read_bytes()
    record(tmp_path, ["sklearn/tree-wine"], "Random", [0], 3)
    assert path.read_bytes() == before
    sizes = []
    for study in replay(path):
        sizes.append(len(study.trials))
        (newest,) = study.trials[-1:]
        folds = newest.system_attrs["terminator:cv_scores"]
        assert newest.value == pytest.approx(np.mean(folds))
        assert len(folds) == 5
    assert sizes == [1, 2, 3]


def test_a_noisy_table_is_its_own_test() -> None:
    task = load("hpobench-noisy/car")
    params = task.draw(np.random.default_rng(0), 1)[0]
    found = evaluate("hpobench-noisy/car", params, np.random.default_rng(0))
    assert found.test == task.loss(params) != found.value
    assert found.folds == ()


def test_every_default_is_a_setting() -> None:
    assert all(family.default in family.settings for family in FAMILIES.values())
