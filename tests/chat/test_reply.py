from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from optuna_llm.chat.reply import clean
from optuna_llm.chat.reply import excerpt
from optuna_llm.chat.reply import strip_reasoning


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("plain", "plain"),
        ("<think>hm</think>answer", "answer"),
        ("  <think>a</think> b <think>c</think> d", "   b  d"),
        ("<think>never closed", ""),
        (" \n<think>never closed", " \n"),
        ("opened by the template</think>answer", "answer"),
        ('{"note": "<think>"}', '{"note": "<think>"}'),
        ("<think>a</think>x<think>open", "x<think>open"),
        ("<think></think>", ""),
        ("", ""),
    ],
)
def test_reasoning_is_left_out(text: str, answer: str) -> None:
    assert strip_reasoning(text).strip() == answer.strip()


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "b ", "{"]), max_size=12))
def test_what_is_left_holds_no_whole_reasoning(pieces: list[str]) -> None:
    answer = strip_reasoning("".join(pieces))
    start = answer.find("<think>")
    assert start < 0 or "</think>" not in answer[start:]
    if "<think>" not in pieces and "</think>" not in pieces:
        assert answer == "".join(pieces)


def test_hostile_tags_take_no_quadratic_time() -> None:
    # Quadratic would be some 10^10 steps.
    assert clean("<think>" * 100_000) == ""
    assert clean("x" + "<think>" * 100_000).startswith("x")


@given(st.text(alphabet=st.characters()))
def test_an_answer_can_be_stored_anywhere(text: str) -> None:
    answer = clean(text + "\ud800\x00")
    answer.encode("utf-8")
    assert "\x00" not in answer


def test_an_excerpt_is_one_short_printable_line() -> None:
    assert excerpt("a\n\n b\x1b[31m\tc") == "a b [31m c"
    assert len(excerpt("x" * 10_000)) == 300
