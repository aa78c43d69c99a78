"""The benchmark of versions: the stand-in changes one term, and reads results only if it may."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest

from benchmarks.code import ARMS
from benchmarks.code import POOL
from benchmarks.code import RESULTS
from benchmarks.code import TOLD
from benchmarks.code import WITH_MODEL
from benchmarks.code import StandIn
from benchmarks.code import Writer
from benchmarks.code import changed
from benchmarks.code import curve
from benchmarks.code import drawn
from benchmarks.code import main
from benchmarks.code import permuted
from benchmarks.code import read
from benchmarks.code import run
from benchmarks.code import source_of
from benchmarks.code import table
from benchmarks.code import terms_in
from optuna_llm.chat import ChatModel
from optuna_llm.chat import Completion
from optuna_llm.chat import Message
from optuna_llm.chat import Usage
from tests.support.server import ChatServer


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


def test_after_a_refusal_the_stand_in_goes_on_from_its_own_version() -> None:
    own, twin = source_of(("x", "abs(x)")), source_of(("math.sin(3 * x)",))
    prompt = f"{PROMPT}\nAssistant:\n{own}\nUser:\nIt was compared with version 3:\n{twin}"
    model = StandIn(0, reads_results=True)
    for _ in range(20):
        assert len({"x", "abs(x)"} & set(terms_in(model(prompt)))) >= 1


@pytest.mark.slow
def test_all_arms_begin_alike_and_are_repeatable() -> None:
    first = run("versions", 0, 4)
    assert first == run("versions", 0, 4)
    assert run("numbers only", 0, 2)[0] == first[0]


def test_permuted_results_stand_beside_other_versions() -> None:
    shown = "".join(
        f"Version {n}: value {n}.5 (1 trial)\n```python\ndef curve(points):\n    return {n}\n```\n"
        for n in range(5)
    )
    prompt = f"{curve.text}\nVERSIONS (worst first, best last)\n{shown}Write one."
    block = r"Version (\d): value (\d)\.5.*\n.*\n.*\n    return (\d)"
    found = re.findall(block, permuted(prompt, np.random.default_rng(1)))
    versions, results, sources = zip(*found, strict=True)
    assert results == tuple("01234")
    assert versions == sources  # A version keeps its number,
    assert sorted(versions) == list(results)
    assert versions != results  # and gets the result of another.


class Recorder:
    """A model that keeps what it was asked."""

    name = "recorder"

    def __init__(self) -> None:
        self.asked: list[list[Message]] = []

    def complete(self, messages: Sequence[Message], **_: Any) -> Completion:
        self.asked.append(list(messages))
        nothing = Usage(prompt_tokens=0, completion_tokens=0)
        return Completion("x", self.name, nothing, 0.0, 0.0, 1, "text", "stop")


@pytest.mark.parametrize("reads_results", [True, False])
def test_a_language_model_is_sent_conversations(reads_results: bool) -> None:
    shown = "".join(
        f"Version {n}: value {n}.5 (1 trial)\n```python\ndef curve(points):\n    return {n}\n```\n"
        for n in range(5)
    )
    first: Message = {"role": "user", "content": f"VERSIONS (worst first, best last):\n{shown}"}
    again: list[Message] = [
        first,
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "No."},
    ]
    model = Recorder()
    writer = Writer(model, 1, reads_results=reads_results)
    assert isinstance(writer, ChatModel)
    assert writer.complete([first]).text == "x"
    writer.complete(again)
    assert [m["role"] for m in model.asked[1]] == ["user", "assistant", "user"]
    assert model.asked[0][0] == model.asked[1][0]  # Results stay where they are.
    assert (model.asked[0][0] == first) is reads_results
    assert writer.complete([{"role": "user", "content": "Propose."}]).text == "I cannot say."
    assert len(model.asked) == 2


def test_a_language_model_is_told_what_a_term_may_be() -> None:
    for term in POOL:
        assert set(re.findall(r"[a-z]{2,}", term)) - {"math"} <= set(re.findall(r"[a-z]+", TOLD))
        assert len(term) == 1 or term == "abs(x)" or term not in TOLD


def test_curves_are_drawn_by_their_seeds() -> None:
    assert drawn(1).tolist() == drawn(1).tolist() != drawn(2).tolist()


@pytest.mark.slow
def test_a_language_model_writes_versions_in_all_arms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terms = iter(range(1, 100))

    def reply(request: dict[str, Any]) -> str:
        assert "VERSIONS (worst first" in request["messages"][-1]["content"]
        return f"```python\n{source_of((f'x ** {next(terms)}',))}```"

    path = tmp_path / "model.csv"
    with ChatServer(reply) as server:
        command = ["--model", "m", "--base-url", server.base_url, "--results", str(path)]
        main([*command, "--seeds", "1", "--first-seed", "3", "--trials", "6"])
        n_asked = server.count
        main([*command, "--seeds", "1", "--first-seed", "3", "--trials", "6"])
    assert n_asked >= 2
    assert server.count == n_asked  # What is done is not done again.
    done = read(path)
    assert set(done) == {(arm, 3) for arm in ARMS}
    assert len({values[0] for values in done.values()}) == 1  # All begin with the same version.
    assert "| random choice | " in capsys.readouterr().out


def test_the_page_says_what_a_language_model_reached() -> None:
    page = (RESULTS.parents[2] / "docs" / "code.md").read_text()
    done = read(WITH_MODEL)
    assert {arm for arm, _ in done} == set(ARMS)
    assert len({seed for _, seed in done}) == 1
    for (arm, _), values in done.items():
        assert len(values) == 24
        cells = " | ".join(f"{values[n - 1]:.3f}" for n in (8, 16, 24))
        assert f"\n| {arm} | {cells} |\n" in page, arm


def test_the_page_says_what_the_committed_results_are() -> None:
    page = (RESULTS.parents[2] / "docs" / "code.md").read_text()
    for line in table(read(RESULTS), range(5))[2:]:
        arm, _, cells = line[2:].partition(" | ")
        assert f" | {cells}\n" in page, arm
