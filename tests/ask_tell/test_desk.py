from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest

from optuna_llm.ask_tell.asking import ask
from optuna_llm.ask_tell.desk import new
from optuna_llm.ask_tell.desk import open_desk
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ConflictError
from optuna_llm.errors import StorageError
from tests.ask_tell.conftest import SPACE


def test_a_study_is_created_once_and_found_again(storage: str) -> None:
    space = SPACE
    made = new(storage, "s", space, ["minimize", "maximize"], metrics=["loss", "speed"])
    assert (made["created"], made["directions"]) == (True, ["minimize", "maximize"])
    assert made["space"] == SPACE
    assert not new(storage, "s", space, ["minimize", "maximize"])["created"]
    desk = open_desk(storage, "s")
    assert desk.setup.space == space
    assert desk.history().metric_names == ("loss", "speed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"directions": ["maximize"]}, "directions"),
        ({"n_trials": 9}, "n_trials"),
        ({"space": {"x": {"type": "int", "low": 0, "high": 1}}}, "space"),
    ],
)
def test_another_study_of_the_same_name_is_a_conflict(
    storage: str, change: dict[str, Any], said: str
) -> None:
    new(storage, "s", SPACE)
    space = change.pop("space", SPACE)
    with pytest.raises(ConflictError, match=said):
        new(storage, "s", space, **change)


@pytest.mark.parametrize(
    "wrong",
    [
        {"directions": ["up"]},
        {"directions": []},
        {"metrics": ["a", "b"]},
        {"known_good": [{"lr": 5.0}]},
        {"n_trials": 0},
        {"seed": -1},
        {"name": " "},
    ],
)
def test_nothing_is_stored_of_what_is_wrong(
    storage: str, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        new(storage, wrong.pop("name", "s"), SPACE, **wrong)
    assert not list(tmp_path.iterdir())


def test_many_create_one_study_at_once(storage: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new(storage, "s", SPACE), range(8)))
    assert len(made) == 8
    assert optuna.get_all_study_names(storage) == ["s"]


def test_a_journal_is_created_by_its_ending(tmp_path: Path) -> None:
    path = str(tmp_path / "study.log")
    assert new(path, "s", SPACE)["created"]
    assert ask(open_desk(path, "s"))["proposals"][0]["trial"] == 0


def test_a_study_of_a_program_gets_a_space_or_has_one(storage: str) -> None:
    study = optuna.create_study(study_name="s", storage=storage)
    with pytest.raises(ConfigurationError, match="optuna-llm new"):
        ask(open_desk(storage, "s"))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert ask(open_desk(storage, "s"))["proposals"][0]["params"].keys() == {"x"}
    new(storage, "s", SPACE)
    assert ask(open_desk(storage, "s"))["proposals"][0]["params"].keys() == SPACE.keys()


def test_a_storage_that_does_not_answer_says_that_it_may_be_tried_again(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(storage, "s", SPACE)
    desk = open_desk(storage, "s")

    def busy(*_: object, **__: object) -> None:
        raise optuna.exceptions.StorageInternalError("locked")

    monkeypatch.setattr(optuna.storages._CachedStorage, "create_new_trial", busy)
    with pytest.raises(StorageError, match=r"locked.*again"):
        ask(desk)
