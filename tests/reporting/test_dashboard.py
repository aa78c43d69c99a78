from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
import re
from socketserver import ThreadingMixIn
import sys
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import WSGIServer
from wsgiref.simple_server import make_server

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.errors import MissingExtraError
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.note import Note
from optuna_llm.history.origin import Origin
from optuna_llm.reporting.dashboard import inert
from optuna_llm.reporting.dashboard import markdown
from optuna_llm.reporting.dashboard import told_of
from optuna_llm.visualization import save_dashboard
from optuna_llm.visualization import save_figures
from tests.support.browser import PATIENCE
from tests.support.browser import chromium
from tests.support.browser import in_a_browser
from tests.support.neighbours import Neighbours
from tests.support.server import ChatServer
from tests.support.studies import make_plain_study
from tests.support.studies import make_study
from tests.support.versions import SOURCES
from tests.support.versions import make_versions


ATTACK = (
    "<img src=x onerror=alert(1)> <b>bold</b> [link](https://evil.example) ![i](//evil.example/i) "
    "# head https://evil.example www.evil.example me@evil.example `code` | cell | **strong** "
    "&lt;i&gt; ~~gone~~ [^1] <script>alert(2)</script>\n\n# Heading\n\n- item"
)
PARAMS = {"learning_rate": 0.01, "max_depth": 5, "booster": "dart", "subsample": 0.8}


# ---- the text of a note


def _note(origin: Origin, cost: Cost | None = None, n_trials: int = 30, **options: Any) -> str:
    history = History.from_study(make_study(n_trials))
    return markdown(Note(origin, cost or Cost(), history, PARAMS, **options))


def test_a_note_tells_who_why_and_what_was_expected() -> None:
    text = _note(Origin("prior", "The usual values."))
    assert "**Proposed by: prior knowledge**" in text
    assert "> The usual values\\." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| value |")]
    median, interval = (cell.strip() for cell in row.split("|")[2:4])
    low, high = (float(end) for end in interval.split(" to "))
    assert low < float(median) < high


def test_a_note_of_an_early_trial_expects_nothing() -> None:
    assert "Expected" not in _note(Origin("prior", "The usual values."), n_trials=5)


def test_a_note_lists_the_candidates_with_reasons_and_intervals() -> None:
    other = {**PARAMS, "max_depth": 12}
    candidates = (Candidate(other, "A deep one."), Candidate(PARAMS, "A shallow one."))
    rows = _note(Origin("llm", "A shallow one."), candidates=candidates).splitlines()
    deep, shallow = (
        next(r for r in rows if f"A {word} one\\. |" in r) for word in ("deep", "shallow")
    )
    assert "**chosen**" in shallow
    assert "**chosen**" not in deep
    assert "| 12 |" in deep
    medians = [float(row.split("|")[3]) for row in (deep, shallow)]
    assert medians[0] > medians[1]  # The made-up loss is least at a depth of 5.


def test_a_note_tells_what_an_attribute_does_not() -> None:
    used = Cost("m-1", requests=2, prompt_tokens=1200, completion_tokens=80, cost=0.01)
    text = _note(Origin("base", "x", vetoed="llm", repaired=1, completed=2), used)
    assert "the turn of the language model; the surrogate found" in text
    assert "1 snapped or clipped, 2 filled in by the statistical sampler" in text
    assert "m\\-1: 2 request(s), 1,200 prompt and 80 completion tokens, cost 0.01" in text
    assert "could not be used: timeout" in _note(Origin("fallback", "x"), Cost(error="timeout"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain words", "plain words"), ("a_b", r"a\_b"), ("<b>", r"\<b\>"), ("a\n\n# b", r"a \# b")],
)
def test_foreign_text_is_escaped(text: str, shown: str) -> None:
    assert inert(text) == shown


# ---- what is stored


@pytest.mark.parametrize("module", ["optuna_dashboard", "plotly.graph_objects"])
def test_figures_without_an_extra_name_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r'pip install "(optuna-dashboard|plotly).*"'):
        save_figures(make_plain_study())


def test_notes_without_the_dashboard_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(MissingExtraError, match=r'pip install "optuna-dashboard.*"dashboard"'):
        LLMSampler(seed=0, notes=True)


def test_figures_are_replaced_and_not_added() -> None:
    study = make_study(20)
    names = save_figures(study)
    assert {n.removeprefix("optuna-llm-") for n in names} == {
        *("history", "importance", "contour", "parallel", "sources", "spending", "calibration"),
        "parameters-1",
    }
    assert len(names) == len(set(names))
    before = set(study._storage.get_study_system_attrs(study._study_id))
    assert save_figures(study) == names
    assert set(study._storage.get_study_system_attrs(study._study_id)) == before


def test_figures_without_anything_to_show_are_left_out() -> None:
    names = {n.removeprefix("optuna-llm-") for n in save_figures(make_plain_study(3))}
    assert names == {"history", "sources", "parameters-1"}


