from __future__ import annotations

from pathlib import Path

import optuna
from optuna.samplers import TPESampler

from optuna_llm import report
from optuna_llm import suggest_open_categorical
from optuna_llm.history.history import History
from optuna_llm.reporting.versions import versions
from tests.support.studies import make_study
from tests.support.versions import make_versions


def test_the_family_of_a_function() -> None:
    html = versions(History.from_study(make_versions()))
    assert "<h3>gain</h3>" in html
    rows = [row for row in html.split("<tr>") if "<td" in row]
    assert len(rows) == 4
    assert "└\N{NO-BREAK SPACE}1<" in rows[1]
    assert ">1<" in rows[1]  # Its best value.
    assert "none" in rows[3]
    # What a version changes of the one that it comes from.
    assert "Version 4: 4, against version 1" in html
    assert (
        "     scale = 0.5\n<del>-    return scale * x * x</del>\n"
        "<ins>+    return scale * x * x * x</ins>" in html
    )
    assert ">-1<" not in html  # Who comes from nobody.


def test_what_others_wrote_is_shown_as_text() -> None:
    html = versions(History.from_study(make_versions()))
    assert "<script>" not in html
    assert "&lt;b&gt;Steeper.&lt;/b&gt;" in html
    assert "&lt;/pre&gt;" in html


def test_choices_that_grow_are_a_plain_table() -> None:
    study = optuna.create_study(sampler=TPESampler(seed=0))
    study.optimize(
        lambda trial: len(suggest_open_categorical(trial, "prompt", ["brief", "a & b"])),
        n_trials=3,
    )
    html = versions(History.from_study(study))
    assert "a &amp; b" in html
    assert "<details>" not in html


def test_the_page_has_the_section_where_there_are_versions(tmp_path: Path) -> None:
    for study, is_there in ((make_versions(), True), (make_study(), False)):
        page = report(study, tmp_path / "report.html").read_text()
        assert ("<h2>Versions</h2>" in page) is is_there
