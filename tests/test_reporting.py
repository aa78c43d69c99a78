from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
import json
import math
from pathlib import Path
import re
import sys
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.reporting import report
from tests.browser import chromium
from tests.studies import make_plain_study
from tests.studies import make_study
from tests.studies import make_trial
from tests.studies import make_two_objective_study


class Page(HTMLParser):
    """What a browser would read: elements, visible text, tables, scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.raw:
            self.raw[self._open[-1]].append(data)
            return
        self.text.append(data)
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def table(self, head: str) -> list[dict[str, str]]:
        """Return the rows of the first table with such a heading."""
        table = next(t for t in self.tables if t and head in t[0])
        return [dict(zip(table[0], row, strict=True)) for row in table[1:]]

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The data of the figures."""
        return [json.loads(s) for s in self.raw["script"] if s.startswith('{"data"')]


def _page(study: optuna.Study, folder: Path, **options: Any) -> Page:
    return Page(report(study, folder / "page.html", **options))


# ---- content


def test_the_page_tells_the_best_trial_and_who_proposed_it(tmp_path: Path) -> None:
    study = make_study(40)
    page = _page(study, tmp_path)
    text = " ".join(page.text)
    assert f"{study.best_value:.5g}" in text
    assert "trial 16, language model" in text
    assert {row["parameter"] for row in page.table("parameter")} == set(study.best_params)
    assert repr(study.best_params["learning_rate"]) in text
    sources = {row["proposer"]: row for row in page.table("median rank")}
    assert sources["language model"]["trials"] == "7"
    assert sources["statistical sampler"]["improvements"] == "0"
    assert float(sources["language model"]["median regret"]) > 0
    used = sum(r.get("cost", 0.0) for t in study.trials if (r := t.system_attrs["llm:proposal"]))
    assert float(sources["language model"]["cost"]) == pytest.approx(used, rel=1e-3)


def test_the_page_tells_what_the_model_used(tmp_path: Path) -> None:
    study = make_study(30)
    records = [t.system_attrs["llm:proposal"] for t in study.trials]
    text = " ".join(_page(study, tmp_path).text)
    assert f"{sum(r.get('prompt_tokens', 0) for r in records):,}" in text
    assert "small-model" in text
    plain = _page(make_plain_study(), tmp_path)
    assert "No language model was used in this study." in " ".join(plain.text)
    assert len(plain.figures) == 4


@pytest.mark.parametrize(
    ("direction", "shift", "verdict"),
    [
        ("minimize", 0.1, "better by 0.1"),
        ("minimize", -0.1, "worse by 0.1"),
        ("maximize", 0.1, "worse by 0.1"),
        ("maximize", 0.0, "equal"),
    ],
)
def test_baselines_are_compared_in_the_studys_direction(
    tmp_path: Path, direction: Any, shift: float, verdict: str
) -> None:
    study = make_study(20, direction=direction)
    page = _page(study, tmp_path, baselines={"defaults": study.best_value + shift})
    (row,) = page.table("compared with")
    assert row["compared with"] == "defaults"
    assert row["the best trial is"].startswith(verdict)
    (line,) = [t for t in page.figures[0]["data"] if t.get("name") == "defaults"]
    assert line["y"] == [study.best_value + shift] * 2


def test_the_table_of_trials_is_sorted_from_the_best_and_complete(tmp_path: Path) -> None:
    study = make_study(30)
    rows = _page(study, tmp_path).table("rationale")
    assert sorted(int(r["trial"]) for r in rows) == list(range(30))
    values = [float(r["value (minimized)"]) for r in rows if r["value (minimized)"][0].isdigit()]
    assert values == sorted(values)
    failed = [r for r in rows if r["value (minimized)"] == "failed"]
    assert all(r["rationale"].startswith("Failed: out of memory.") for r in failed)
    assert len(failed) == 2
    assert rows[-1] in failed


