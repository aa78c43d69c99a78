"""Models in a file: what is refused before anything is loaded, and the grammar of answers."""

from __future__ import annotations

import json
from pathlib import Path
import pickle
import sys
from typing import Any

import pytest

from optuna_llm.chat import connect
from optuna_llm.chat.in_process import grammar_of
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-model.Q4.gguf"
    path.write_bytes(b"GGUF and more")
    return path


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("gguf:", "names no file"),
        ("gguf:no/such.gguf", "there is no file"),
        ("gguf:{folder}", "is a folder"),
        ("gguf:{text}", "is no GGUF file"),
    ],
)
def test_what_is_no_model_is_an_error_at_once(tmp_path: Path, name: str, problem: str) -> None:
    text = tmp_path / "model.gguf"
    text.write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ConfigurationError, match=f"model='gguf:.*{problem}"):
        connect(name.format(folder=tmp_path, text=text))


@pytest.mark.parametrize(
    "argument", [{"base_url": "http://127.0.0.1:1/v1"}, {"api_key": "k"}, {"model_name": "x"}]
)
def test_what_has_no_effect_on_a_file_is_refused(file: Path, argument: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(argument))} has no effect"):
        connect(f"gguf:{file}", **argument)


def test_the_package_that_runs_it_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r'pip install "xllamacpp.*"local"'):
        connect(f"gguf:{file}")


def test_nothing_is_loaded_before_the_first_request(file: Path) -> None:
    pytest.importorskip("xllamacpp")
    model = connect(f"gguf:{file}")
    assert model is not None
    assert model.name == "tiny-model.Q4"
    assert pickle.loads(pickle.dumps(model)).name == model.name
    # It costs nothing, and may take its time.
    assert getattr(model, "prices", None) == (0.0, 0.0)
    assert getattr(model, "timeout", None) == 600
    assert getattr(connect(f"gguf:{file}", timeout=5.0), "timeout", None) == 5


def _numbers(**number: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"x": {"type": ["number", "null"], **number}}}
    return dict(json.loads(grammar_of(schema).partition("%json ")[2])["properties"]["x"])


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        (1e-5, 1e-1, 1e-7),
        (0.001, 0.5, 1e-5),
        (0.0, 1.0, 0.001),
        (-1.0, 1.0, 0.001),
        (1.0, 256.0, 0.01),
        (1e-12, 1.0, 1e-10),
        (200.0, 1e7, 1.0),
        (0.0, 1e9, 1.0),
    ],
)
def test_numbers_have_an_end(low: float, high: float, unit: float) -> None:
    told = _numbers(minimum=low, maximum=high)
    assert told["multipleOf"] == pytest.approx(unit)
    assert (told["minimum"], told["maximum"]) == (low, high)


@pytest.mark.parametrize(("low", "high"), [(1e-14, 1e-12), (0.1234567890123, 0.1234567890124)])
def test_a_range_without_a_number_of_ten_decimals_is_left_open(low: float, high: float) -> None:
    assert _numbers(minimum=low, maximum=high).keys() == {"type"}
