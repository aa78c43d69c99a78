from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState
from optuna.trial import create_trial
import pandas as pd
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.transfer.family import FAMILY_KEY
from optuna_llm.transfer.family import find_family
from optuna_llm.transfer.sources import Source
from optuna_llm.transfer.sources import read_sources
from tests.support.transfer import earlier_study


MINIMIZE = (StudyDirection.MINIMIZE,)


def read(given: Any, directions: Sequence[StudyDirection] = MINIMIZE) -> Source:
    (source,) = read_sources(given, directions)
    return source


def test_all_forms_of_a_study_are_the_same_source(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    study = earlier_study(n_trials=8, storage=url)
    table = study.trials_dataframe()
    table.to_csv(tmp_path / "old.csv", index=False)
    forms: list[Any] = [
        study,
        ("earlier", url),
        ("earlier", study._storage),
        study.trials,
        table,
        tmp_path / "old.csv",
        str(tmp_path / "old.csv"),
    ]
    expected = read(study)
    assert expected.trials[0].number == study.best_trial.number
    assert expected.newest == datetime(2026, 1, 1, 0, 7)
    for form in forms:
        for given in (form, [form]):
            source = read(given)
            assert [t.number for t in source.trials] == [t.number for t in expected.trials]
            for ours, theirs in zip(source.trials, expected.trials, strict=True):
                assert ours.place == theirs.place
                assert ours.params == pytest.approx(theirs.params)
            assert source.newest == expected.newest


def test_a_plain_table_has_a_column_for_each_parameter_and_one_for_the_value(
    tmp_path: Path,
) -> None:
    rows = [
        {"lr": 0.1, "layers": 2, "act": "relu", "bias": True, "value": 0.5},
        {"lr": 0.2, "layers": None, "act": "tanh", "bias": False, "value": 0.25},
        {"lr": 0.3, "layers": 4, "act": "tanh", "bias": False, "value": np.nan},
    ]
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "table.csv", index=False)
    for given in (frame, tmp_path / "table.csv"):
        source = read(given)
        assert [t.number for t in source.trials] == [1, 0]
        assert source.trials[0].params == {"lr": 0.2, "act": "tanh", "bias": False}
        assert source.trials[1].params == {"lr": 0.1, "layers": 2, "act": "relu", "bias": True}
        best = read(given, [StudyDirection.MAXIMIZE]).trials[0]
        assert best.number == 0
    with pytest.raises(ConfigurationError, match=r"no column 'value'.*lr, layers.*Rename"):
        read(frame.rename(columns={"value": "loss"}))


def test_only_complete_finite_trials_count_feasible_ones_first_and_ties_share_a_place() -> None:
    study = optuna.create_study()
    x = FloatDistribution(0, 1)
    for value, violation in ((0.3, 0.0), (0.1, 1.0), (0.2, 0.0), (0.2, 0.0), (np.inf, 0.0)):
        trial = study.ask({"x": x})
        trial.set_constraint("memory", violation)
        study.tell(trial, value)
    study.add_trial(create_trial(state=TrialState.FAIL))
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={0: 0.0}))
    trials = read(study).trials
    assert [(t.number, t.place) for t in trials] == [(2, 0), (3, 0), (0, 2), (1, 3)]


def test_each_study_counts_by_its_own_direction() -> None:
    up, down = earlier_study("up", direction="maximize"), earlier_study("down")
    for directions in (MINIMIZE, (StudyDirection.MAXIMIZE,)):
        assert [t.number for t in read(up, directions).trials] == [
            t.number for t in read(down, directions).trials
        ]


def test_the_newest_source_comes_first_and_without_dates_the_first_one() -> None:
    march, may = earlier_study("march", days=60), earlier_study("may", days=120)
    assert [s.name for s in read_sources([march, may], MINIMIZE)] == ["may", "march"]
    frame = pd.DataFrame({"learning_rate": [0.1], "value": [1.0]})
    found = read_sources([march, frame, may], MINIMIZE)
    assert [s.name for s in found] == ["march", "sources[1]", "may"]


def test_what_cannot_be_read_is_one_error_that_names_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    gone = earlier_study("gone", 1, storage=url)
    optuna.delete_study(study_name="gone", storage=url)
    for given, message in (
        ([gone], r"sources\[0\]: study 'gone' is no longer in its storage"),
        (("gone", url), r"sources\[0\]: study='gone' is not in .*; the studies there: none"),
        (("gone", "sqlite:////nowhere/x.db"), r"sources\[0\]: storage=.* there is no file"),
        (("gone", 3), r"sources\[0\]=\('gone', 3\): the second must be a storage or its URL"),
        ("results.csv", r"there is no such file\. A source is"),
        (3, r"sources\[0\]=3 must be a study"),
        ({"lr": 0.1}, r"must be a study"),
        (None, r"sources\[0\]=None must be"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            read_sources(given, MINIMIZE)


@pytest.mark.parametrize(
    ("name", "kin"),
    [
        ("fraud-2026-04", ["fraud-2026-03", "fraud-2026-02"]),
        ("fraud-v2", ["fraud-2026-03", "fraud-2026-02"]),
        ("churn 3", ["churn 2"]),
        ("other", []),
        ("no-name-12", []),
        ("x2", []),
    ],
)
def test_a_family_has_one_name_but_for_its_end(name: str, kin: list[str]) -> None:
    storage = optuna.storages.InMemoryStorage()
    others = ("fraud-2026-02", "churn 2", "fraud-2026-03", "no-name-11", "x1", "fraudulent 1")
    for day, other in enumerate(others):
        earlier_study(other, 3, storage=storage, days=day)
    study = optuna.create_study(study_name=name, storage=storage)
    assert [s.name for s in find_family(study)] == kin


def test_a_named_family_counts_instead_of_the_study_s_name() -> None:
    storage = optuna.storages.InMemoryStorage()
    for name, family in (("fraud-1", "b"), ("anything", "a"), ("fraud-2", None)):
        study = earlier_study(name, 3, storage=storage)
        if family is not None:
            study.set_user_attr(FAMILY_KEY, family)
    study = optuna.create_study(study_name="fraud-3", storage=storage)
    assert [s.name for s in find_family(study)] == ["fraud-2"]
    study.set_user_attr(FAMILY_KEY, "a")
    assert [s.name for s in find_family(study)] == ["anything"]
    optuna.create_study(study_name="two", directions=["minimize"] * 2, storage=storage)
    assert [s.name for s in find_family(study)] == ["anything"]
