"""20,000 replies that are wrong in every way: always a legal configuration, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import gzip
import itertools
import json
from pathlib import Path
import statistics
import time
import tracemalloc

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
import pytest

from optuna_llm.chat.reply import clean
from optuna_llm.replies.repair import repair
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.space.search_space import SearchSpace
from tests.faults.hostile import LONG
from tests.faults.hostile import PIECES
from tests.faults.hostile import hostile
from tests.faults.hostile import mutated
from tests.faults.legal import assert_labelled
from tests.faults.legal import suggest
from tests.faults.samplers import MODEL_SAMPLERS
from tests.faults.samplers import SPACE
from tests.support.studies import make_trial
from tests.test_recorded_replies import read_space


N_CASES = 20_000 // 2 // len(MODEL_SAMPLERS)

fuzzed = settings(
    max_examples=N_CASES,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def assert_answered(
    name: str, reply: str, space: Mapping[str, BaseDistribution], sources: set[str]
) -> None:
    """Ask for a trial that is the model's turn, and look at what the objective would get."""
    study = optuna.create_study()
    middle = SearchSpace(space).configuration([0.5] * len(space))
    study.add_trial(make_trial(0, middle, source="base", distributions=space, value=1.0))
    study.sampler = MODEL_SAMPLERS[name](
        lambda _: reply, seed=0, base_sampler=RandomSampler(seed=0)
    )
    trial = study.ask()
    for parameter, distribution in space.items():
        suggest(trial, parameter, distribution)
    (_, asked) = study.get_trials(deepcopy=False)
    assert_labelled(asked)
    sources.add(asked.user_attrs["llm:source"])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_hostile_replies(name: str) -> None:
    sources: set[str] = set()

    @fuzzed
    @given(reply=hostile())
    def check(reply: str) -> None:
        assert_answered(name, reply, SPACE, sources)

    check()
    assert {"llm", "fallback"} <= sources


@pytest.mark.slow
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_mutated_real_replies(name: str, data_folder: Path) -> None:
    folder, sources = data_folder / "llm_replies", set[str]()
    space, replies = read_space(folder), []
    for file in ("qwen3.5-0.8b.jsonl.gz", "llambo_qwen3.5-0.8b.jsonl.gz"):
        with gzip.open(folder / file, "rt") as lines:
            for line in map(json.loads, lines):
                replies += line.get("replies", [line.get("reply")])

    @fuzzed
    @given(reply=mutated(replies))
    def check(reply: str) -> None:
        assert_answered(name, reply, space, sources)

    check()
    assert {"llm", "fallback"} <= sources


# --------------------------------------------------------------------------------------
# What the longest replies cost


def long_replies() -> list[str]:
    """Every piece and some pairs of pieces, over and over; and a million candidates."""
    pairs = itertools.islice(itertools.permutations(PIECES[::5], 2), 0, None, 7)
    patterns = [*PIECES, *map("".join, pairs)]
    million = '{"candidates": [' + '{"max_depth":1},' * 1_000_000 + "]}"
    return [million, *(p * (LONG // len(p)) for p in patterns)]


def seconds_of(read: Callable[[], object]) -> float:
    started = time.thread_time()
    read()
    return time.thread_time() - started


def peak_of(read: Callable[[], object]) -> int:
    tracemalloc.start()
    read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_the_longest_replies_cost_little_more_than_a_good_one_of_their_length() -> None:
    space = SearchSpace(SPACE)
    params = {"learning_rate": 0.01, "max_depth": 3, "subsample": 0.5, "booster": "dart"}
    good = json.dumps({"candidates": [{"reason": "it is steady", "params": params}] * 1700})
    assert 0.95 * LONG < len(good) < LONG

    def reading(text: str) -> Callable[[], object]:
        return lambda: [repair(space, p.params) for p in parse_proposals(clean(text), space)]

    read = reading(good)
    read()
    # A good one takes milliseconds.
    usual = statistics.median(seconds_of(read) for _ in range(7))
    most_seconds, most_memory = 200 * usual, 10 * peak_of(read)
    for number, reply in enumerate(long_replies()):
        # Others share the machine: what is too slow once is measured again.
        times = (seconds_of(reading(reply)) for _ in range(3))
        assert any(seconds <= most_seconds for seconds in times), reply[:80]
        if number % 4 == 0:
            assert peak_of(reading(reply)) <= most_memory, reply[:80]
