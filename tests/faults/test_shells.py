"""Shell workers on one study, whose commands are killed at any moment: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.services import PostgreSQL
from tests.faults.shells import Fork
from tests.faults.shells import run


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "SQLite":
        yield f"sqlite:///{tmp_path}/s.db"
        return
    service = PostgreSQL(tmp_path)
    service.start()
    yield service.url
    service.stop()


def test_every_told_trial_is_there_once(storage: str) -> None:
    found = run(storage, Fork, 6, 24)
    assert found["told"] == found["complete"] == 24
    assert found["commands killed"] > 0
    assert found["equal configurations"] <= 2
