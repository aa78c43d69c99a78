"""The line on each finished trial."""

from __future__ import annotations

import optuna
import pytest

from optuna_llm import LLMSampler
from optuna_llm import Progress
from optuna_llm.errors import ConfigurationError
from tests.support.models import well_behaved
from tests.support.server import ChatServer


def _loss(trial: optuna.Trial) -> float:
    if trial.number == 1:
        raise ValueError
    return (trial.suggest_float("x", 0.0, 1.0) - 0.3) ** 2


def test_source_value_best_and_spending() -> None:
    lines: list[str] = []
    with ChatServer(well_behaved()) as server:
        sampler = LLMSampler("small", base_url=server.base_url, seed=0, prefetch=False)
        study = optuna.create_study(sampler=sampler)
        study.optimize(_loss, 4, catch=(ValueError,), callbacks=[Progress(lines.append)])
    assert len(lines) == 4
    assert lines[0].startswith("trial 0 | prior | ")
    assert "| fail | best " in lines[1]
    best = study.best_trial
    assert f"| best {best.value:.6g}"[:12] in lines[3]
    assert f"(trial {best.number}) | " in lines[3]
    assert lines[3].endswith(str(sampler.spending(study)))


def test_any_sampler_and_several_objectives(capsys: pytest.CaptureFixture[str]) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), 1, callbacks=[Progress()])
    line = capsys.readouterr().out
    assert line.startswith("trial 0 | other sampler | ")
    assert line.endswith(", 1 | 1 on the front\n")


def test_what_shows_it_must_be_a_function() -> None:
    with pytest.raises(ConfigurationError, match="show="):
        Progress(show="print")  # type: ignore[arg-type]
