from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from optuna_llm.command.cli import main
from tests.support.versions import SOURCES
from tests.support.versions import make_versions


@pytest.fixture
def storage(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/studies.db"
    make_versions(url)
    optuna.create_study(study_name="plain", storage=url)
    return url


def test_the_best_version_with_its_numbers(
    storage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["code", storage, "versions"])
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "# gain, version 1, trial 3: 1",
        "def gain(x):",
        "    scale = 0.75",
        "    return scale * x * x",
    ]
    space: dict[str, object] = {}
    exec(shown, space)
    assert space["gain"](2) == 3.0  # type: ignore[operator]


def test_all_versions_as_a_tree(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["code", storage, "versions", "--all"])
    heads = [line for line in capsys.readouterr().out.splitlines() if "| " not in line]
    assert heads == [
        "version 0, by user, 1 trials, best 3",
        "  version 1, by llm, 2 trials, best 1: <b>Steeper.</b>",
        "    version 4, by llm, 1 trials, best 4: <b>Steeper.</b>",
        "  version 2, by llm, 1 trials, no result: <b>Steeper.</b>",
    ]


def test_as_json(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["code", storage, "versions", "--all", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["trial"], told["values"]) == (1, 3, [1.0])
    assert [v["version"] for v in told["versions"]] == [0, 1, 4, 2]
    assert told["versions"][1]["source"] == SOURCES[1]
    assert told["versions"][1]["parent"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plain"], "the study has tuned no code"),
        (["versions", "--name", "loss"], "--name loss must be one of gain"),
    ],
)
def test_what_it_cannot_show_is_one_line(
    storage: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = 0
    try:
        code = main(["code", storage, *arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    assert code != 0
    assert message in capsys.readouterr().err
