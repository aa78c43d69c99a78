from __future__ import annotations

import json
import math

from optuna_llm.ask_tell.plain import as_error
from optuna_llm.ask_tell.plain import as_json
from optuna_llm.ask_tell.plain import as_text
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ConflictError
from optuna_llm.errors import MissingExtraError


def test_json_is_json_whatever_the_numbers_are() -> None:
    text = as_json({"a": [1, math.inf, -math.inf, math.nan], "b": {"c": None}, "ü": (1.5,)})
    assert json.loads(text) == {"a": [1, "inf", "-inf", "nan"], "b": {"c": None}, "ü": [1.5]}


def test_text_is_indented_as_the_answer_is_nested() -> None:
    answer = {"a_b": {"c": 0.123456789, "d": [1, None]}, "e": [{"f": True}], "g": [], "h": {}}
    assert as_text(answer).splitlines() == [
        "a b:",
        "  c: 0.123457",
        "  d: 1, none",
        "e:",
        "  - f: yes",
        "g: none",
        "h: none",
    ]


def test_an_error_has_a_kind_and_a_fix() -> None:
    told = as_error(ConfigurationError("x=1 is wrong; say 2."))["error"]
    assert told == {"kind": "configuration", "message": "x=1 is wrong", "fix": "say 2"}
    assert as_error(ConflictError("no"))["error"]["kind"] == "conflict"
    assert as_error(MissingExtraError("a"))["error"]["kind"] == "missing_extra"


def test_an_error_tells_no_password() -> None:
    told = as_json(as_error(ConfigurationError("postgresql://me:hunter2@host/db is away")))
    assert "hunter2" not in told
