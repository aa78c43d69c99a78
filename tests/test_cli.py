from __future__ import annotations

from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import optuna
import pytest

import optuna_llm
from optuna_llm import demo
from optuna_llm.cli import main
from optuna_llm.errors import ModelSetupError


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """The URL of a database with one study, named "done"."""
    url = f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(study_name="done", storage=url)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return url


def _exit_code(*argv: str) -> Any:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    return stopped.value.code


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--version") == 0
    assert capsys.readouterr().out == f"optuna-llm {optuna_llm.__version__}\n"
    assert _exit_code("--help") == 0
    shown = capsys.readouterr().out
    for command in ("demo", "check", "estimate", "report"):
        assert f"\n    {command} " in shown
        assert _exit_code(command, "--help") == 0
        # A sentence that says what it does comes before the options.
        told = " ".join(capsys.readouterr().out.split())
        assert re.search(r"\] .*?\. .*options: -h", told), command


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("fly",),
        ("report",),
        ("demo", "--trials", "0"),
        ("demo", "--trials", "many"),
        ("check",),
        ("estimate", "--params", "0"),
        ("estimate", "--sampler", "best"),
        ("estimate", "--prices", "1"),
    ],
)
def test_wrong_usage_exits_with_2(argv: tuple[str, ...]) -> None:
    assert _exit_code(*argv) == 2


def test_the_package_runs_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "optuna_llm", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == f"optuna-llm {optuna_llm.__version__}"


def test_the_command_line_is_light() -> None:
    heavy = ("optuna", "numpy", "plotly", "xgboost", "sklearn", "openai")
    code = f"import optuna_llm.cli, sys; sys.exit(any(m in sys.modules for m in {heavy!r}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- report


def test_report_writes_the_page_and_prints_its_path(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["report", storage, "done", "-o", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert "<title>done</title>" in page.read_text(encoding="utf-8")


def _error(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("optuna-llm: error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_study_that_is_not_there_is_an_error_that_names_those_that_are(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", storage, "other", "-o", str(tmp_path / "p.html")]) == 2
    assert "'done'" in _error(capsys)


def test_a_database_that_is_not_there_is_not_created(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/missing.db"
    assert main(["report", url, "done", "-o", str(tmp_path / "p.html")]) == 2
    assert "there is no file" in _error(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["study.db", "nosuch://host/name", "sqlite:////proc/x/y.db"])
def test_a_storage_that_cannot_be_opened_is_an_error(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--storage", url]) == 2
    assert repr(url) in _error(capsys)


# ---- demo


def test_demo_passes_its_arguments_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}

    def fake_demo(**options: Any) -> Path:
        given.update(options)
        return Path(options["report_path"])

    monkeypatch.setattr(demo, "demo", fake_demo)
    url = f"sqlite:///{tmp_path}/demo.db"
    argv = ["demo", "--trials", "7", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"]
    argv += ["--storage", url, "--report", str(tmp_path / "r.html"), "--seed", "3"]
    assert main(argv) == 0
    assert given.pop("storage").url == url
    assert given == {
        "n_trials": 7,
        "model": "m",
        "base_url": "http://127.0.0.1:9/v1",
        "report_path": str(tmp_path / "r.html"),
        "seed": 3,
    }
    out = capsys.readouterr().out
    assert str(tmp_path / "r.html") in out
    assert f"optuna-dashboard {url}" in out


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ModelSetupError("no key;\n  set OPENAI_API_KEY"), 2, "error: no key; set OPENAI_API_KEY"),
        (KeyboardInterrupt(), 130, "run the same command again to go on"),
    ],
)
def test_demo_ends_in_a_message_and_an_exit_code(
    error: BaseException,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: Any) -> Path:
        raise error

    monkeypatch.setattr(demo, "demo", fail)
    assert main(["demo", "--storage", f"sqlite:///{tmp_path}/demo.db"]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("n_trials", ["x", "0", "2.5"])
def test_a_wrong_number_of_trials_is_named(
    n_trials: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--trials", n_trials])
    assert f"--trials: {n_trials!r} is not a positive whole number" in capsys.readouterr().err
