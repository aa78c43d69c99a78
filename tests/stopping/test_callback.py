from __future__ import annotations

from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
import pytest

from optuna_llm import StopWhenDone
from optuna_llm.command.cli import main
from optuna_llm.stopping import Patience
from optuna_llm.stopping import resume


def _objective(trial: optuna.Trial) -> float:
    trial.suggest_float("x", 0, 1)
    return float(trial.number)


def _study() -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def test_a_study_stops_when_it_is_done() -> None:
    study = _study()
    study.optimize(_objective, n_trials=60, callbacks=[StopWhenDone(Patience(22))])
    assert len(study.trials) == 23


def test_other_workers_stop_after_their_trial(tmp_path: Path) -> None:
    def load() -> optuna.Study:
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        return optuna.create_study(study_name="shared", storage=storage, load_if_exists=True)

    first, second = load(), load()
    first.optimize(_objective, n_trials=40, callbacks=[StopWhenDone(Patience(22))])
    # Its own rule would go on; the mark of the other worker counts.
    second.optimize(_objective, n_trials=40, callbacks=[StopWhenDone(Patience(1000))])
    assert len(second.trials) == 24
    # A loop that asks and tells is told the same.
    found = StopWhenDone().verdict(second)
    assert found.done
    assert "the last to improve" in found.sentence


def test_a_larger_budget_resumes_a_study() -> None:
    study = _study()
    study.optimize(_objective, n_trials=100, callbacks=[StopWhenDone(Patience(5), n_trials=100)])
    assert len(study.trials) == 25
    again = StopWhenDone(Patience(5), n_trials=100)
    study.optimize(_objective, n_trials=100, callbacks=[again])
    assert len(study.trials) == 26
    # A quarter of the 175 trials that are left at the stop is always run.
    study.optimize(_objective, n_trials=200, callbacks=[StopWhenDone(Patience(5), n_trials=200)])
    assert len(study.trials) == 25 + 44


def test_a_study_without_a_budget_is_resumed_by_hand() -> None:
    study = _study()
    stop = StopWhenDone(Patience(5), min_trials=10)
    study.optimize(_objective, n_trials=100, callbacks=[stop])
    resume(study)
    study.optimize(_objective, n_trials=100, callbacks=[stop])
    assert len(study.trials) == 20


def test_the_command_answers_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(study_name="s", storage=url)
    study.optimize(_objective, n_trials=12)
    command = ["done", url, "s", "--min-trials", "10"]
    assert main([*command, "--patience", "20"]) == 1
    assert capsys.readouterr().out.startswith("Go on: ")
    assert main([*command, "--patience", "5", "--json"]) == 0
    assert '"done": true' in capsys.readouterr().out
    # Asking stops nobody.
    assert main([*command, "--patience", "20"]) == 1
    assert main([*command, "--target", "0.5"]) == 0
    assert main([*command, "--trials", "12"]) == 0
    assert main([*command, "--price", "1e9"]) in (0, 1)
    assert main([*command, "--regret-bound", "--worth", "1e9"]) == 0
    study.optimize(_objective, n_trials=1, callbacks=[StopWhenDone(Patience(5), min_trials=10)])
    assert main([*command, "--patience", "20"]) == 0
