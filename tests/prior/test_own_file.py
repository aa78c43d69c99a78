"""Usual values in a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import OwnPrior
from optuna_llm.prior.own_file import read_rows
from tests.prior.spaces import Space
from tests.prior.spaces import log
from tests.prior.spaces import one_of
from tests.prior.spaces import whole


FILE = """
source = "Vision team, 2026"

[rows]
depth = {usual = 4, spread = 1, special = {none = 0.5}, source = "a paper"}
activation = {weights = {gelu = 3, relu = 1}}
use_amp = {on = 0.9}

[rows.lr]
usual = 0.002
range = [0.0005, 0.01]
scale = "log"
aliases = "learning_rate base_lr"
relation = {depth = -0.5}
"""


def test_rows_have_the_form_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "team.toml"
    path.write_text(FILE, encoding="utf-8")
    usual, source = read_rows(path)
    space: Space = {
        "learning_rate": log(1e-5, 1),
        "depth": whole(1, 9),
        "activation": one_of("relu", "gelu"),
        "use_amp": one_of(False, True),
    }
    prior = OwnPrior(usual, source=source)
    assert prior.default(space) == pytest.approx(
        {"learning_rate": 0.002, "depth": 4, "activation": "gelu", "use_amp": True}
    )
    first, second = prior.explain(space).splitlines()
    assert first.endswith("(Vision team, 2026; a paper)")
    assert second.endswith("moves with depth to the power of -0.5 (Vision team, 2026)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = [", r"team.toml': not TOML \(.*\); a row is written lr = "),
        ("", r"team.toml has no rows; write one, such as lr = "),
        ("[row]\nlr = {usual = 1}", r"team.toml: unknown key 'row'; known are source, rows"),
        ("source = 3\n[rows]\nlr = {usual = 1}", r"team.toml: source=3 must be a text"),
        ("[rows]\nlr = 3", r"team.toml: row 'lr': 3 is no row; write it as in lr = "),
        ("[rows]\nlr = {value = 1}", r"row 'lr': unknown key 'value'; known are weights"),
        ("[rows]\nlr = {usual = 1, spred = 2}", r"row 'lr': unknown key 'spred'; known are usual"),
        ("[rows]\nlr = {usual = 1, spread = -2}", r"row 'lr': Usual.spread=-2 must be a positive"),
        ("[rows]\nlr = {usual = 1, aliases = 2}", r"row 'lr': aliases=2 must be a text"),
        (
            "[rows]\na = {usual = 1, relation = {b = 0}}",
            r"row 'a': Usual.relation=\{'b': 0\} must",
        ),
        ("[rows]\na = {on = 1}", r"row 'a': on=1 must be between 0 and 1"),
        ("[rows]\na = {weights = {x = 0}}", r"row 'a': usual\['a'\]\['x'\]=0 must be a positive"),
        ("[rows]\na = {source = 's'}", r"row 'a': usual\['a'\]=\{\} must be a Usual"),
        ("[rows]\na = {usual = 1, aliases = 'a'}", r"row 'a': 'a' is stated twice"),
    ],
)
def test_errors_name_file_row_and_fix(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "team.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_rows(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none.toml': cannot be read \(No such file"):
        read_rows(tmp_path / "none.toml")
