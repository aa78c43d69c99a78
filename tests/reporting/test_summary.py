"""A study in a screenful of text."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest

import optuna_llm
from optuna_llm import CQRSampler
from optuna_llm import summary
from tests.support.studies import make_conditional_study
from tests.support.studies import make_failed_study
from tests.support.studies import make_plain_study
from tests.support.studies import make_study
from tests.support.studies import make_trial
from tests.support.studies import make_two_objective_study


def _infinite() -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for number, value in enumerate([math.inf, -math.inf, 1.0, 2.0] * 4):
        study.add_trial(make_trial(number, {"max_depth": 1 + number % 4}, value=value))
    return study


STUDIES = {
    "no trials": optuna.create_study,
    "every source and state": lambda: make_study(40),
    "two objectives": make_two_objective_study,
    "conditional": lambda: make_conditional_study(20),
    "another sampler": make_plain_study,
    "only failures": make_failed_study,
    "infinite": _infinite,
}


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("width", [30, 60, 100])
def test_every_study_fits_every_terminal(name: str, width: int) -> None:
    text = summary(STUDIES[name]()).text(width)
    assert max(map(len, text.splitlines())) <= width
    assert text == text.strip("\n")


def test_it_says_what_a_reader_wants_to_know() -> None:
    study = make_study(40)
    text = summary(study).text(100)
    assert "made-up: 40 trials (" in text
    assert f"{study.best_value:.6g}, trial {study.best_trial.number}, language model" in text
    assert "A lower rate with shallow trees" in text
    for name in study.best_params:
        assert f"\n  {name} " in text
    lines = text.splitlines()
    start = lines.index("What matters")
    assert lines[start + 2].split()[0] in ("learning_rate", "max_depth")
    assert "small-model: " in text
    assert "Go on?" in lines


def test_a_narrow_terminal_gets_a_line_for_each_cell() -> None:
    text = summary(make_study(40)).text(40)
    assert "  proposer language model\n    trials 7\n" in text


def test_it_tells_what_was_expected_and_what_ran_it() -> None:
    study = optuna.create_study(sampler=CQRSampler(seed=3))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) ** 2, 12)
    text = summary(study).text(100)
    last = next(line for line in text.splitlines() if line.startswith("  11 "))
    assert " to " in last
    assert "CQRSampler(seed=3) from trial 0 on" in text


def test_printing_takes_the_terminals_width(monkeypatch: pytest.MonkeyPatch) -> None:
    found = optuna_llm.summary(make_study(20))
    for columns, most in (("50", 50), ("300", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        assert max(map(len, str(found).splitlines())) <= most
        assert repr(found) == str(found) == found.text(most)


def test_what_is_no_study_is_refused() -> None:
    wrong: Any = "study"
    with pytest.raises(optuna_llm.errors.ConfigurationError, match="study='study'"):
        summary(wrong)