def test_one_call_saves_figures_and_notes_and_can_be_repeated() -> None:
    import optuna_dashboard

    study = make_study(25)
    handle = Noted(study, 5)
    optuna_dashboard.save_note(handle, "mine")
    names = save_dashboard(study)
    assert set(save_figures(study)) == set(names)
    told = optuna_dashboard.get_note(study)
    assert told.startswith("## Summary by optuna-llm")
    assert "made-up: 25 trials" in told
    notes = {n: optuna_dashboard.get_note(Noted(study, n)) for n in range(25)}
    assert notes[5] == "mine"
    assert "language model" in notes[6]
    assert "A lower rate with shallow trees" in notes[6]
    assert "Came: value " in notes[6]
    assert "Came: a failure: out of memory" in notes[8]
    study.add_trial(make_plain_study(1).trials[0])
    save_dashboard(study)
    assert "26 trials" in optuna_dashboard.get_note(study)
    optuna_dashboard.save_note(study, "my own words")
    save_dashboard(study)
    assert optuna_dashboard.get_note(study) == "my own words"
    assert optuna_dashboard.get_note(handle) == "mine"


def test_foreign_text_does_not_leave_the_fence_of_the_summary() -> None:
    import optuna_dashboard

    study = optuna.create_study(study_name="~~~~~~~~ # [link](https://evil.example)")
    study.add_trials(make_plain_study(2).trials)
    save_dashboard(study)
    lines = optuna_dashboard.get_note(study).splitlines()
    fences = [i for i, line in enumerate(lines) if re.match(" {0,3}~~~~", line)]
    assert fences == [2, len(lines) - 1]
    assert "https://evil.example" in "".join(lines[3:-1])


def test_a_note_tells_what_was_expected_before_the_trial() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(_objective, 12)
    history = History.from_study(study)
    text = told_of(history, history.observations[-1])
    found = re.search(r"Expected: (\S+), with a probability of 80 % from (\S+) to (\S+)\.", text)
    assert found is not None
    median, low, high = map(float, found.groups())
    assert low < median < high


class Noted:
    """A trial, as the dashboard's notes know it."""

    def __init__(self, study: optuna.Study, number: int) -> None:
        self.study, self.storage = study, study._storage
        self._trial_id = study.trials[number]._trial_id


def test_notes_are_off_by_default() -> None:
    study = optuna.create_study(sampler=LLMSampler(seed=0))
    study.optimize(_objective, n_trials=2)
    attributes = study._storage.get_study_system_attrs(study._study_id)
    assert not any(key.startswith("dashboard:") for key in attributes)


# ---- in a browser


def _objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    depth = trial.suggest_int("max_depth", 1, 12)
    booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
    return abs(rate - 0.03) + 0.02 * abs(depth - 5) + 0.1 * (booster == "dart")


SAMPLERS: dict[str, Callable[[str], BaseSampler]] = {
    "LLMSampler": lambda url: LLMSampler("small-model", base_url=url, seed=0, notes=True),
    "LLAMBOSampler": lambda url: LLAMBOSampler("small-model", base_url=url, seed=0, notes=True),
    "LLMSampler without a model": lambda url: LLMSampler(seed=0, notes=True),
    "CQRSampler": lambda url: CQRSampler(seed=0),
}
N_TRIALS = 16


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class Dashboard:
    """Optuna Dashboard in a browser, with a study of each sampler."""

    def __init__(self, page: Any, address: str, studies: dict[str, optuna.Study]) -> None:
        self.page = page
        self.studies = studies
        self._address = address

    def open(self, name: str, place: str = "") -> Any:
        """Open a page of a study and return it."""
        study = self.studies[name]
        self.page.goto(f"{self._address}/dashboard/studies/{study._study_id}{place}")
        return self.page


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    import optuna_dashboard

    folder = tmp_path_factory.mktemp("dashboard")
    with chromium() as browser, ChatServer(Neighbours()) as model:
        storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
        studies = {}
        for name, make_sampler in SAMPLERS.items():
            study = optuna.create_study(
                study_name=name, storage=storage, sampler=make_sampler(model.base_url)
            )
            study.optimize(_objective, n_trials=N_TRIALS)
            save_figures(study)
            studies[name] = study
        studies["versions"] = make_versions(storage)
        app = optuna_dashboard.wsgi(storage)
        server = make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Silent)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PATIENCE)
        yield Dashboard(page, f"http://127.0.0.1:{server.server_port}", studies)
        server.shutdown()
        server.server_close()


@in_a_browser
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_table_of_trials_shows_source_and_rationale(
    dashboard: Dashboard, name: str, tmp_path: Path
) -> None:
    page = dashboard.open(name, "/smartSelection")
    page.wait_for_selector("text=UserAttribute llm:rationale")
    page.screenshot(path=tmp_path / "table.png", full_page=True)
    rows = page.locator("tbody tr").all_inner_texts()
    for trial in dashboard.studies[name].trials:
        (row,) = [r.split("\t") for r in rows if r.split("\t")[0].strip() == str(trial.number)]
        cells = [cell.strip() for cell in row]
        assert trial.user_attrs["llm:source"] in cells
        assert trial.user_attrs["llm:rationale"] in cells


