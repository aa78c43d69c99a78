from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from optuna_llm.chat import estimate_tokens
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts.text import show_configuration
from optuna_llm.replies.repair import repair
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import quote
from tests.prompts.building import DISTRIBUTIONS
from tests.prompts.building import ask
from tests.prompts.building import random_history


@given(st.text(max_size=300))
def test_quoted_text_is_one_printable_line_that_reads_back(text: str) -> None:
    shown = quote(text, 1000)
    assert shown.isprintable()
    assert json.loads(shown) == text


@given(st.lists(st.text(max_size=80), max_size=5))
def test_tokens_of_lines_add_up(lines: list[str]) -> None:
    joined = estimate_tokens("\n".join(lines))
    assert joined <= sum(estimate_tokens(line) + 1 for line in lines)


@pytest.mark.parametrize("encoding", ["cl100k_base", "o200k_base"])
def test_estimate_is_at_least_what_tokenisers_count(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    found = importlib.util.find_spec("litellm")
    if found is None or found.origin is None:
        pytest.skip("the vocabularies come with litellm")
    folder = Path(found.origin).parent / "litellm_core_utils" / "tokenizers"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    count = tiktoken.get_encoding(encoding).encode
    texts = [
        ask(random_history(60), style=style, task=Task.of("Träume und 日本語 🙂 und Zahlen"))
        for style in ("compressed", "chat")
    ]
    texts.append(json.dumps({name.upper(): 0.12345678 for name in DISTRIBUTIONS}))
    for text in texts:
        assert len(count(text)) <= estimate_tokens(text) <= 2 * len(count(text))


def test_configuration_reads_back_through_repair() -> None:
    history = random_history(30, troubled=False)
    space = history.search_space()
    for o in history.complete:
        repaired = repair(space, json.loads(show_configuration(space, o.params)))
        assert len(repaired.kept) == len(space)


def test_inactive_parameters_are_null_where_asked_for() -> None:
    space = SearchSpace(DISTRIBUTIONS, frozenset({"dropout"}))
    assert json.loads(show_configuration(space, {"depth": 3})) == {"depth": 3}
    shown = show_configuration(space, {"depth": 3}, inactive=True)
    assert json.loads(shown) == {"depth": 3, "dropout": None}


def test_options_default_to_an_empty_task() -> None:
    assert PromptOptions().task == Task()
