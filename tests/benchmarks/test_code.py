"""The benchmark of versions: the stand-in changes one term, and reads results only if it may."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.code import RESULTS
from benchmarks.code import StandIn
from benchmarks.code import changed
from benchmarks.code import curve
from benchmarks.code import read
from benchmarks.code import run
from benchmarks.code import source_of
from benchmarks.code import table
from benchmarks.code import terms_in


SHOWN = "\n".join(source_of((term,)) for term in ("abs(x)", "x * x", "math.sin(x)"))
PROMPT = f"{curve.text}\nVERSIONS (worst first, best last)\n{SHOWN}"


def test_terms_survive_their_factors() -> None:
    terms = ("x", "math.exp(-x * x)", "abs(x)")
    assert terms_in(source_of(terms)) == terms
    assert terms_in(source_of(terms).replace("0.5 * abs", "1.5e-05 * abs")) == terms
    assert terms_in(curve.text) == ("x",)


def test_a_change_is_one_term() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        before = ("x", "abs(x)")
        after = changed(before, rng)
        assert after
        assert len(set(before) ^ set(after)) in (1, 2)


@pytest.mark.parametrize("reads_results", [True, False])
def test_only_with_results_it_goes_on_from_the_best(reads_results: bool) -> None:
    model = StandIn(0, reads_results=reads_results)
    kept = []
    for _ in range(40):
        answer = model(PROMPT)
        kept.append({"abs(x)", "x * x", "math.sin(x)"} & set(terms_in(answer)))
    from_best = sum("math.sin(x)" in terms for terms in kept)
    assert (from_best > 20) is reads_results


@pytest.mark.slow
def test_all_arms_begin_alike_and_are_repeatable() -> None:
    first = run("versions", 0, 4)
    assert first == run("versions", 0, 4)
    assert run("numbers only", 0, 2)[0] == first[0]


def test_the_page_says_what_the_committed_results_are() -> None:
    page = (RESULTS.parents[2] / "docs" / "code.md").read_text()
    for line in table(read(RESULTS), range(5))[2:]:
        arm, _, cells = line[2:].partition(" | ")
        assert f" | {cells}\n" in page, arm
