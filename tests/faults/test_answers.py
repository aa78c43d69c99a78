"""Studies of 60 trials whose model fails in the middle, in every way a server can."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import logging
from pathlib import Path
import random
import re
import time
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import pytest

from optuna_llm import report
from optuna_llm.errors import OptunaLLMError
from optuna_llm.provenance import SOURCES
from optuna_llm.provenance import Record
from optuna_llm.provenance import read_record
from tests.faults.answers import CANARY
from tests.faults.answers import MAIN
from tests.faults.answers import MISBEHAVIOURS
from tests.faults.conftest import Logged
from tests.faults.samplers import MODEL_SAMPLERS
from tests.faults.samplers import TIMEOUT
from tests.faults.samplers import model
from tests.faults.samplers import objective
from tests.faults.samplers import speaking_to
from tests.faults.secrets import assert_hidden
from tests.faults.secrets import traces_of_error
from tests.faults.secrets import traces_of_log
from tests.faults.secrets import traces_of_sampler
from tests.faults.secrets import traces_of_study
from tests.server import Answer
from tests.server import ChatServer
from tests.server import Script


N_TRIALS = 60
FIRST_FAULT, LAST_FAULT = 10, 34

pytestmark = pytest.mark.slow


class Run:
    """A study of 60 trials whose model behaves like ``fault`` from trial 10 to trial 34.

    Args:
        name: The sampler.
        server: The model's server.
        fault: What it then plays; None if it is away.
        options: For the study.
    """

    def __init__(
        self, name: str, server: ChatServer, fault: Script | None, **options: Any
    ) -> None:
        sampler = speaking_to(name, server.base_url, api_key=CANARY)
        self.study = optuna.create_study(sampler=sampler, **options)
        self.sampler: Any = self.study.sampler
        self._server = server
        self._fault = fault
        self._healthy = model()
        server.play(self._healthy)
        started = time.perf_counter()
        self.study.optimize(self._objective, n_trials=N_TRIALS, callbacks=[self._switch])
        self.seconds = time.perf_counter() - started
        found = [read_record(t) for t in self.study.trials]
        self.records: list[Record] = [r for r in found if r is not None]
        assert len(self.records) == N_TRIALS

    @staticmethod
    def _objective(trial: optuna.Trial) -> float:
        time.sleep(0.01)
        return objective(trial)

    def _switch(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.number == FIRST_FAULT - 1:
            if self._fault is None:
                self._server.stop()
            else:
                self._server.play(self._fault)
        elif trial.number == LAST_FAULT:
            if self._fault is None:
                self._server.start()
            self._server.play(self._healthy)

    @property
    def away(self) -> list[FrozenTrial]:
        """Trials whose request failed."""
        pairs = zip(self.study.trials, self.records, strict=True)
        return [t for t, r in pairs if r.error not in (None, "paused")]

    @property
    def fallbacks(self) -> list[FrozenTrial]:
        """Those of them that the model has had no part in."""
        return [t for t in self.away if t.user_attrs["llm:source"] == "fallback"]

    @property
    def waited(self) -> float:
        """The most seconds that the time limits of the failed requests allow."""
        failed = self.sampler.spending(self.study).failed_requests
        return float(TIMEOUT * max(failed, len(self.away)))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(model()) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def _imports() -> None:
    """Import what the first request imports, outside of what is timed."""
    with ChatServer(model()) as server:
        optuna.create_study(
            sampler=speaking_to("LLM", server.base_url, timeout=30, deadline=30)
        ).ask()


class _Healthy:
    """The seconds of studies without faults, by sampler; the first of a sampler is measured."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def __call__(self, name: str, *, again: bool = False) -> float:
        if again or name not in self._seconds:
            with ChatServer(model()) as server:
                run = Run(name, server, model())
            assert {r.error for r in run.records} == {None}
            self._seconds[name] = run.seconds
        return self._seconds[name]


healthy_seconds = _Healthy()


def assert_in_time(name: str, first: Run, rerun: Callable[[], Run]) -> None:
    """Fail if faults cost more than their time limits; look again where others used the machine.

    Args:
        name: The sampler.
        first: A study with faults.
        rerun: Runs it once more.
    """
    run, healthy = first, healthy_seconds(name)
    for _ in range(2):
        if run.seconds <= 1.2 * healthy + run.waited:
            return
        healthy, run = healthy_seconds(name, again=True), rerun()
    assert run.seconds <= 1.2 * healthy + run.waited


