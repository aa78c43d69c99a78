"""A small model falls into a loop: reading it takes time in proportion to its length."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pytest

from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from optuna_llm.replies import lenient_json
from optuna_llm.replies import reply
from optuna_llm.replies.prediction import parse_labels
from optuna_llm.replies.prediction import parse_scores
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.space.search_space import SearchSpace


SPACE = SearchSpace(
    {"lr": FloatDistribution(1e-5, 1, log=True), "act": CategoricalDistribution(["relu", "tanh"])}
)
LOOPS = [
    *'*"[({\\`<',
    *(' "', '{"a":', '{"', "{ ", "{/*", '{"lr":0.1} ', "{'lr':0.1}", '[{"name":"lr","value":'),
    *('{"a": "x ', '"{', "lr: 1,", "lr is ", "## lr: 0.1 ", "A: 1 ", "A*", '"A": 1,', "1", "9,"),
    *("<think>", "</think>", "```", "<|channel|>", "answer: ", "[1,", '"a",', "lr = ", "log("),
]
BEGINNINGS = ["", "{", '{"candidates": [']


def labels(text: str) -> object:
    return parse_labels(Completion(text, "m", Usage(1, 1), None, 0.0, 1, "text", None), 3)


READERS: dict[str, Callable[[str], object]] = {
    "proposals": lambda text: parse_proposals(text, SPACE),
    "scores": lambda text: parse_scores(text, 3),
    "labels": labels,
}


def seconds(read: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    read(text)
    return time.thread_time() - started


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("reader", READERS)
def test_ten_times_the_loop_takes_about_ten_times_as_long(reader: str, loop: str) -> None:
    read = READERS[reader]
    short, long = (loop * (n // len(loop)) for n in (20_000, 200_000))
    # Others share the machine: what looks too slow is measured again.
    ratios = (seconds(read, long) / max(seconds(read, short), 1e-3) for _ in range(4))
    assert any(ratio <= 30 for ratio in ratios)


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_is_given_up_after_a_bounded_number_of_steps(
    loop: str, beginning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[str, int] = {}

    def counted(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def count(*args: Any) -> Any:
            steps[name] = steps.get(name, 0) + 1
            return original(*args)

        monkeypatch.setattr(owner, name, count)

    counted(lenient_json._Reader, "_token")
    counted(lenient_json, "_put")
    counted(reply._Reading, "_value")
    counted(reply._Reading, "_assignments")
    counted(reply, "match_name")
    counted(reply, "repair")
    text = beginning + loop * (200_000 // len(loop))
    assert len(parse_proposals(text, SPACE)) <= 50
    assert all(n <= 25_000 for n in steps.values()), steps


def test_what_stands_behind_a_broken_object_is_found() -> None:
    text = "For depth in [4, 24) and {lr in [0.1, I take " + "{'lr' = 0.25, act: relu}" + "]" * 50
    assert {"lr": 0.25, "act": "relu"} in [p.params for p in parse_proposals(text, SPACE)]
