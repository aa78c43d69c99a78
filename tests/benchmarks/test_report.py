"""Reporting: regret, ranks and intervals on known numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import references
from benchmarks import statistics
from benchmarks.__main__ import main
from benchmarks.plots import draw
from benchmarks.references import Reference
from benchmarks.report import by_variant
from benchmarks.report import markdown
from benchmarks.report import paired
from benchmarks.results import FIELDS
from benchmarks.results import read


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Write results of the tasks ``a/x`` and ``a/y``, whose best is 1 and whose median is 3."""
    scale = Reference(1.0, 3.0, {})
    names = ("a/x", "a/y", "constrained/x", "constrained/y")
    monkeypatch.setattr("benchmarks.results.known", lambda: dict.fromkeys(names, scale))

    def write(blocks: dict[tuple[str, str, int], dict[str, str]]) -> pd.DataFrame:
        """Take by suite, task and seed, and by sampler, value or value:observed of each trial."""
        path = tmp_path / "results.csv"
        lines = [",".join(FIELDS)]
        for (suite, task, seed), studies in blocks.items():
            for sampler, trials in studies.items():
                for number, text in enumerate(trials.split()):
                    value, _, observed = text.partition(":")
                    value = "" if value == "-" else value
                    row = (suite, task, seed, sampler, number, value, 0.5, observed)
                    lines.append(",".join(map(str, row)))
        path.write_text("\n".join(lines) + "\n")
        return read([path])

    return write


def test_regret_is_that_of_the_best_so_far(results) -> None:  # type: ignore[no-untyped-def]
    rows = results({("a", "x", 0): {"TPE": "- 3 5 2 - 1 0.5"}})
    assert rows["regret"].tolist()[1:] == [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    assert np.isnan(rows["regret"].tolist()[0])


def test_with_noise_the_truth_of_what_looks_best_counts(results) -> None:  # type: ignore[no-untyped-def]
    rows = results({("a-noisy", "x", 0): {"TPE": "3:3.1 2:3.5 5:2.0 1:2.5"}})
    assert rows["regret"].tolist() == [1.0, 1.0, 2.0, 2.0]


def test_a_task_without_a_scale_is_named(results) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit, match="a/z"):
        results({("a", "z", 0): {"TPE": "1"}})


def test_only_what_all_have_is_compared(results) -> None:  # type: ignore[no-untyped-def]
    rows = results(
        {
            ("a", "x", 0): {"TPE": "3 3 3 3 2", "CQR": "3 3 3 3 1", "GP": "3 3 3 3 1"},
            ("a", "x", 1): {"TPE": "3 3 3 3 1", "CQR": "3 3 3 3 2", "GP": "3 3 3 3 3"},
            ("a", "y", 0): {"TPE": "1 1 1 1 1", "CQR": "9 9", "GP": "1 1 1 1 1"},
        }
    )
    table = statistics.regrets(rows)
    found = statistics.blocks(table, 5)
    assert found.index.tolist() == [("a", "x", 0), ("a", "x", 1)]
    assert found["CQR"].tolist() == [0.0, 0.5]
    ranks = statistics.ranks(found)
    assert ranks["TPE"].tolist() == [3.0, 1.0]
    assert ranks["GP"].tolist() == [1.5, 3.0]
    assert statistics.blocks(table, 6).empty
    # A sampler that has hardly begun does not take the others' blocks away.
    alone = rows[(rows["sampler"] != "GP") | ((rows["task"] == "x") & (rows["seed"] == 0))]
    assert statistics.blocks(statistics.regrets(alone), 5).columns.tolist() == ["CQR", "TPE"]
    text = markdown(rows, "TPE")
    assert "| CQR | 0.2500 (0.0000-0.5000) |" in text
    # In pairs with the baseline alone, nothing is lost by the third sampler.
    assert "| GP | 3 | 0.3333 (2.00x, " in paired(rows, "TPE")


def table_of(text: str, title: str) -> dict[str, list[str]]:
    """Return the cells of a report's table by those of its first column."""
    section = text.partition(f"### {title}")[2].partition("###")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_end_of_each_run_is_shown(results) -> None:  # type: ignore[no-untyped-def]
    long, short = "3 " * 19 + "2", "3 " * 6 + "1"
    alone = markdown(results({("a", "x", 0): {"TPE": long}}), "TPE")
    assert table_of(alone, "Mean normalised regret")["sampler"] == ["5", "10", "20"]
    assert table_of(alone, "Against TPE")["sampler"][1:-1] == [
        f"regret at {n}" for n in (5, 10, 20)
    ]
    both = markdown(results({("a", "x", 0): {"TPE": long, "CQR": short}}), "TPE")
    assert table_of(both, "Mean normalised regret")["sampler"] == ["5", "7", "10", "20"]


