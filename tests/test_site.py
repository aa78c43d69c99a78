"""The site builds, its links and its search work, and its pictures show what runs."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
import re
import subprocess
import sys

import optuna
import pytest

import optuna_llm
from optuna_llm.chat.providers import PROVIDERS
from tests.support.browser import PATIENCE
from tests.support.browser import chromium
from tests.support.browser import in_a_browser


if sys.version_info >= (3, 11):
    pass
else:
    pass
from tests.test_docs import BIN
from tests.test_docs import DOCS
from tests.test_docs import HAS_DEMO_DATA
from tests.test_docs import PAGES
from tests.test_docs import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [BIN / "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_builds_without_warnings_and_loads_nothing_from_elsewhere(site: Path) -> None:
    built = {page.stem for page in site.glob("*.html")}
    assert {page.stem for page in DOCS.glob("*.md")} <= built
    for page in site.glob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="([^"]+)"', page.read_text())
        loaded += re.findall(r'<link rel="stylesheet"[^>]+href="([^"]+)"', page.read_text())
        assert [url for url in loaded if "//" in url] == [], page.name


def test_the_reference_holds_every_public_name_and_no_markup(site: Path) -> None:
    page = (site / "api.html").read_text()
    anchors = set(re.findall(r'id="([\w.]+)"', page))
    for name in set(optuna_llm.__all__) - {"__version__"}:
        assert any(a.rsplit(".", 1)[-1] == name for a in anchors), name
    assert re.findall(r":(?:class|func|meth|attr|data):|\.\. [\w-]+::", page) == []


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"]
)
def test_links_of_the_pages_outside_the_site_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if not target.startswith(("http://", "https://")):
            linked = page.parent / path if path else page
            assert linked.exists(), target
            assert not anchor or anchor in _anchors(linked), target


def test_links_into_the_repository_lead_somewhere() -> None:
    tree = re.compile(
        r'https://github\.com/optuna-llm/optuna-llm(?:/(?:tree|blob)/main/)?([^)\s"]*)'
    )
    for page in [*PAGES, ROOT / "mkdocs.yml"]:
        for found in tree.finditer(page.read_text()):
            path, _, anchor = found[1].partition("#")
            linked = ROOT / path if path else ROOT / "README.md"
            assert linked.exists(), f"{page.name}: {found[0]}"
            assert not anchor or anchor in _anchors(linked), f"{page.name}: {found[0]}"


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_page_on_models_names_the_default_models() -> None:
    page = (DOCS / "models.md").read_text()
    rows = re.findall(r"^\| `(\w+_API_KEY)` \| `(\S+)` \|$", page, re.M)
    assert rows == [(p.variable, p.default_model) for p in PROVIDERS.values() if p.default_model]


@in_a_browser
def test_the_search_works_where_the_pages_are_opened_from_a_folder(site: Path) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((site / "index.html").as_uri())
        # Key by key, as people type: the search listens to keys, and not to a value that is set.
        page.locator(".md-search__input").press_sequentially("cassette")
        page.wait_for_selector(".md-search-result__link")
        links = page.locator(".md-search-result__link").all()
        found = [str(link.get_attribute("href")) for link in links]
    assert any(link.startswith("file://") and "Cassette" in link for link in found)
    assert complaints == []


def test_the_picture_of_a_proposal_is_drawn_from_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib: .[bench]")
    monkeypatch.syspath_prepend(str(DOCS))
    draw_proposal = importlib.import_module("draw_proposal")
    monkeypatch.setattr(draw_proposal, "N_TRIALS", 9)
    draw_proposal.draw(tmp_path / "proposal.png")
    assert (tmp_path / "proposal.png").read_bytes()[1:4] == b"PNG"


def test_the_demonstration_is_shown_as_its_trials_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    draw_demo = importlib.import_module("draw_demo")
    kept = draw_demo.read()
    assert draw_demo.draw(kept) == draw_demo.PICTURE.read_text()
    shown = draw_demo.shown()
    ours, *peers = kept.of_seed(0)
    for search in (ours, *peers):
        assert re.search(rf"{search.sampler} +{search.score:.3f} +{search.test:.3f} ", shown)
    behind = [search for search in peers if search.test < ours.test]
    assert shown.count("ends behind") == len(behind)


def test_the_kept_trials_are_those_of_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    if not HAS_DEMO_DATA:
        pytest.skip('needs the data: pip install ".[demo]"')
    monkeypatch.syspath_prepend(str(DOCS))
    draw_demo = importlib.import_module("draw_demo")
    kept = draw_demo.read()
    trials = kept.of_seed(0)[-1].study.trials[:4]
    study = draw_demo.run(
        draw_demo.Flights(),
        samplers={draw_demo.RANDOM: lambda s: draw_demo.RandomSampler(seed=s)},
        n_trials=4,
        storage=optuna.storages.InMemoryStorage(),
        seeds=[0],
        show_progress=False,
        say=lambda line: None,
    )
    again = study.searches[0].study.trials
    assert [t.value for t in again] == pytest.approx([t.value for t in trials], rel=1e-3)
    assert study.default_score == pytest.approx(kept.default_score, rel=1e-3)
