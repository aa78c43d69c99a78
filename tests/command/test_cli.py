from __future__ import annotations

import json
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
import pytest

import optuna_llm
from optuna_llm.command import demo
from optuna_llm.command.cli import main
from optuna_llm.errors import ModelSetupError
from optuna_llm.history.stored import load_study
from tests.support.transfer import earlier_study


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
    commands = ("demo", "check", "estimate", "best", "done", "report", "new", "ask", "tell")
    for command in commands:
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
        ("best", "sqlite:///study.db"),
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
    code = (
        f"import optuna_llm.command.cli, sys; sys.exit(any(m in sys.modules for m in {heavy!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- report


def test_report_writes_the_page_and_prints_its_path(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["report", storage, "done", "-o", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert "<title>done</title>" in page.read_text(encoding="utf-8")


def test_report_without_a_path_sums_up(
    storage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["report", storage, "done"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("done: ")
    assert "Best" in lines
    assert max(map(len, lines)) <= 60


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


@pytest.mark.parametrize("command", [["demo", "--storage"], ["report"]])
def test_a_file_that_is_no_storage_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_text("my notes")
    more = ["study", "-o", str(tmp_path / "page.html")] if command == ["report"] else []
    assert main([*command, str(path), *more]) == 2
    assert "neither a journal nor SQLite's" in _error(capsys)
    assert path.read_text() == "my notes"


def test_a_port_that_is_none_is_an_error_without_the_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["report", "postgresql://me:secret-pw@host:port/db", "s", "-o", "p"]) == 2
    error = _error(capsys)
    assert "cannot be opened" in error
    assert "secret-pw" not in error


# ---- demo


def test_demo_passes_its_arguments_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}

    def fake_demo(**options: Any) -> tuple[Path, Path]:
        given.update(options)
        return Path(options["report_path"]), tmp_path / "r.svg"

    monkeypatch.setattr(demo, "demo", fake_demo)
    url = f"sqlite:///{tmp_path}/demo.db"
    argv = ["demo", "--trials", "7", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"]
    argv += ["--storage", url, "--report", str(tmp_path / "r.html"), "--seed", "3"]
    argv += ["--seeds", "2"]
    assert main(argv) == 0
    assert given.pop("storage").url == url
    assert given == {
        "n_trials": 7,
        "model": "m",
        "base_url": "http://127.0.0.1:9/v1",
        "report_path": str(tmp_path / "r.html"),
        "seed": 3,
        "n_seeds": 2,
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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@127.0.0.1:1/db",
        "mysql+no_such_driver://user:hunt/er@2@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=me&password=pw",
        "no such storage://user:hunter2@host",
    ],
)
def test_a_password_in_the_url_of_a_storage_is_not_shown(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", url, "study", "-o", "page.html"]) == 2
    shown = "".join(capsys.readouterr())
    assert "[redacted]" in shown
    assert not any(secret in shown for secret in ("hunter2", "er@2", "=pw"))


def test_a_journal_is_a_storage_too(tmp_path: Path) -> None:
    path = str(tmp_path / "study.log")
    storage = JournalStorage(JournalFileBackend(path))
    study = optuna.create_study(study_name="s", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert len(load_study(path, "s").trials) == 2
    file = tmp_path / "study.db"
    optuna.create_study(study_name="s", storage=f"sqlite:///{file}")
    assert load_study(str(file), "s").trials == []


def test_best_tells_what_to_keep(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    study = optuna.load_study(study_name="done", storage=storage)
    assert main(["best", storage, "done"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head == f"value {study.best_value:.4g}, trial {study.best_trial.number}"
    assert row.split() == ["x", f"{study.best_params['x']:.4g}"]
    assert main(["best", storage, "done", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["params"], told["value"]) == (study.best_params, study.best_value)


def test_best_of_nothing_is_one_line(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    optuna.create_study(study_name="young", storage=storage)
    assert main(["best", storage, "young"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("optuna-llm: error: study='young' has no trial that finished")
    assert told.count("\n") == 1


def test_sources_shows_what_would_be_transferred_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    earlier_study("fraud-1", 8, storage=url)
    earlier_study("other", 8, storage=url, seed=1)
    study = optuna.create_study(study_name="fraud-2", storage=url)
    assert main(["sources", url, "fraud-2"]) == 0
    shown = capsys.readouterr().out
    assert "'fraud-2' has no trial yet" in shown
    assert "source 'fraud-1': 8 trials" in shown
    assert "trials to begin with: 5" in shown
    assert study.trials == []
    study.enqueue_trial({"eta": 0.1})
    study.optimize(lambda t: t.suggest_float("eta", 1e-3, 1, log=True), n_trials=1)
    table = tmp_path / "old.csv"
    table.write_text("eta,value\n0.2,1\n0.3,2\n")
    arguments = ["other", str(table), "-n", "2", "--rename", "learning_rate", "eta"]
    assert main(["sources", url, "fraud-2", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "eta  <- learning_rate  renamed" in shown
    assert "2. trial 0 of 'old.csv', best of 2: eta=0.2" in shown
    assert len(study.trials) == 1
    assert main(["sources", url, "fraud-2", "missing"]) == 2
    assert "sources[0]: study='missing' is not in" in capsys.readouterr().err


def test_continue_makes_a_study_with_the_changed_space(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    earlier_study("old", 4, storage=url)
    changes = ["--choice", "booster", "gblinear", "--choice", "booster", "3"]
    changes += ["--range", "max_depth", "1", "20", "--rename", "learning_rate", "rate"]
    assert main(["continue", url, "old", "new", *changes]) == 0
    assert capsys.readouterr().out == "'new' has 4 of the 4 trials of 'old'.\n"
    trial = load_study(url, "new").trials[0]
    assert trial.distributions["booster"].choices == ("gbtree", "dart", "gblinear", 3)
    assert trial.distributions["max_depth"].high == 20
    assert "rate" in trial.params
    for wrong, message in (
        (["--choice", "max_depth", "3"], "no parameter 'max_depth' (it has"),
        (["--range", "booster", "1", "2"], "no parameter 'booster' (it has"),
        (["--range", "max_depth", "9", "x"], "--range max_depth 9 x: "),
        ([], "there is such a study already"),
    ):
        assert main(["continue", url, "old", "new", *wrong]) == 2
        assert message in capsys.readouterr().err