@pytest.mark.parametrize("fault", MAIN)
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_a_study_survives(
    name: str,
    fault: str,
    server: ChatServer,
    logged: Logged,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer, says = MAIN[fault].answer, MAIN[fault].says
    script: Script | None = None if answer is None else lambda _: answer
    run = Run(name, server, script)
    warnings, news = logged.messages(logging.WARNING), logged.messages(logging.INFO)
    page = report(run.study, tmp_path / "report.html").read_text()
    shown = [page, *traces_of_study(run.study), *traces_of_sampler(run.sampler)]
    assert_hidden([*shown, *traces_of_log(logged), *capfd.readouterr()])

    assert [t.state for t in run.study.trials] == [TrialState.COMPLETE] * N_TRIALS
    assert {t.user_attrs["llm:source"] for t in run.study.trials} <= set(SOURCES)
    # The model is used, goes away, is left alone (the breaker opens), and is used again.
    states = ["away" if r.error else "used" if r.source == "llm" else "" for r in run.records]
    assert "used" in states[:FIRST_FAULT]
    assert "away" not in states[:FIRST_FAULT]
    assert "paused" in {r.error for r in run.records}
    back = states.index("used", LAST_FAULT + 1)
    assert "away" not in states[back:]
    assert len(run.fallbacks) >= 3
    assert all(re.search(says, t.user_attrs["llm:rationale"]) for t in run.fallbacks)
    # The log says it once, and once that it is over.
    (warning,) = warnings
    assert re.search(f"the language model cannot be used, .* proposes instead. .*{says}", warning)
    assert len([m for m in news if "answers again" in m]) == 1
    assert_in_time(name, run, lambda: Run(name, server, script))


@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_a_study_survives_all_of_it_mixed(
    name: str,
    server: ChatServer,
    logged: Logged,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answers = [m.answer for m in MISBEHAVIOURS.values() if m.answer is not None]

    def mixed() -> Script:
        rng, healthy = random.Random(1), model()

        def reply(request: dict[str, Any]) -> Answer:
            return healthy(request) if rng.random() < 0.6 else rng.choice(answers)

        return reply

    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    run = Run(name, server, mixed(), storage=storage)
    assert len(run.study.get_trials(states=[TrialState.COMPLETE])) == N_TRIALS
    # One line each time that the model goes away, and one when it is back.
    asked = [r.error is not None for r in run.records if r.model and r.error != "paused"]
    changes = list(zip([False, *asked], asked, strict=False))
    assert changes.count((False, True)) >= 1
    assert len(logged.messages(logging.WARNING)) == changes.count((False, True))
    back = [m for m in logged.messages() if "answers again" in m]
    assert len(back) == changes.count((True, False))
    shown = [(tmp_path / "journal.log").read_text(), *traces_of_sampler(run.sampler)]
    assert_hidden([*shown, *traces_of_log(logged), *capfd.readouterr()])
    assert_in_time(name, run, lambda: Run(name, server, mixed()))


@pytest.mark.parametrize("fault", MISBEHAVIOURS)
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_an_error_that_is_raised_is_ours_and_holds_no_key(
    name: str,
    fault: str,
    server: ChatServer,
    logged: Logged,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer, says = MISBEHAVIOURS[fault].answer, MISBEHAVIOURS[fault].says
    cassette = tmp_path / "cassette.jsonl"
    options = {"api_key": CANARY, "on_error": "raise", "cassette": cassette, "max_retries": 1}
    sampler: BaseSampler = speaking_to(name, server.base_url, **options)
    study = optuna.create_study(sampler=sampler)
    with contextlib.ExitStack() as stack:
        if answer is None:
            server.stop()
            stack.callback(server.start)
        else:
            server.play(lambda _: answer)
        caught = stack.enter_context(pytest.raises(OptunaLLMError, match=says))
        study.optimize(objective, n_trials=5)
    shown = [*traces_of_error(caught.value), *traces_of_log(logged), *capfd.readouterr()]
    shown += [*traces_of_sampler(sampler), *traces_of_study(study)]
    assert_hidden([*shown, *(file.read_text() for file in tmp_path.iterdir())])
