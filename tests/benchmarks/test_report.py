"""Reporting: regret, ranks and intervals on known numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import references
from benchmarks import statistics
from benchmarks.plots import draw
from benchmarks.report import markdown
from benchmarks.report import paired
from benchmarks.results import FIELDS
from benchmarks.results import read
from benchmarks.task import Reference


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Write results of the tasks ``a/x`` and ``a/y``, whose best is 1 and whose median is 3."""
    scale = Reference(1.0, 3.0, {})
    monkeypatch.setattr("benchmarks.results.known", lambda: {"a/x": scale, "a/y": scale})

    def write(*studies: tuple[str, str, int, str, str]) -> pd.DataFrame:
        """Take suite, task, seed, sampler, and value or value:observed of each trial."""
        path = tmp_path / "results.csv"
        lines = [",".join(FIELDS)]
        for suite, task, seed, sampler, trials in studies:
            for number, text in enumerate(trials.split()):
                value, _, observed = text.partition(":")
                value = "" if value == "-" else value
                lines.append(f"{suite},{task},{seed},{sampler},{number},{value},0.5,{observed}")
        path.write_text("\n".join(lines) + "\n")
        return read([path])

    return write


def test_regret_is_that_of_the_best_so_far(results) -> None:  # type: ignore[no-untyped-def]
    rows = results(("a", "x", 0, "TPE", "- 3 5 2 - 1 0.5"))
    assert rows["regret"].tolist()[1:] == [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    assert np.isnan(rows["regret"].tolist()[0])


def test_with_noise_the_truth_of_what_looks_best_counts(results) -> None:  # type: ignore[no-untyped-def]
    rows = results(("a-noisy", "x", 0, "TPE", "3:3.1 2:3.5 5:2.0 1:2.5"))
    assert rows["regret"].tolist() == [1.0, 1.0, 2.0, 2.0]


def test_a_task_without_a_scale_is_named(results) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit, match="a/z"):
        results(("a", "z", 0, "TPE", "1"))


def test_only_what_all_have_is_compared(results) -> None:  # type: ignore[no-untyped-def]
    rows = results(
        ("a", "x", 0, "TPE", "3 3 3 3 2"),
        ("a", "x", 0, "CQR", "3 3 3 3 1"),
        ("a", "x", 0, "GP", "3 3 3 3 1"),
        ("a", "x", 1, "TPE", "3 3 3 3 1"),
        ("a", "x", 1, "CQR", "3 3 3 3 2"),
        ("a", "x", 1, "GP", "3 3 3 3 3"),
        ("a", "y", 0, "TPE", "1 1 1 1 1"),
        ("a", "y", 0, "CQR", "9 9"),
        ("a", "y", 0, "GP", "1 1 1 1 1"),
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
    rows = results(*(("a", "x", s, n, "3 2 1.5 1") for s in (0, 1) for n in names))
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
