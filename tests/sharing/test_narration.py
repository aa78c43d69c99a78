"""What the log tells of a model at work."""

from __future__ import annotations

from collections.abc import Iterator
import logging
import time

import optuna
import pytest

from optuna_llm import LLMSampler
from optuna_llm.sharing import narration
from tests.support.models import well_behaved
from tests.support.server import ChatServer
from tests.support.server import error
from tests.support.server import script


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The messages of Optuna's log, as they come."""
    told: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, handler = logging.getLogger("optuna"), Handler()
    logger.addHandler(handler)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    yield told
    optuna.logging.set_verbosity(before)
    logger.removeHandler(handler)


def _loss(trial: optuna.Trial) -> float:
    return (trial.suggest_float("x", 0.0, 1.0) - 0.3) ** 2


def test_a_request_and_its_answer_are_told(lines: list[str]) -> None:
    with ChatServer(well_behaved()) as server:
        sampler = LLMSampler(
            "small", base_url=server.base_url, prices=(1.0, 4.0), seed=0, prefetch=False
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(_loss, n_trials=4)
    asked = [line for line in lines if line.startswith("Asking small, with a prompt of about ")]
    assert len(asked) == server.count > 0
    answered = [line for line in lines if ": small answered in " in line]
    assert answered
    assert "candidates, one is run, " in answered[0]
    assert answered[-1].endswith(f"So far {sampler.spending(study)}.")
    assert "cost 0.00" in answered[0]


def test_what_failed_is_told_with_who_took_over(lines: list[str]) -> None:
    with ChatServer(script(error(400, "no"))) as server:
        sampler = LLMSampler("small", base_url=server.base_url, seed=0, prefetch=False)
        study = optuna.create_study(sampler=sampler)
        study.optimize(_loss, n_trials=3)
    assert any("cannot be used, the embedded prior proposes instead" in line for line in lines)
    assert any("small brought nothing (ModelError)" in line for line in lines)
    told = [t.user_attrs for t in study.trials if t.user_attrs["llm:source"] == "fallback"]
    assert told
    assert told[0]["llm:rationale"].startswith("The embedded prior proposed, near the usual")


def test_a_long_wait_is_announced(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narration, "FIRST_WORD", 0.01)
    with narration.asking("small", 1000):
        for _ in range(1000):
            if any(line.startswith("Waiting for small since ") for line in lines):
                break
            time.sleep(0.01)
        else:
            raise AssertionError(lines)
    assert lines[0] == "Asking small, with a prompt of about 1,000 tokens."
