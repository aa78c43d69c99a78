"""What is shown of a run as it goes on."""

from __future__ import annotations

from datetime import datetime
from datetime import timedelta
import io
import pickle
import sys
from typing import Any

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm import Progress
from optuna_llm.errors import ConfigurationError
from optuna_llm.reporting.progress import progress_line
from tests.support.models import well_behaved
from tests.support.server import ChatServer


def _loss(trial: optuna.Trial) -> float:
    if trial.number == 1:
        raise ValueError
    return (trial.suggest_float("x", 0.0, 1.0) - 0.3) ** 2


def test_source_value_best_and_spending() -> None:
    lines: list[str] = []
    with ChatServer(well_behaved()) as server:
        sampler = LLMSampler(
            "small",
            base_url=server.base_url,
            seed=0,
            prefetch=False,
            max_requests=9,
            max_tokens=10**6,
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(_loss, 4, catch=(ValueError,), callbacks=[Progress(lines.append)])
    assert len(lines) == 4
    assert lines[0].startswith("trial 0 | prior | ")
    assert "| fail | best " in lines[1]
    best = study.best_trial
    assert f"| best {best.value:.6g}"[:12] in lines[3]
    assert f"(trial {best.number}) | " in lines[3]
    spent = sampler.spending(study)
    assert spent.requests > 0
    tokens = spent.prompt_tokens + spent.completion_tokens
    told = f"{spent.requests} requests of 9, {tokens:,} tokens of 1,000,000, cost unknown, "
    assert told in lines[3]


def test_expectations_are_told_once_there_are_any() -> None:
    lines: list[str] = []
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(
        lambda t: t.suggest_float("x", 0, 1) ** 2, 12, callbacks=[Progress(lines.append)]
    )
    assert "expected" not in lines[0]
    assert " | expected " in lines[11]
    low, high = lines[11].split("expected ")[1].split(" | ")[0].split(" to ")
    assert float(low) < float(high)


def _timed(n_trials: int, seconds: float, **options: Any) -> tuple[optuna.Study, datetime]:
    """Return a study whose trials took that long each, and its beginning."""
    study = optuna.create_study(**options)
    began = datetime.now() - timedelta(seconds=n_trials * seconds)
    for number in range(n_trials):
        trial = optuna.trial.create_trial(values=[1.0] * len(study.directions))
        trial.datetime_start = began + number * timedelta(seconds=seconds)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=seconds)
        study.add_trial(trial)
    return study, began


def test_the_time_left_follows_the_pace() -> None:
    study, began = _timed(10, 30.0)
    line = progress_line(study, study.trials[-1], 40, began)
    assert "| 30 to go, 15 min left" in line
    assert "to go" not in progress_line(study, study.trials[-1], 10, began)
    unknown = progress_line(study, study.trials[-1], None, began)
    assert "left" not in unknown
    assert "to go" not in unknown


def test_a_pause_before_this_run_does_not_count() -> None:
    study, _ = _timed(10, 3600.0)
    later = datetime.now()
    for number in range(2):
        trial = optuna.trial.create_trial(value=1.0)
        trial.datetime_start = later + number * timedelta(seconds=10)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=10)
        study.add_trial(trial)
    assert "| 8 to go, 80 s left" in progress_line(study, study.trials[-1], 20, later)


def test_a_timeout_is_time_left_too() -> None:
    lines: list[str] = []
    study = optuna.create_study()
    study.optimize(lambda t: 1.0, 1, callbacks=[Progress(lines.append, timeout=3600.0)])
    assert "60 min left" in lines[0]


def test_the_number_of_trials_is_known_from_the_sampler() -> None:
    lines: list[str] = []
    study = optuna.create_study(sampler=CQRSampler(n_trials=7, seed=0))
    study.optimize(lambda t: t.suggest_float("x", 0, 1), 2, callbacks=[Progress(lines.append)])
    assert "| 6 to go" in lines[0]
    assert "| 5 to go" in lines[1]


def test_any_sampler_and_several_objectives(capsys: pytest.CaptureFixture[str]) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), 1, callbacks=[Progress()])
    line = capsys.readouterr().out
    assert line.startswith("trial 0 | other sampler | ")
    assert line.endswith(", 1 | 1 on the front\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_logs_appear_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    handlers = list(optuna.logging.get_logger("optuna").handlers)
    with Progress(n_trials=3) as progress:
        study.optimize(lambda t: t.suggest_float("x", 0, 1), 2, callbacks=[progress])
        progress.write("a word")
        shown = terminal.getvalue().split("\r")[-1]
        assert "2/3" in shown
        assert "best " in shown
        assert "1 to go" in shown
    assert optuna.logging.get_logger("optuna").handlers == handlers
    study.optimize(lambda t: t.suggest_float("x", 0, 1), 1, callbacks=[progress])
    assert "3/3" in terminal.getvalue()
    assert optuna.logging.get_logger("optuna").handlers == handlers  # All are there: it is over.


def test_a_bar_of_an_unknown_number_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    study = optuna.create_study()
    with Progress() as progress:
        study.optimize(lambda t: 1.0, 3, n_jobs=2, callbacks=[progress])
        pickle.loads(pickle.dumps(progress))(study, study.trials[-1])
    assert "3 trials" in terminal.getvalue()
    assert "%" not in terminal.getvalue()


def test_interrupted_trials_are_no_progress() -> None:
    study, began = _timed(4, 10.0)
    study.add_trial(
        optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={"fail_reason": "no memory"})
    )
    assert "5 to go" in progress_line(study, study.trials[-1], 10, began)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"show": "print"}, "show="),
        ({"n_trials": 0}, "n_trials=0"),
        ({"n_trials": 2.5}, "n_trials=2.5"),
        ({"timeout": -1}, "timeout=-1"),
    ],
)
def test_a_wrong_argument_is_named(options: Any, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        Progress(**options)
