"""Notes, rules and structure are read from replies of any form; never an exception."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.history.statement import Rule
from optuna_llm.history.statement import Stated
from optuna_llm.replies.statement import Said
from optuna_llm.replies.statement import read_statement
from optuna_llm.space.search_space import SearchSpace


SPACE = SearchSpace(
    {
        "lr": FloatDistribution(1e-4, 1, log=True),
        "rounds": IntDistribution(10, 1000, log=True),
        "kind": CategoricalDistribution(["a", "b"]),
        "batch": CategoricalDistribution([16, 32, 64]),
    }
)
CANDIDATES = [{"role": "refine", "reason": "r", "params": {"lr": 0.1}}]


def said(**more: Any) -> Said:
    return read_statement(json.dumps({"candidates": CANDIDATES, **more}), SPACE)


def test_everything_beside_the_candidates_is_read() -> None:
    rule = {"multiply": ["lr", "rounds"], "divide": ["batch"], "low": 6, "high": "10", "why": "w"}
    stated = {
        "parameter": "lr",
        "usual": 0.05,
        "low": 0.01,
        "high": 5,
        "relevance": "high",
        "rises_with": ["batch"],
        "falls_with": ["rounds"],
    }
    found = said(analysis="two\nlines", optimizer=["b", "A"], rules=[rule], structure=[stated])
    assert found.notes == "two lines"
    assert found.optimizer == ("B", "A")
    assert found.rules == (Rule(("lr", "rounds"), ("batch",), 6, 10, "w"),)
    # What lies beyond the range is as far as it goes.
    wanted = Stated(0.05, 0.01, 1.0, "high", ("batch",), ("rounds",))
    assert found.structure == {"lr": wanted}


@pytest.mark.parametrize(
    "rule",
    [
        {"multiply": ["nothing"], "low": 1},
        {"multiply": ["kind"], "low": 1},
        {"multiply": [], "low": 1},
        {"multiply": ["lr"] * 9, "low": 1},
        "lr < 0.1",
    ],
)
def test_rules_that_cannot_be_meant_are_left_out(rule: Any) -> None:
    assert said(rules=[rule]).rules == ()


def test_silence_about_the_optimizer_is_no_veto() -> None:
    assert said().optimizer is None
    assert said(optimizer=[]).optimizer == ()
    assert read_statement("lr: 0.1", SPACE) == Said()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_anything_may_stand_there(value: Any) -> None:
    assert isinstance(said(analysis=value, optimizer=value, rules=value, structure=value), Said)