@in_a_browser
def test_the_table_can_be_sorted_by_source(dashboard: Dashboard, tmp_path: Path) -> None:
    trials = dashboard.studies["LLMSampler"].trials
    page = dashboard.open("LLMSampler", "/smartSelection")
    head = page.locator("th", has_text="UserAttribute llm:source_number")
    orders = []
    for click in (1, 2):
        head.locator(".MuiTableSortLabel-root").click()
        page.screenshot(path=tmp_path / f"{click}.png", full_page=True)
        numbers = [int(r.split("\t")[0]) for r in page.locator("tbody tr").all_inner_texts()]
        orders.append([trials[n].user_attrs["llm:source_number"] for n in numbers])
    upwards = sorted(orders[0])
    assert len(set(upwards)) >= 3
    assert sorted(orders) == [upwards, upwards[::-1]]
    labels = {t.user_attrs["llm:source_number"]: t.user_attrs["llm:source"] for t in trials}
    assert len(set(labels.values())) == len(labels)


@in_a_browser
@pytest.mark.parametrize("name", ["LLMSampler", "LLAMBOSampler"])
def test_the_note_of_a_trial_tells_all_candidates(
    dashboard: Dashboard, name: str, tmp_path: Path
) -> None:
    study = dashboard.studies[name]
    trial = [t for t in study.trials if t.user_attrs["llm:source"] == "llm"][-1]
    page = dashboard.open(name, f"/trials?numbers={trial.number}")
    page.wait_for_selector("text=Proposed by: language model")
    page.screenshot(path=tmp_path / "note.png", full_page=True)
    assert page.locator("strong", has_text="chosen").count() == 1
    shown = " ".join(page.locator("body").inner_text().split())
    assert "llm:source llm" in shown
    assert f"llm:rationale {trial.user_attrs['llm:rationale']}" in shown
    table = page.locator("table", has_text="reason").inner_text()
    assert trial.user_attrs["llm:rationale"] in table
    assert "max_depth" in table
    assert "80 % interval" in table


@in_a_browser
def test_a_trial_shows_its_version_of_code(dashboard: Dashboard, tmp_path: Path) -> None:
    page = dashboard.open("versions", "/trials?numbers=4")
    page.wait_for_selector("text=llm:choice:gain")
    page.screenshot(path=tmp_path / "version.png", full_page=True)
    shown = " ".join(page.locator("body").inner_text().split())
    assert " ".join(SOURCES[4].split()) in shown
    assert "gain 4" in shown
    assert "gain.4.scale 0.5" in shown


@in_a_browser
def test_a_note_of_an_attacker_is_shown_and_does_nothing(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    import optuna_dashboard

    study = dashboard.studies["LLMSampler"]
    dangerous = Origin("llm", ATTACK), Cost(model=ATTACK, error=ATTACK, requests=1)
    candidates = [Candidate(PARAMS, ATTACK), Candidate({**PARAMS, ATTACK: ATTACK}, "x")]
    history = replace(History.from_study(study), metric_names=(ATTACK,))
    text = markdown(Note(*dangerous, history, PARAMS, candidates))
    optuna_dashboard.save_note(study, text)
    page = dashboard.page
    dialogs: list[Any] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    dashboard.open("LLMSampler", "/note")
    page.wait_for_selector("text=Proposed by: language model")
    page.screenshot(path=tmp_path / "attack.png", full_page=True)
    card = page.locator("p", has_text="Proposed by").locator("xpath=..")
    shown = card.inner_text().replace("\u2060", "")
    assert "<img src=x onerror=alert(1)> <b>bold</b> [link](https://evil.example)" in shown
    assert "&lt;i&gt; ~~gone~~ [^1] <script>alert(2)</script> # Heading - item" in shown
    for tag in ("a", "img", "script", "h1", "code", "del", "li", "b", "em", "sup"):
        assert card.locator(tag).count() == 0, tag
    assert not dialogs
    bold = card.locator("strong").all_inner_texts()
    assert not any("strong" in text for text in bold)


@in_a_browser
@pytest.mark.parametrize("name", SAMPLERS)
def test_our_figures_stand_among_the_plots_and_fit(
    dashboard: Dashboard, name: str, tmp_path: Path
) -> None:
    page = dashboard.open(name)
    titles = ("History", "Sources", "Calibration", "Dependence", "Importance", "Contours")
    for title in titles:
        page.wait_for_selector(f".gtitle:has-text('{title}')")
    page.screenshot(path=tmp_path / "plots.png", full_page=True)
    for title in titles:
        figure = page.locator(".js-plotly-plot", has=page.locator(f".gtitle:has-text('{title} ')"))
        height = figure.bounding_box()["height"]
        card = figure.locator("xpath=ancestor::*[contains(@class, 'MuiCard-root')]")
        assert height <= card.bounding_box()["height"]
    dots = page.locator(".js-plotly-plot", has_text="Dependence in").locator(
        ".scatterlayer .point"
    )
    assert dots.count() >= 3 * N_TRIALS
