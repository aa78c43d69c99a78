"""The report page, as Chromium shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any

import pytest

from optuna_llm.reporting.page import report
from tests.support.browser import PATIENCE
from tests.support.browser import chromium
from tests.support.browser import in_a_browser
from tests.support.studies import make_study


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as program:
        yield program


@in_a_browser
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
    page.set_default_timeout(PATIENCE)
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
    assert page.locator(".figure .main-svg").count() >= page.locator(".figure").count() == 7
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


def _shown(browser: Any, path: Path) -> Any:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(path.as_uri())
    return page


@in_a_browser
def test_a_click_chooses_the_scale_of_the_values(browser: Any, tmp_path: Path) -> None:
    page = _shown(browser, report(make_study(20), tmp_path / "page.html"))
    page.wait_for_selector(".figure .main-svg")
    history = page.locator(".figure").first

    def kind() -> Any:
        return history.evaluate("place => place._fullLayout.yaxis.type")

    for name in ("log", "linear"):
        button = page.locator(".switch").first.get_by_role("button", name=name)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert kind() == name
    page.close()


@in_a_browser
def test_a_click_on_a_heading_sorts_the_trials(browser: Any, tmp_path: Path) -> None:
    page = _shown(browser, report(make_study(12), tmp_path / "page.html"))
    head = page.locator("table[data-sortable] th", has_text="trial")
    rows = page.locator("table[data-sortable] tbody tr td:first-child")
    for expected in (range(12), reversed(range(12))):
        head.locator("button").click()
        assert [int(n) for n in rows.all_inner_texts()] == list(expected)
    page.close()