def test_of_very_many_trials_the_best_are_shown(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.add_trials(make_trial(n, {"max_depth": 3}, value=float(n)) for n in range(1000))
    page = _page(study, tmp_path)
    assert [int(r["trial"]) for r in page.table("rationale")] == list(range(200))
    assert "The best 200 of 1000 trials." in " ".join(page.text)


def test_several_objectives_show_their_pareto_front(tmp_path: Path) -> None:
    study = make_two_objective_study()
    rows = _page(study, tmp_path).table("loss (minimized)")
    assert {int(r["trial"]) for r in rows} == {t.number for t in study.best_trials}


def test_the_page_tells_versions_and_the_studys_attributes(tmp_path: Path) -> None:
    study = make_plain_study()
    study.set_user_attr("seed", 17)
    facts = {row[0]: row[1] for t in _page(study, tmp_path).tables for row in t if len(row) == 2}
    assert facts["optuna"] == optuna.__version__
    assert facts["attribute seed"] == "17"
    assert facts["sampler"].startswith("RandomSampler")


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_value_does_not_break_the_page(tmp_path: Path, value: float) -> None:
    study = optuna.create_study()
    study.add_trial(make_trial(0, {"max_depth": 3}, value=value))
    page = _page(study, tmp_path, baselines={"b": 1.0})
    assert page.table("rationale")[0]["value (minimized)"] == str(value)


def test_a_study_of_failures_has_a_page(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.add_trial(make_trial(0, {"max_depth": 3}, source="llm", state=TrialState.FAIL))
    assert "No trial has completed." in " ".join(_page(study, tmp_path, baselines={"b": 1}).text)


# ---- self-contained and safe


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = _page(make_study(30), tmp_path)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "img", "form", "base")
        assert not {"src", "href", "srcset", "action", "data", "background"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    for style in page.raw["style"]:
        assert "@import" not in style
        assert "url(" not in style
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.split(maxsplit=1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    # Neither a host nor a scheme that reaches one.
    assert set(" ".join(rules.values()).split()) <= {"'none'", "'unsafe-inline'", "data:", "blob:"}
    # Plotly's button that uploads a figure.
    assert "showSendToCloud: false" in page.raw["script"][-1]


def test_the_page_fits_phones_and_dark_rooms(tmp_path: Path) -> None:
    page = _page(make_study(10), tmp_path)
    metas = {a.get("name"): a.get("content") for tag, a in page.elements if tag == "meta"}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    assert "@media (prefers-color-scheme: dark)" in page.raw["style"][0]
    for figure in page.figures:
        assert figure["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
        assert "width" not in figure["layout"]


ATTACK = '</script><img src=x onerror="alert(1)">\ud800'


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    space: dict[str, BaseDistribution] = {
        ATTACK: IntDistribution(0, 9),
        "c": CategoricalDistribution((ATTACK, "b")),
    }
    study = optuna.create_study(study_name=ATTACK)
    study.set_metric_names([ATTACK])
    study.set_user_attr(ATTACK, ATTACK)
    for number in range(3):
        outcome: dict[str, Any] = {"value": 1.0} if number else {"state": TrialState.FAIL}
        study.add_trial(
            make_trial(
                number,
                {ATTACK: number, "c": ATTACK},
                distributions=space,
                source="llm",
                rationale=ATTACK,
                record={"model": ATTACK, "requests": 1, "error": ATTACK},
                user_attrs={"fail_reason": ATTACK},
                **outcome,
            )
        )
    page = _page(study, tmp_path, baselines={ATTACK: 2.0})
    plain = _page(make_study(10), tmp_path)
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in plain.elements}
    assert [tag for tag, _ in page.elements].count("script") == 2 + len(page.figures)
    assert not any("onerror" in a for _, a in page.elements)
    assert '<img src=x onerror="alert(1)">' in " ".join(page.text)


def test_the_script_sorts_every_column_of_the_trials(tmp_path: Path) -> None:
    page = _page(make_study(10), tmp_path)
    (table,) = [a for tag, a in page.elements if tag == "table" and "data-sortable" in a]
    heads = re.search(r"<table data-sortable><thead>.*?</thead>", page.source, re.DOTALL)
    assert heads is not None
    assert heads[0].count("<button") == heads[0].count("<th ") == len(page.table("rationale")[0])
    assert table == {"data-sortable": None}


# ---- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as program:
        yield program


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "scheme", "columns"), [(390, "dark", 1), (390, "light", 1), (1200, "dark", 3)]
)
def test_the_page_fits_the_screen_and_the_scheme(
    browser: Any, tmp_path: Path, width: int, scheme: str, columns: int
) -> None:
    path = report(make_study(40), tmp_path / "page.html", baselines={"defaults": 0.2})
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector(".figure .main-svg")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert asked == [path.as_uri()]
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".figure .main-svg").count() >= page.locator(".figure").count() == 5
    ink, paper = (
        sum(
            map(
                int,
                re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body).{name}"))[:3],
            )
        )
        for name in ("color", "backgroundColor")
    )
    assert (ink > paper) == (scheme == "dark")
    title = page.locator(".figure .ytitle").first
    assert title.evaluate("e => e.style.fill") == page.evaluate(
        "getComputedStyle(document.body).color"
    )
    panels = page.locator(".figure").nth(1).locator(".xtitle, .x2title, .x3title, .x4title")
    tops = [panels.nth(i).bounding_box()["x"] // 50 for i in range(panels.count())]
    assert len(set(tops)) >= columns
    assert columns > 1 or max(tops) - min(tops) <= 1
    context.close()


@pytest.mark.slow
def test_a_click_on_a_heading_sorts_the_trials(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(report(make_study(12), tmp_path / "page.html").as_uri())
    head = page.locator("table[data-sortable] th", has_text="trial")
    rows = page.locator("table[data-sortable] tbody tr td:first-child")
    for expected in (range(12), reversed(range(12))):
        head.locator("button").click()
        assert [int(n) for n in rows.all_inner_texts()] == list(expected)
    page.close()


# ---- errors


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


def test_without_plotly_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "plotly"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="plot"):
        report(make_plain_study(2), tmp_path / "page.html")


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
