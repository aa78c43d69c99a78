from __future__ import annotations

from optuna_llm.history.births import coded_names
from optuna_llm.history.family import family
from optuna_llm.history.history import History
from tests.support.versions import make_versions


def test_each_version_stands_before_those_that_come_from_it() -> None:
    history = History.from_study(make_versions())
    members = family(history, "gain")
    assert [(m.number, m.depth, m.parent) for m in members] == [
        (0, 0, -1),
        (1, 1, 0),
        (4, 2, 1),
        (2, 1, 0),
    ]
    assert [(m.n_trials, m.n_failed) for m in members] == [(1, 0), (2, 0), (1, 0), (1, 1)]
    assert [m.best.number if m.best else None for m in members] == [0, 3, 4, None]
    assert coded_names([o.trial for o in history.observations]) == ["gain"]


def test_a_parent_that_makes_no_sense_is_none() -> None:
    history = History.from_study(make_versions())
    records = {o.number: o.trial.system_attrs["llm:code:gain"] for o in history.observations}
    records[0]["parent"] = 4  # A circle.
    records[4]["parent"] = 77
    depths = {m.number: m.depth for m in family(history, "gain")}
    assert depths == {0: 0, 1: 1, 2: 1, 4: 0}
