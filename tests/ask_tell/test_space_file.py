from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.ask_tell.space_file import described
from optuna_llm.ask_tell.space_file import distributions
from optuna_llm.ask_tell.space_file import read_space
from optuna_llm.errors import ConfigurationError


WHOLE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "share": FloatDistribution(0.0, 1.0, step=0.25),
    "width": IntDistribution(8, 64, step=8),
    "depth": IntDistribution(1, 9),
    "kind": CategoricalDistribution(["a", 2, None, True]),
}


def test_what_is_described_is_the_same_again() -> None:
    assert distributions(json.loads(json.dumps(described(WHOLE)))) == WHOLE


def test_spaces_are_read_from_json_toml_and_the_command_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '{"x": {"type": "float", "low": 0, "high": 1}}'
    (tmp_path / "s.json").write_text(text)
    (tmp_path / "s.toml").write_text('[x]\ntype = "float"\nlow = 0\nhigh = 1\n')
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    for given in (str(tmp_path / "s.json"), str(tmp_path / "s.toml"), text, "-"):
        assert distributions(read_space(given)) == {"x": FloatDistribution(0, 1)}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ([], "map names"),
        ({}, "map names"),
        ({"x": 1}, "'x'.*no known type"),
        ({"x": {"type": "real", "low": 0, "high": 1}}, "'x'.*no known type"),
        ({"x": {"type": ["float"], "low": 0, "high": 1}}, "'x'.*no known type"),
        ({"x": {"type": "float", "low": 0}}, "add 'high'"),
        ({"x": {"type": "int", "low": 0, "high": 1, "choices": []}}, "leave 'choices' out"),
        ({"x": {"type": "float", "low": 2, "high": 1}}, "not possible.*low"),
        ({"x": {"type": "int", "low": "a", "high": 1}}, "'x'.*not possible"),
        ({"x": {"type": "float", "low": math.nan, "high": 1}}, "low is nan, not a finite"),
        ({"x": {"type": "float", "low": 0, "high": math.inf}}, "high is inf"),
        ({"x": {"type": "float", "low": 0, "high": True}}, "high is True"),
        ({"x": {"type": "int", "low": 0.5, "high": 3}}, "low is 0.5, not a whole number"),
        ({"x": {"type": "float", "low": 1, "high": 3, "log": "no"}}, "log is 'no'"),
        ({"x": {"type": "categorical", "choices": "abc"}}, "no list"),
        ({"x": {"type": "categorical", "choices": [[1, 2]]}}, "neither a text nor a number"),
        ({"x": {"type": "categorical", "choices": []}}, "'x'.*not possible"),
    ],
)
def test_what_is_no_space_is_told_with_its_name_and_a_fix(space: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as error:
        distributions(space)
    assert "; " in str(error.value)


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xfe", b"[x\n"])
def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path, content: bytes | None) -> None:
    for name in ("s.json", "s.toml"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigurationError, match=name):
            read_space(str(tmp_path / name))
