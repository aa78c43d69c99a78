"""Asking a model for predictions."""

from __future__ import annotations

import pytest

from optuna_llm.prompts.prediction import prediction_schema
from optuna_llm.space.words import letters


def test_questions_have_letters() -> None:
    assert letters(3) == ["A", "B", "C"]
    assert letters(28)[25:] == ["Z", "AA", "AB"]
    for kind, low, high in (("score", -500, 2000), ("label", 0, 1)):
        answers = prediction_schema(kind, 2)["properties"][f"{kind}s"]
        assert answers["required"] == ["A", "B"]
        told = answers["properties"]["B"]
        if kind == "score":
            assert (told["minItems"], told["maxItems"]) == (2, 2)
            told = told["items"]
        assert (told["type"], told["minimum"], told["maximum"]) == ("integer", low, high)


@pytest.mark.parametrize(("best", "highest"), [(400, 2000), (1000, 2000), (1962, 3000)])
def test_the_best_score_can_be_surpassed_by_a_thousand(best: float, highest: int) -> None:
    answers = prediction_schema("score", 1, best)["properties"]["scores"]
    assert answers["properties"]["A"]["items"]["maximum"] == highest
