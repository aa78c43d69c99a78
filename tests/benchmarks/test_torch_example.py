"""The example with PyTorch runs as its page says, and goes on from its storage."""

from __future__ import annotations

from pathlib import Path
import runpy
import sys

import optuna
import pytest

from tests.support.models import well_behaved
from tests.support.server import ChatServer


pytest.importorskip("torch")

SCRIPT = Path(__file__).parents[2] / "examples" / "torch_hyperband.py"


@pytest.mark.slow
def test_it_runs_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = runpy.run_path(str(SCRIPT))
    storage = f"sqlite:///{tmp_path}/digits.db"
    # Three epochs in place of 27: the functions read their module's globals.
    monkeypatch.setitem(example["objective"].__globals__, "N_EPOCHS", 3)
    with ChatServer(well_behaved()) as server:
        arguments = ["--model", "stand-in", "--base-url", server.base_url, "--trials", "3"]
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments, "--storage", storage])
        for n_trials in (3, 6):
            example["main"]()
            study = optuna.load_study(study_name="digits", storage=storage)
            assert len(study.trials) == n_trials
        assert server.count > 0
    assert study.best_value < 0.5
    assert all(trial.intermediate_values for trial in study.trials)
    assert "6 trials" in capsys.readouterr().out


def test_devices_are_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = runpy.run_path(str(SCRIPT))
    monkeypatch.setitem(example["objective"].__globals__, "N_EPOCHS", 1)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--compare-devices"])
    example["main"]()
    assert "CPU: " in capsys.readouterr().out
