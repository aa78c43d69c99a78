from __future__ import annotations

import html
import math
from pathlib import Path
import re
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
import pytest

import optuna_llm
from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.recorded import recorded_quantiles
from optuna_llm.history.history import History
from optuna_llm.reporting.page import report
from optuna_llm.reporting.tables import show_value
from tests.reporting.reading import read_page
from tests.support.studies import make_plain_study
from tests.support.studies import make_study
from tests.support.studies import make_trial
from tests.support.studies import make_two_objective_study


# ---- content


def test_the_page_tells_the_best_trial_and_who_proposed_it(tmp_path: Path) -> None:
    study = make_study(40)
    page = read_page(study, tmp_path)
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
    text = " ".join(read_page(study, tmp_path).text)
    assert f"{sum(r.get('prompt_tokens', 0) for r in records):,}" in text
    assert "small-model" in text


def test_what_would_be_empty_is_left_out(tmp_path: Path) -> None:
    plain = read_page(make_plain_study(), tmp_path)
    titles = plain.titles
    assert not {"Language model", "Spending", "Calibration", "Contours", "What matters"} & titles
    assert {"History", "Parameters", "Sources"} <= titles
    assert len(plain.figures) == 3
    full = read_page(make_study(40), tmp_path)
    assert {"Language model", "Spending", "Calibration", "Contours", "What matters"} <= full.titles
    assert {"Parallel coordinates", "When to stop"} <= full.titles
    failed = optuna.create_study()
    failed.add_trial(make_trial(0, {"max_depth": 3}, source="llm", state=TrialState.FAIL))
    page = read_page(failed, tmp_path)
    assert not {"Parameters", "When to stop"} & page.titles
    history = page.figures[0]
    assert {y for t in history["data"] for y in t["y"]} == {"failed"}
    assert "yaxis2" not in history["layout"]


def test_the_page_shows_what_matters_and_in_that_order(tmp_path: Path) -> None:
    page = read_page(make_study(60), tmp_path)
    rows = page.table("importance")
    shares = [float(r["importance"].rstrip("%")) for r in rows]
    assert sum(shares) == pytest.approx(100, abs=2)
    assert shares == sorted(shares, reverse=True)
    figure = next(
        f for f in page.figures if any(t.get("name") == "median expected" for t in f["data"])
    )
    axes = sorted(
        (k for k in figure["layout"] if k.startswith("xaxis")), key=lambda k: int(k[5:] or 1)
    )
    panels = [figure["layout"][k]["title"]["text"] for k in axes]
    assert panels == [r["parameter"] for r in rows]


def test_what_was_expected_stands_beside_what_came(tmp_path: Path) -> None:
    rows = read_page(make_study(40), tmp_path).table("expected")
    told = {int(r["trial"]): r["expected"] for r in rows if r["expected"]}
    study = make_study(40)
    complete = [t.number for t in study.trials if t.state == TrialState.COMPLETE]
    assert sorted(told) == complete[10:]
    ends = {n: [float(e) for e in text.split(" to ")] for n, text in told.items()}
    inside = [low <= study.trials[n].value <= high for n, (low, high) in ends.items()]
    assert 0.5 < sum(inside) / len(inside) < 1


def test_a_record_counts_more_than_hindsight(tmp_path: Path) -> None:
    study = optuna.create_study(sampler=optuna_llm.CQRSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) ** 2, 12)
    rows = {int(r["trial"]): r for r in read_page(study, tmp_path).table("expected")}
    history = History.from_study(study)
    for o in history.observations:
        recorded = recorded_quantiles(history, o, (0.1, 0.9))
        if recorded is not None:
            low, high = recorded
            assert rows[o.number]["expected"] == f"{low:.4g} to {high:.4g}"
    assert sum(bool(r["expected"]) for r in rows.values()) >= 4


