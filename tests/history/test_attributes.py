"""What is recorded of a trial comes back as it was, and every value fits into a database."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
import pytest

from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import MAX_LENGTH
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.cost import Cost
from optuna_llm.history.expected import Expected
from optuna_llm.history.history import History
from optuna_llm.history.origin import Origin
from optuna_llm.history.predictions import Predictions
from optuna_llm.history.queue import Queue
from optuna_llm.space.search_space import SearchSpace


SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0, 1),
    "n": IntDistribution(1, 9),
    "c": CategoricalDistribution(["a", True, 1]),
}
ORIGIN = Origin("llm", "because", vetoed="prior", design=2, repaired=1, completed=3, dropped=1)
COST = Cost("model", "budget", requests=2, prompt_tokens=5, completion_tokens=6, cost=0.0)
EXPECTED = Expected([-1.5, 0.0, 2.25])
PREDICTIONS = Predictions({"best": 0.5}, {"numbers": [1.0]}, 0.25, [3.0, 1.0], [1.0, 2.0, 3.0])


def started(study: optuna.Study) -> FrozenTrial:
    """Return a trial that has been begun."""
    return study._storage.get_trial(study.ask()._trial_id)


def written(study: optuna.Study, trial: FrozenTrial) -> FrozenTrial:
    """Return a trial as it is stored now."""
    return study._storage.get_trial(trial._trial_id)


def wide(n: int, name: str = "parameter_{}") -> dict[str, BaseDistribution]:
    """Return a space of many parameters."""
    return {name.format(i): FloatDistribution(0, 1) for i in range(n)}


def values(space: Mapping[str, BaseDistribution], k: int) -> dict[str, Any]:
    """Return a configuration with many digits."""
    return {name: (0.1234567890123 * (i + 1) * (k + 1)) % 1 for i, name in enumerate(space)}


def test_each_part_comes_back() -> None:
    study = optuna.create_study()
    trial = started(study)
    space = SearchSpace(SPACE)
    announced = Announcement.native(SPACE, {"x": 0.5, "n": 3, "c": 1})
    candidate = Candidate({"x": 0.25, "c": True}, "a reason", repaired=1)
    queue = Queue.holding(space, [candidate], asked=4)
    write_parts(study, trial, ORIGIN, announced, COST, queue, EXPECTED, PREDICTIONS)
    ORIGIN.label(study, trial)
    stored = written(study, trial)
    assert Origin.find(stored) == ORIGIN
    assert Announcement.read(stored).decoded(SPACE) == {"x": 0.5, "n": 3, "c": 1}
    assert type(Announcement.read(stored).decoded(SPACE)["c"]) is int
    assert Cost.read(stored) == COST
    assert Queue.read(stored).waiting(space) == [candidate]
    assert Expected.read(stored) == EXPECTED
    assert Predictions.read(stored) == PREDICTIONS


def test_nothing_is_read_where_nothing_was_written() -> None:
    trial = started(optuna.create_study())
    assert Origin.find(trial) is None
    assert (Cost.read(trial), Queue.read(trial)) == (Cost(), Queue())
    assert (Announcement.read(trial), Predictions.read(trial)) == (Announcement(), Predictions())


def storages(folder: Path) -> dict[str, BaseStorage]:
    """Return one storage of each kind."""
    return {
        "memory": InMemoryStorage(),
        "journal": JournalStorage(JournalFileBackend(f"{folder}/journal.log")),
        "rdb": RDBStorage(f"sqlite:///{folder}/study.db"),
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("memory", "parameter_{}"),
        ("memory", 'with "quotes" and \\ {}'),
        ("memory", "学习率 {}"),
        ("journal", "parameter_{}"),
        ("rdb", "parameter_{}"),
    ],
)
def test_a_thousand_parameters_and_ten_candidates(kind: str, name: str, tmp_path: Path) -> None:
    space = wide(1000, name)
    study = optuna.create_study(storage=storages(tmp_path)[kind])
    trial = started(study)
    announced = Announcement.native(space, values(space, 0))
    candidates = [Candidate(values(space, k), "a reason" * 30) for k in range(1, 10)]
    queue = Queue.holding(SearchSpace(space), candidates, asked=10)
    write_parts(study, trial, ORIGIN, announced, COST, queue, PREDICTIONS)
    ORIGIN.label(study, trial)
    stored = written(study, trial)
    attributes = {**stored.system_attrs, **stored.user_attrs}
    assert max(len(json.dumps(value)) for value in attributes.values()) <= MAX_LENGTH
    assert all(len(key) <= 512 for key in attributes)
    assert (Origin.find(stored), Cost.read(stored)) == (ORIGIN, COST)
    assert Announcement.read(stored) == announced
    assert Queue.read(stored) == queue
    assert Predictions.read(stored) == PREDICTIONS
    (running,) = History.from_study(study, search_space=space).running
    assert running.params == values(space, 0)


def test_a_shorter_record_takes_the_place_of_a_longer_one() -> None:
    space = wide(200)
    study = optuna.create_study()
    trial = started(study)
    write_parts(study, trial, ORIGIN, Announcement.native(space, values(space, 0)))
    write_parts(study, trial, Origin("base"), Announcement({"parameter_1": 0.5}))
    stored = written(study, trial)
    assert Announcement.read(stored).params == {"parameter_1": 0.5}
    assert Origin.find(stored) == Origin("base")


def test_a_long_name_of_a_model_is_cut() -> None:
    study = optuna.create_study()
    trial = started(study)
    space = wide(200)
    announced = Announcement.native(space, values(space, 0))
    write_parts(study, trial, ORIGIN, announced, Cost("m" * 5000))
    stored = written(study, trial)
    lengths = [len(json.dumps(value)) for value in stored.system_attrs.values()]
    assert max(lengths) <= MAX_LENGTH


def test_what_was_written_of_another_trial_does_not_count() -> None:
    study = optuna.create_study()
    trial = started(study)
    write_parts(study, trial, ORIGIN, Announcement({"x": 0.5}), COST)
    again = written(study, trial)
    again.number = 99
    assert Origin.find(again) is None
    assert (Announcement.read(again), Cost.read(again)) == (Announcement(), Cost())


@pytest.mark.parametrize(
    ("quantiles", "recorded"),
    [
        ([1.0, 1.0123456, 1.1], [1.0, 1.01235, 1.1]),
        ([-123456.789, 0.0, 987654.321], [-123500.0, 0.0, 987700.0]),
        ([0.9123456789, 0.9123456799, 0.9123456812], [0.9123456789, 0.9123456799, 0.9123456812]),
        ([2.0, 2.0, 2.0], [2.0, 2.0, 2.0]),
        ([-1.7e308, 0.0, 1.7e308], [-1.7e308, 0.0, 1.7e308]),
        ([1e-310, 2e-310, 4e-310], [0.0, 0.0, 0.0]),
    ],
)
def test_what_is_expected_is_recorded_in_few_digits(
    quantiles: list[float], recorded: list[float]
) -> None:
    assert Expected.rounded(quantiles).expected == pytest.approx(recorded, rel=1e-15)
