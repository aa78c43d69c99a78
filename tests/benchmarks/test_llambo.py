"""The benchmark of LLAMBOSampler with a model that reads its prompts."""

from __future__ import annotations

import pytest

from benchmarks import llambo


@pytest.mark.slow
def test_the_command_prints_regret_coverage_and_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    llambo.main(
        ["--tasks", "hpolib/naval_propulsion", "--seeds", "1", "--surrogates", "generative"]
    )
    lines = capsys.readouterr().out.splitlines()
    cells = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines[2:]}
    assert set(cells) == {"TPE", "Random", "CQR", "LLAMBO, generative"}
    assert cells["TPE"][1].strip().endswith("(1.00x, 1.00-1.00)")
    # A probability to be good has no interval.
    assert [c.strip() for c in cells["LLAMBO, generative"][2:4]] == ["-", "-"]
    # One for candidates, one for predictions.
    assert cells["LLAMBO, generative"][5].strip() == "2.0"


def test_coverage_counts_outcomes_within_the_recorded_intervals() -> None:
    found = llambo.Found(regrets=[0.1, 0.3], covered=[True, True, False, True], raw=[False] * 4)
    base = llambo.Found(regrets=[0.4, 0.4])
    row = llambo.table({"TPE": base, "LLAMBO": found}, "TPE")[-1]
    assert "0.2000 (0.50x, 0.25-0.75)" in row
    assert "| 75% | 0% |" in row
