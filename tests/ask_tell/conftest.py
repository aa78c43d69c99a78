from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_llm.ask_tell.desk import Desk
from optuna_llm.ask_tell.desk import new
from optuna_llm.ask_tell.desk import open_desk
from optuna_llm.space.search_space import SearchSpace
from tests.support.studies import make_trial


SPACE: dict[str, Any] = {
    "lr": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
    "depth": {"type": "int", "low": 1, "high": 8},
    "kind": {"type": "categorical", "choices": ["a", "b", None]},
}
GOOD = {"lr": 1e-3, "depth": 4, "kind": "b"}
BAD = {"lr": 0.1, "depth": 8, "kind": None}


def loss(params: dict[str, Any]) -> float:
    """Return a loss that is least at GOOD."""
    rate = (math.log10(params["lr"]) + 3) ** 2
    return rate + (params["depth"] - 4) ** 2 / 4 + (params["kind"] != "b")


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


@pytest.fixture
def desk(storage: str) -> Desk:
    """A study with nothing in it."""
    new(storage, "s", SPACE, metrics=["loss"], about="a small tree", seed=0)
    return open_desk(storage, "s")


@pytest.fixture
def worked(desk: Desk) -> Desk:
    """A study with fourteen finished trials, all of the statistical sampler."""
    fill(desk, 14, lambda params: {"value": loss(params)})
    return desk


def fill(desk: Desk, n: int, outcome: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Add finished trials at random places; nothing is fitted for them."""
    rng = np.random.default_rng(0)
    space = SearchSpace(desk.setup.distributions)
    for number in range(n):
        coordinates = rng.random(len(space))
        places = np.where(space.n_choices > 0, rng.integers(3, size=len(space)), coordinates)
        params = space.configuration(places)
        options = {"distributions": space.distributions, "source": "base"}
        desk.study.add_trial(make_trial(number, params, **options, **outcome(params)))
