"""What the report refuses, what it does without, and what a failed write leaves."""

from __future__ import annotations

import math
from pathlib import Path
import sys
from typing import Any

import optuna
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.reporting.page import report
from tests.reporting.reading import read_page
from tests.support.studies import make_plain_study
from tests.support.studies import make_study
from tests.support.studies import make_two_objective_study


def test_a_study_without_a_finished_trial_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="new")
    study.ask()
    with pytest.raises(ConfigurationError, match="study='new' has no finished trial"):
        report(study, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    study = make_plain_study(2)
    for path in (tmp_path, tmp_path / "missing" / "page.html", ""):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            report(study, path)
    assert not list(tmp_path.iterdir())


def test_without_plotly_there_are_tables_and_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "plotly"]:
        monkeypatch.setitem(sys.modules, name, None)
    page = read_page(make_study(20), tmp_path, baselines={"b": 1.0})
    said = " ".join(page.text)
    assert 'pip install "plotly' in said
    assert 'the extra "plot"' in said
    assert len(page.table("rationale")) == 20
    assert page.figures == []


def test_a_failed_write_leaves_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = report(make_plain_study(2), tmp_path / "page.html")
    old = path.read_bytes()

    def full(self: Path, data: str, **_: Any) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        report(make_study(5), path)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert path.read_bytes() == old


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None])
def test_a_baseline_that_is_no_number_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"baselines\['b'\]"):
        report(make_plain_study(2), tmp_path / "page.html", baselines={"b": value})


def test_baselines_of_several_objectives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="2 objectives"):
        report(make_two_objective_study(), tmp_path / "page.html", baselines={"b": 1.0})