def test_the_page_tells_the_sampler_that_ran_the_study(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(
        storage=storage, study_name="s", sampler=optuna_llm.CQRSampler(seed=7, n_candidates=64)
    )
    study.optimize(lambda t: t.suggest_float("x", 0, 1), 2)
    loaded = optuna.load_study(storage=storage, study_name="s")
    assert type(loaded.sampler).__name__ == "TPESampler"
    (row,) = read_page(loaded, tmp_path).table("from trial")
    sampler = next(v for k, v in row.items() if k.startswith("sampler"))
    assert sampler == "CQRSampler(n_candidates=64, seed=7)"
    assert f"optuna {optuna.__version__}" in row["with"]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_values_can_be_shown_on_either_scale(tmp_path: Path, direction: Any) -> None:
    page = read_page(make_study(20, direction=direction), tmp_path)
    menus = page.figures[0]["layout"].get("updatemenus", [])
    if direction == "maximize":  # Negative values have no logarithm.
        assert menus == []
        return
    linear, log = (button["args"][0] for button in menus[0]["buttons"])
    assert (linear["yaxis.type"], log["yaxis.type"]) == ("linear", "log")
    low, high = log["yaxis.range"]
    assert 10**low < min(linear["yaxis.range"][1], 10**high)


def test_notebooks_show_the_page_in_a_frame(tmp_path: Path) -> None:
    study = make_plain_study(3)
    shown = report(study)
    framed = shown._repr_html_()
    assert framed.startswith("<iframe sandbox=")
    inside = re.search(r'srcdoc="([^"]*)"', framed)
    assert inside is not None
    assert html.unescape(inside[1]) == shown.html
    assert "save(" in repr(shown)
    path = shown.save(tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == shown.html
    with pytest.raises(ConfigurationError, match="path=3"):
        shown.save(3)  # type: ignore[arg-type]


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
    page = read_page(study, tmp_path, baselines={"defaults": study.best_value + shift})
    (row,) = page.table("compared with")
    assert row["compared with"] == "defaults"
    assert row["the best trial is"].startswith(verdict)
    (line,) = [t for t in page.figures[0]["data"] if t.get("name") == "defaults"]
    assert line["y"] == [study.best_value + shift] * 2


def test_with_noise_the_page_tells_which_configuration_to_keep(tmp_path: Path) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    rng = np.random.default_rng(3)
    study.optimize(lambda t: (t.suggest_float("x", 0, 1) - 0.4) ** 2 + 0.1 * rng.normal(), 30)
    kept = optuna_llm.best_configuration(study)
    assert kept.trial != study.best_trial.number
    page = read_page(study, tmp_path)
    assert (
        f"The configuration to keep is that of trial {kept.trial}: {kept.value:.5g}"
        in " ".join(page.text)
    )
    (row,) = page.table("to keep")
    assert (row["best value"], row["to keep"]) == tuple(
        show_value(x) for x in (study.best_params["x"], kept.params["x"])
    )


def test_the_table_of_trials_is_sorted_from_the_best_and_complete(tmp_path: Path) -> None:
    study = make_study(30)
    rows = read_page(study, tmp_path).table("rationale")
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
    page = read_page(study, tmp_path)
    assert [int(r["trial"]) for r in page.table("rationale")] == list(range(200))
    assert "The best 200 of 1000 trials." in " ".join(page.text)


def test_several_objectives_show_their_pareto_front(tmp_path: Path) -> None:
    study = make_two_objective_study()
    rows = read_page(study, tmp_path).table("loss (minimized)")
    assert {int(r["trial"]) for r in rows} == {t.number for t in study.best_trials}


def test_the_page_tells_versions_and_the_studys_attributes(tmp_path: Path) -> None:
    study = make_plain_study()
    study.set_user_attr("seed", 17)
    facts = {
        row[0]: row[1] for t in read_page(study, tmp_path).tables for row in t if len(row) == 2
    }
    assert f"optuna {optuna.__version__}" in facts["this page"]
    assert facts["attribute seed"] == "17"
    assert "The sampler is not recorded" in " ".join(read_page(study, tmp_path).text)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_value_does_not_break_the_page(tmp_path: Path, value: float) -> None:
    study = optuna.create_study()
    study.add_trial(make_trial(0, {"max_depth": 3}, value=value))
    page = read_page(study, tmp_path, baselines={"b": 1.0})
    assert page.table("rationale")[0]["value (minimized)"] == str(value)


def test_a_study_of_failures_has_a_page(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.add_trial(make_trial(0, {"max_depth": 3}, source="llm", state=TrialState.FAIL))
    assert "No trial has completed." in " ".join(
        read_page(study, tmp_path, baselines={"b": 1}).text
    )


def _constrained(*rows: tuple[float, float | None], **options: Any) -> optuna.Study:
    """Return a study of trials (value, constraint); without a constraint, it set none."""
    study = optuna.create_study(**options)
    n = len(study.directions)
    for number, (value, constraint) in enumerate(rows):
        constraints = {} if constraint is None else {"constraints": {"memory": constraint}}
        trial = make_trial(number, {"max_depth": 3}, values=[value] * n, **constraints)
        study.add_trial(trial)
    return study


def test_the_best_trial_is_feasible_and_the_others_are_marked(tmp_path: Path) -> None:
    study = _constrained((3.0, -1.0), (1.0, 0.5), (0.5, math.inf), (4.0, 0.0))
    page = read_page(study, tmp_path, baselines={"b": 2.0})
    text = " ".join(page.text)
    assert "3 value (minimized), trial 0" in " ".join(text.split())
    assert "An open mark is a trial that broke a constraint." in text
    shown = {r["trial"]: r["value (minimized)"] for r in page.table("rationale")}
    assert shown == {"0": "3", "1": "1 (infeasible)", "2": "0.5 (infeasible)", "3": "4"}
    assert page.table("median rank")[0]["infeasible"] == "50%"
    unconstrained = read_page(make_study(20), tmp_path)
    assert "infeasible" not in unconstrained.table("median rank")[0]
    assert "open mark" not in " ".join(unconstrained.text)


@pytest.mark.parametrize("n_objectives", [1, 2])
def test_that_no_trial_is_feasible_is_said(tmp_path: Path, n_objectives: int) -> None:
    study = _constrained((1.0, 2.0), (2.0, 1.0), directions=["minimize"] * n_objectives)
    text = " ".join(read_page(study, tmp_path).text)
    assert "No trial satisfied the constraints" in text


def test_baselines_are_in_sight(tmp_path: Path) -> None:
    study = make_study(20)
    page = read_page(study, tmp_path, baselines={"far": 7.0})
    low, high = page.figures[0]["layout"]["yaxis"]["range"]
    assert page.figures[0]["layout"]["yaxis"]["type"] == "linear"
    assert low < study.best_value < 7.0 < high


# ---- self-contained and safe


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = read_page(make_study(30), tmp_path)
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
    page = read_page(make_study(10), tmp_path)
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
    page = read_page(study, tmp_path, baselines={ATTACK: 2.0})
    plain = read_page(make_study(10), tmp_path)
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in plain.elements}
    assert [tag for tag, _ in page.elements].count("script") == 2 + len(page.figures)
    assert not any("onerror" in a for _, a in page.elements)
    assert '<img src=x onerror="alert(1)">' in " ".join(page.text)


def test_the_script_sorts_every_column_of_the_trials(tmp_path: Path) -> None:
    page = read_page(make_study(10), tmp_path)
    (table,) = [a for tag, a in page.elements if tag == "table" and "data-sortable" in a]
    heads = re.search(r"<table data-sortable><thead>.*?</thead>", page.source, re.DOTALL)
    assert heads is not None
    assert heads[0].count("<button") == heads[0].count("<th ") == len(page.table("rationale")[0])
    assert table == {"data-sortable": None}
