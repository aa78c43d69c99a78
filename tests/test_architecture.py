"""The page on the architecture shows the package as it is: rooms, floors, the way of a trial."""

from __future__ import annotations

import importlib
from pathlib import Path
import re
import runpy
import sys
from types import FrameType
from typing import Any

import optuna
import pytest

from optuna_llm import LLMSampler
from optuna_llm.history.cost import Cost
from tests.support.models import Local
from tests.support.models import well_behaved


DOCS = Path(__file__).parent.parent / "docs"
HOUSE = runpy.run_path(str(DOCS / "draw_architecture.py"))


def test_picture_and_tree_are_up_to_date() -> None:
    hint = "run: python docs/draw_architecture.py"
    assert HOUSE["PICTURE"].read_text() == HOUSE["picture"](), hint
    assert HOUSE["PAGE"].read_text() == HOUSE["page"](), hint


def test_every_file_of_the_package_stands_on_a_floor_and_says_what_it_is_for() -> None:
    on_a_floor = {file for floor in HOUSE["floors"]() for room in floor for file in room.files}
    assert {*on_a_floor, "__init__.py"} == set(HOUSE["files"]())
    tree = HOUSE["tree"]().splitlines()
    shown = [line.partition("`")[2].partition("`: ")[0] for line in tree]
    assert len([name for name in shown if not name.endswith("/")]) == len(HOUSE["files"]())
    for line in tree:
        assert len(line.partition("`: ")[2]) > 10, line


def test_the_files_that_the_page_names_exist() -> None:
    named = set(
        re.findall(r"`([\w/]+\.py)`", HOUSE["PAGE"].read_text().partition("end of tree")[2])
    )
    named -= {"samplers/_gp/sampler.py"}  # Optuna's.
    assert len(named) > 10
    for name in named:
        assert any(f == name or f.endswith(f"/{name}") for f in HOUSE["files"]()), name


def test_a_trial_takes_the_way_that_the_picture_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {}
    for function, _ in HOUSE["WAY"]:
        module, _, name = function.partition(":")
        found: Any = importlib.import_module(f"optuna_llm.{module}")
        for part in name.split("."):
            found = getattr(found, part)
        places[found.__code__] = function
    passed: list[str] = []

    def follow(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in places:
            passed.append(places[frame.f_code])

    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)

    sampler = LLMSampler(Local(well_behaved()), seed=0, n_startup_trials=0, prefetch=False)
    study = optuna.create_study(sampler=sampler)
    ways = []
    for _ in range(25):
        passed.clear()
        sys.setprofile(follow)
        try:
            study.optimize(objective, n_trials=1)
        finally:
            sys.setprofile(None)
        if Cost.read(study.trials[-1]).requests:
            ways.append(list(passed))
    assert ways, "the model was not asked"
    # The longest one: everybody had a say.
    way = iter(max(ways, key=len))
    for function, _ in HOUSE["WAY"]:
        assert any(step == function for step in way), f"{function} is not the next step"
