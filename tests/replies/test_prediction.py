"""Finding predictions in whatever a model answers."""

from __future__ import annotations

import json
import math
from pathlib import Path
import re

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from optuna_llm.chat.model import Token
from optuna_llm.replies.prediction import INTERVAL_DEVIATIONS
from optuna_llm.replies.prediction import parse_labels
from optuna_llm.replies.prediction import parse_scores
from tests.replies.test_recorded_replies import recorded


def said(text: str, tokens: tuple[Token, ...] = ()) -> Completion:
    return Completion(text, "m", Usage(1, 1), None, 0.0, 1, "text", "stop", tokens)


def means(reply: str, n: int) -> list[float | None]:
    return [None if guess is None else guess.mean for guess in parse_scores(reply, n)]


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ('{"scores": {"A": 812, "B": 1010.5}}', [812, 1010.5]),
        ('```json\n{"A": "812", "B": "1.0105e3"}\n```', [812, 1010.5]),
        ("{'scores': {'B': 1010.5, 'A': 812,}}", [812, 1010.5]),
        ('{"scores": [{"id": "B", "score": 1010.5}, {"id": "A", "score": 812}]}', [812, 1010.5]),
        ('{"scores": [812, 1010.5]}', [812, 1010.5]),
        ("A: 812\nB: ~1,010.5", [812, 1010.5]),
        ("- **A** = 812\n- **B** -> 1010.5", [812, 1010.5]),
        ("A) 812, B) 1010.5", [812, 1010.5]),
        ("Candidate A is 812 and candidate B is 1010.5", [812, 1010.5]),
        ("812\n1010.5", [812, 1010.5]),
        ("A:-5\nB:.5", [-5, 0.5]),
        ("A. 812\nB - 1010,5", [812, 1010.5]),
        ("A: −5\nB: 1e−3", [-5, 1e-3]),
        ("<think>A: 1, B: 2</think>A: 812\nB: 1010.5", [812, 1010.5]),
        ('{"scores": {"A": 812, "B": ', [812, None]),
        ('{"A": NaN, "B": Infinity}', [None, None]),
        ('{"A": true, "B": -3}', [None, -3]),
        ("I cannot tell.", [None, None]),
        ("", [None, None]),
    ],
)
def test_scores_are_found_in_any_form(reply: str, scores: list[float | None]) -> None:
    assert means(reply, 2) == scores


@pytest.mark.parametrize(
    ("reply", "ranges"),
    [
        ('{"scores": {"A": [800, 900], "B": [-20, 20.5]}}', [(800, 900), (-20, 20.5)]),
        ("{'A': [900, 800], 'B': ['1e2', 200]}", [(800, 900), (100, 200)]),
        ('{"scores": {"A": [800, 900], "B": 812}}', [(800, 900), (812, 812)]),
        ('{"scores": {"A": [800, null], "B": [1, 2, 3]}}', [None, None]),
        ('{"A": [-1e308, 1.7e308]}', [(-1e308, 1.7e308), None]),
    ],
)
def test_ranges_are_read_as_a_mean_and_a_deviation(
    reply: str, ranges: list[tuple[float, float] | None]
) -> None:
    for guess, ends in zip(parse_scores(reply, 2), ranges, strict=True):
        assert (guess is None) == (ends is None)
        if guess is not None and ends is not None:
            reach = INTERVAL_DEVIATIONS * guess.spread
            assert (guess.mean - reach, guess.mean + reach) == pytest.approx(ends)


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("## 2.086218 ##", 2.086218),
        ("## 2.086218", 2.086218),
        ("2.086218\n2.086218", 2.086218),
        ("Performance: 1e-8", 1e-8),
        ("-3.5E+6", -3.5e6),
        (".25", 0.25),
        ("about 12 %", 12),
        ('{"performance": 0.81}', 0.81),
    ],
)
def test_the_only_score_may_stand_anywhere(reply: str, score: float) -> None:
    assert means(reply, 1) == [score]


def test_every_number_in_recorded_transcripts_is_found(data_folder: Path) -> None:
    n_numbers = 0
    for record in recorded(data_folder, "llambo_qwen3.5-0.8b.jsonl.gz"):
        for reply in record["replies"] if record["kind"] == "surrogate" else ():
            first = re.search(r"\d+\.\d+", reply)
            assert first is not None
            assert means(reply, 1) == [float(first[0])], reply
            n_numbers += 1
    print({"predictions found": n_numbers})
    assert n_numbers > 3000


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from('AB:=,.-+eE{}[]"0123456789 \n#∞NaN')), st.integers(1, 30))
def test_scores_are_finite_or_none_whatever_is_said(reply: str, n: int) -> None:
    found = means(reply, n)
    assert len(found) == n
    assert all(v is None or math.isfinite(v) for v in found)
    assert all(v in (None, 0.0, 1.0) for v in parse_labels(said(reply), n))


@pytest.mark.parametrize(
    ("reply", "labels"),
    [
        ("A: 1\nB: 0", [1.0, 0.0]),
        ("**A**: 1, **B**: 0", [1.0, 0.0]),
        ('{"A": 1, "B": 0}', [1.0, 0.0]),
        ("B) 1", [None, 1.0]),
        ("A: 10\nB: 0.5", [None, None]),
        ("<think>A: 1</think>A: 0\nB: 1", [0.0, 1.0]),
    ],
)
def test_labels_are_found_in_any_form(reply: str, labels: list[float | None]) -> None:
    assert parse_labels(said(reply), 2) == labels


def token(text: str, **alternatives: float) -> Token:
    names = {"one": "1", "zero": " 0", "word": "maybe"}
    return Token(text, tuple((names[k], math.log(p)) for k, p in alternatives.items()))


@pytest.mark.parametrize(
    ("label", "probability"),
    [
        (token("1", one=0.6, zero=0.2, word=0.2), 0.75),
        # What is not told has what the others leave over.
        (token("1", one=0.7, word=0.2), 0.7 / 0.8),
        (token(" 0", zero=0.9, word=0.1), 0.0),
        # Nothing is told of either: the label itself.
        (token("1", word=0.5), 1.0),
        (Token("1", ()), 1.0),
    ],
)
def test_probabilities_are_read_from_the_token_of_the_label(
    label: Token, probability: float
) -> None:
    tokens = (Token("A", ()), Token(":", ()), label)
    text = "".join(t.text for t in tokens)
    assert parse_labels(said(text, tokens), 1) == [pytest.approx(probability, abs=1e-9)]


def test_labels_inside_longer_tokens_are_found() -> None:
    tokens = (
        Token("A: 0\n", ((("A: 0\n"), -0.1),)),
        Token("B:", ()),
        token(" 1".strip(), one=0.5, zero=0.5),
    )
    assert parse_labels(said("A: 0\nB:1", tokens), 2) == [0.0, pytest.approx(0.5)]


@pytest.mark.parametrize(
    ("told", "low", "high"),
    [([-900, -300], -500, -300), ([-900, -700], -500, -500), ([100, 300], 100, 300)],
)
def test_what_lies_below_the_lowest_score_counts_as_it(
    told: list[int], low: float, high: float
) -> None:
    (guess,) = parse_scores(json.dumps({"scores": {"A": told}}), 1, lowest=-500)
    assert guess is not None
    width = INTERVAL_DEVIATIONS * guess.spread
    assert (guess.mean - width, guess.mean + width) == pytest.approx((low, high))