def test_before_a_feasible_trial_regret_is_infinite_and_counts_as_the_median(results) -> None:  # type: ignore[no-untyped-def]
    # An infeasible trial has no value but was told one, however good it is.
    rows = results(
        {
            ("constrained", "x", 0): {"TPE": "-:0 -:0 9 2 -:1", "CQR": "-:1 -:2 - -:1 -:5"},
            ("constrained", "x", 1): {"TPE": "2 2 2 2 2", "CQR": "2 2 2 2 1"},
        }
    )
    regrets = rows[rows["sampler"] == "TPE"]["regret"].tolist()[:5]
    assert regrets == [np.inf, np.inf, 4.0, 0.5, 0.5]
    table = statistics.regrets(rows)
    counted = statistics.counted(table).xs("TPE", level="sampler").iloc[0].tolist()
    assert counted == [1.0, 1.0, 1.0, 0.5, 0.5]
    # A bad feasible trial ranks before none.
    assert statistics.ranks(statistics.blocks(table, 3)).iloc[0].tolist() == [2.0, 1.0]
    text = markdown(rows, "TPE")
    assert table_of(text, "Mean normalised regret\n")["CQR"] == ["0.5000 (0.0000-1.0000)"]
    feasible = table_of(text, "Feasible trials")
    assert feasible["CQR"] == ["constrained", "50%", "1", "1 of 2"]
    assert feasible["TPE"] == ["constrained", "70%", "2", "0 of 2"]
    # Elsewhere nothing is capped, and what has no value yet is not compared.
    other = statistics.regrets(results({("a", "x", 0): {"TPE": "- 9 2"}}))
    assert statistics.counted(other).iloc[0].tolist()[1:] == [4.0, 0.5]
    assert np.isnan(other.iloc[0, 0])


def test_variants_are_compared_apart_and_with_plain(results) -> None:  # type: ignore[no-untyped-def]
    rows = results(
        {
            ("a", "x", 0): {"TPE": "3 3 3 3 2", "CQR": "3 3 3 3 1.5"},
            ("a", "x", 1): {"TPE": "3 3 3 3 2", "CQR": "3 3 3 3 1.5"},
            ("a-flaky-0.2", "x", 0): {"TPE": "3 3 - 3 3", "CQR": "3 3 - 3 2"},
            ("a-flaky-0.2", "x", 1): {"TPE": "3 3 - 3 3", "CQR": "3 3 - 3 1"},
        }
    )
    assert list(by_variant(rows)) == ["plain", "flaky-0.2"]
    text = markdown(rows, "TPE", "CQR")
    assert table_of(text, "Against TPE on plain tasks")["CQR"][1].startswith("0.2500 (0.50x")
    assert table_of(text, "Against TPE on flaky-0.2 tasks")["CQR"][1].startswith("0.2500 (0.25x")
    assert table_of(text, "Against CQR on flaky-0.2 tasks")["TPE"][1].startswith("1.0000 (4.00x")
    same = table_of(text, "Against the same sampler on plain tasks")
    assert same["CQR"][:2] == ["flaky-0.2", "2"]
    assert same["CQR"][2] == "0.2500 (1.00x, 0.00-2.00)"
    assert same["TPE"][2] == "1.0000 (2.00x, 2.00-2.00)"


def test_the_command_selects_and_names_what_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--results", str(tmp_path / "no.csv")]) == 1
    assert "no.csv is not there" in capsys.readouterr().out
    path = tmp_path / "results.csv"
    lines = [
        ",".join(FIELDS),
        *(
            f"{suite},car,0,{sampler},{i},-0.9,0.1,"
            for suite in ("hpobench", "hpobench-flaky-0.1")
            for sampler in ("TPE", '"TPE, seeded"')
            for i in range(3)
        ),
    ]
    path.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    command = ["report", "--results", str(path), "--out", str(out), "--baseline", "TPE"]
    assert main([*command, "TPE, seeded", "--suite", "hpobench", "--variant", "flaky-0.1"]) == 0
    text = capsys.readouterr().out
    assert "Against TPE, seeded, paired" in text
    assert "plain" not in text
    assert main(command) == 0
    assert "(flaky-0.1/regret.png)" in (out / "report.md").read_text()
    assert (out / "plain" / "rank.png").exists()


def test_intervals_cover_a_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        estimate = statistics.mean(rng.normal(2.0, 1.0, size=60))
        assert estimate.low < estimate.value < estimate.high
        covered += estimate.low < 2.0 < estimate.high
    assert 180 <= covered <= 199


def test_a_ratio_is_of_means_over_the_same_blocks() -> None:
    baseline = np.array([1.0, 2.0, 3.0, 10.0])
    estimate = statistics.ratio(baseline / 2, baseline)
    assert [estimate.value, estimate.low, estimate.high] == pytest.approx([0.5] * 3)
    estimate = statistics.ratio(np.array([2.0, 2.0, 2.0, 2.0]), baseline)
    assert estimate.value == pytest.approx(0.5)
    assert estimate.low < 0.4 < 0.8 < estimate.high


def test_plots_of_many_samplers(results, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = [f"sampler {i}" for i in range(16)]
    rows = results({("a", "x", seed): dict.fromkeys(names, "3 2 1.5 1") for seed in (0, 1)})
    for path in draw(rows, tmp_path / "plots"):
        assert path.stat().st_size > 10_000


def test_the_scales_are_kept_sorted_and_whole(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from tests.benchmarks.tasks import Bowl

    path = tmp_path / "references.json"
    path.write_text("{}")
    monkeypatch.setattr(references, "PATH", path)
    references.known.cache_clear()
    try:
        references.remember(Bowl())
        assert references.known()["bbob/bowl"] == Bowl().find_reference()
        references.remember(Bowl())
        assert len(path.read_text().splitlines()) == 3
    finally:
        references.known.cache_clear()
