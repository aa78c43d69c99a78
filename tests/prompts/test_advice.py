from __future__ import annotations

import json

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution

from optuna_llm.prompts import Advice
from optuna_llm.prompts import Point
from optuna_llm.prompts.advice import advice_text
from optuna_llm.space.search_space import SearchSpace


SPACE = SearchSpace(
    {
        "lr": FloatDistribution(1e-4, 1.0, log=True),
        "kind": CategoricalDistribution(["a", "b", "c"]),
    }
)


def test_points_have_letters_and_what_is_expected_of_them() -> None:
    points = [
        Point({"lr": 0.0123456, "kind": "b"}, "expected 0.2 (0.1 to 0.3)"),
        Point({"lr": 1.0, "kind": "a"}),
    ]
    lines = advice_text(SPACE, Advice("TPE", points)).splitlines()
    assert lines[1] == "- TPE would run one of these next:"
    assert lines[2].startswith("  A: ")
    shown, _, expected = lines[2].removeprefix("  A: ").partition("; ")
    assert json.loads(shown) == {"lr": 0.01235, "kind": "b"}
    assert expected == "expected 0.2 (0.1 to 0.3)"
    assert json.loads(lines[3].removeprefix("  B: ")) == {"lr": 1.0, "kind": "a"}


def test_without_anything_to_say_there_is_no_advice() -> None:
    assert advice_text(SPACE, Advice()) == ""
