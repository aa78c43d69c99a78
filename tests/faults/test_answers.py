"""Studies of 60 trials whose model fails in the middle, in every way a server can."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import logging
from pathlib import Path
import random
import re
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
from optuna_llm.history.origin import SOURCES
from tests.faults.answers import CANARY
from tests.faults.answers import IMPATIENT
from tests.faults.answers import MAIN
from tests.faults.answers import MISBEHAVIOURS
from tests.faults.answers import PATIENT
from tests.faults.conftest import Logged
from tests.faults.samplers import MODEL_SAMPLERS
from tests.faults.samplers import limit_waiting
from tests.faults.samplers import model
from tests.faults.samplers import objective
from tests.faults.samplers import speaking_to
from tests.faults.secrets import assert_hidden
from tests.faults.secrets import traces_of_error
from tests.faults.secrets import traces_of_log
from tests.faults.secrets import traces_of_sampler
from tests.faults.secrets import traces_of_study
from tests.support.records import records
from tests.support.server import Answer
from tests.support.server import ChatServer
from tests.support.server import Script


N_TRIALS = 60
FIRST_FAULT, LAST_FAULT = 10, 34
# Proposals at random soon earn a model few turns: only in the start-up it keeps its share, and
# with few candidates in an answer it is asked often.
OFTEN: dict[str, dict[str, Any]] = {"LLM": {"n_candidates": 2, "n_startup_trials": N_TRIALS}}

pytestmark = pytest.mark.slow


class Run:
    """A study of 60 trials whose model behaves like ``fault`` from trial 10 to trial 34.

    Args:
        name: The sampler.
        server: The model's server.
        fault: What it then plays; None if it is away.
        limit: Seconds that a request then may take.
        options: For the study.
    """

    def __init__(
        self,
        name: str,
        server: ChatServer,
        fault: Script | None,
        limit: float = PATIENT,
        **options: Any,
    ) -> None:
        often = OFTEN.get(name, {})
        sampler = speaking_to(name, server.base_url, api_key=CANARY, **often)
        self.study = optuna.create_study(sampler=sampler, **options)
        self.sampler: Any = self.study.sampler
        self._server = server
        self._fault = fault
        self._limit = limit
        self._healthy = model()
        server.play(self._healthy)
        self.study.optimize(objective, n_trials=N_TRIALS, callbacks=[self._switch])
        self.records = records(self.study)
        assert len(self.records) == N_TRIALS

    def _switch(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.number == FIRST_FAULT - 1:
            limit_waiting(self.sampler, self._limit)
            if self._fault is None:
                self._server.stop()
            else:
                self._server.play(self._fault)
        elif trial.number == LAST_FAULT:
            limit_waiting(self.sampler, PATIENT)
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

    def assert_in_time(self, waits: list[float]) -> None:
        """Fail if faults cost more than the time limits of a few requests.

        That each request keeps its limit shows in the study's having ended: some of the servers
        never let go. Between the requests nobody waits.

        Args:
            waits: The seconds that were waited between requests.
        """
        assert waits == []
        n_known = self.sampler.spending(self.study).requests
        # One may be under way at the end, for a trial that does not come.
        assert self._server.count <= n_known + 1
        assert len(self.away) <= (LAST_FAULT + 1 - FIRST_FAULT) / 2


@dataclass(frozen=True)
class Scene:
    """A model's server, a folder, and all that a test lets people see.

    Attributes:
        server: The server.
        logged: What is logged.
        delays: The seconds that are waited between requests.
        folder: Where the test may write.
        printed: What is printed.
    """

    server: ChatServer
    logged: Logged
    delays: list[float]
    folder: Path
    printed: pytest.CaptureFixture[str]

    def shown(self) -> list[str]:
        """Return all that has been logged, printed and written down so far."""
        files = [file.read_text() for file in self.folder.iterdir()]
        return [*traces_of_log(self.logged), *self.printed.readouterr(), *files]


@pytest.fixture
def scene(
    logged: Logged, delays: list[float], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    with ChatServer(model()) as server:
        yield Scene(server, logged, delays, tmp_path, capfd)


@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_without_a_fault_every_request_is_answered(name: str, scene: Scene) -> None:
    assert {r.error for r in Run(name, scene.server, model()).records} == {None}


@pytest.mark.parametrize("fault", MAIN)
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_a_study_survives(name: str, fault: str, scene: Scene) -> None:
    answer, says = MAIN[fault].answer, MAIN[fault].says
    script: Script | None = None if answer is None else lambda _: answer
    run = Run(name, scene.server, script, MAIN[fault].limit)
    warnings, news = scene.logged.messages(logging.WARNING), scene.logged.messages(logging.INFO)
    report(run.study, scene.folder / "report.html")
    assert_hidden([*scene.shown(), *traces_of_study(run.study), *traces_of_sampler(run.sampler)])

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
    run.assert_in_time(scene.delays)


@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_a_study_survives_all_of_it_mixed(name: str, scene: Scene) -> None:
    answers = [m.answer for m in MISBEHAVIOURS.values() if m.answer is not None]

    rng, healthy = random.Random(1), model()

    def mixed(request: dict[str, Any]) -> Answer:
        return healthy(request) if rng.random() < 0.6 else rng.choice(answers)

    storage = JournalStorage(JournalFileBackend(str(scene.folder / "journal.log")))
    run = Run(name, scene.server, mixed, IMPATIENT, storage=storage)
    assert len(run.study.get_trials(states=[TrialState.COMPLETE])) == N_TRIALS
    # One line each time that the model goes away, and one when it is back.
    asked = [r.error is not None for r in run.records if r.model and r.error != "paused"]
    changes = list(zip([False, *asked], asked, strict=False))
    assert changes.count((False, True)) >= 1
    assert len(scene.logged.messages(logging.WARNING)) == changes.count((False, True))
    back = [m for m in scene.logged.messages() if "answers again" in m]
    assert len(back) == changes.count((True, False))
    assert_hidden([*scene.shown(), *traces_of_sampler(run.sampler)])
    run.assert_in_time(scene.delays)


@pytest.mark.parametrize("fault", MISBEHAVIOURS)
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_an_error_that_is_raised_is_ours_and_holds_no_key(
    name: str, fault: str, scene: Scene
) -> None:
    answer, says = MISBEHAVIOURS[fault].answer, MISBEHAVIOURS[fault].says
    limit, cassette = MISBEHAVIOURS[fault].limit, scene.folder / "cassette.jsonl"
    options = {"api_key": CANARY, "on_error": "raise", "cassette": cassette, "max_retries": 1}
    # Room for the second request.
    options |= {"timeout": limit, "deadline": 10 * limit}
    sampler: BaseSampler = speaking_to(name, scene.server.base_url, **options)
    study = optuna.create_study(sampler=sampler)
    with contextlib.ExitStack() as stack:
        if answer is None:
            scene.server.stop()
            stack.callback(scene.server.start)
        else:
            scene.server.play(lambda _: answer)
        caught = stack.enter_context(pytest.raises(OptunaLLMError, match=says))
        study.optimize(objective, n_trials=5)
    assert_hidden([*scene.shown(), *traces_of_error(caught.value)])
    assert_hidden([*traces_of_sampler(sampler), *traces_of_study(study)])
