"""Several processes on one storage, and a model that takes its time."""

from __future__ import annotations

from collections import Counter
import json
import math
from multiprocessing import get_context
from pathlib import Path
import threading
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm.chat import Completion
from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import write_parts
from tests.support.models import Local
from tests.support.models import wait_for_answers
from tests.support.models import well_behaved
from tests.support.server import ChatServer


SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0),
    "y": FloatDistribution(1e-4, 1.0, log=True),
}


KNOWLEDGE = ("llm", "prior")


def objective(trial: optuna.Trial) -> float:
    # The best point is inside: workers that meet at an end of a range propose the same by right.
    x = trial.suggest_float("x", 0.0, 1.0)
    return (x - 0.3) ** 2 + math.log10(trial.suggest_float("y", 1e-4, 1.0, log=True) / 0.02) ** 2


def work(url: str, storage: str, n_trials: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = LLMSampler(
        "stand-in", base_url=url, search_space=SPACE, seed=0, max_requests=6, max_retries=0
    )
    study = optuna.load_study(study_name="shared", storage=storage, sampler=sampler)
    study.optimize(objective, n_trials=n_trials)


@pytest.mark.slow
def test_processes_share_history_budget_and_no_proposals(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(study_name="shared", storage=storage)
    with ChatServer(well_behaved()) as server:
        context = get_context("spawn")
        arguments = (server.base_url, storage, 20)
        workers = [context.Process(target=work, args=arguments) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [w.exitcode for w in workers] == [0, 0, 0]
        # Each worker may pass the limit by the one request it had under way.
        assert server.count <= 6 + len(workers)
    trials = study.trials
    assert len(trials) == 60
    assert all(t.state == TrialState.COMPLETE for t in trials)
    assert all("llm:source" in t.user_attrs for t in trials)
    proposed = [json.dumps(t.params) for t in trials]
    by_knowledge = [
        p for p, t in zip(proposed, trials, strict=True) if t.user_attrs["llm:source"] in KNOWLEDGE
    ]
    assert max(Counter(by_knowledge).values()) == 1
    # Two workers that ask the base sampler within the same milliseconds do not see each other,
    # and may both move the best trial to the same end of a range.
    assert len(set(proposed)) >= 58


class Slow(Local):
    """A model that answers in the background as soon as the objective has begun, not earlier."""

    def __init__(self) -> None:
        super().__init__(well_behaved())
        self.objective_runs = threading.Event()
        self.n_hidden = self.n_waited_for = 0

    def complete(self, messages: Any, *, schema: Any = None, **options: Any) -> Completion:
        if threading.current_thread() is threading.main_thread():
            self.n_waited_for += 1
        else:
            assert self.objective_runs.wait(600), "a proposal waits for an answer to come"
            self.n_hidden += 1
        return super().complete(messages, schema=schema, **options)


def test_latency_of_the_model_hides_behind_the_objective() -> None:
    n_trials, slow = 50, Slow()
    study = optuna.create_study(sampler=LLMSampler(slow, search_space=SPACE, seed=0))
    for _ in range(n_trials):
        trial = study.ask(SPACE)
        slow.objective_runs.set()
        value = objective(trial)
        wait_for_answers()  # The objective takes as long as the model.
        slow.objective_runs.clear()
        study.tell(trial, value)
    # The first trials have nothing to ask in advance with.
    assert slow.n_waited_for <= 0.1 * n_trials
    assert slow.n_hidden > slow.n_waited_for


@pytest.mark.parametrize(
    "sampler",
    [CQRSampler(seed=0), LLMSampler(Local(well_behaved()), search_space=SPACE, seed=0)],
    ids=lambda sampler: type(sampler).__name__,
)
def test_of_two_workers_that_come_to_the_same_one_proposes_anew(
    sampler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=12)
    propose = sampler._propose
    twins: list[dict[str, Any]] = []

    def propose_beside_a_twin(*arguments: Any) -> Any:
        proposal = propose(*arguments)
        if proposal is not None and not twins:
            params = proposal[0] if isinstance(proposal, tuple) else proposal.params
            twin = study._storage.create_new_trial(study._study_id)
            frozen = study._storage.get_trial(twin)
            write_parts(study, frozen, Announcement.native(SPACE, params))
            twins.append(params)
        return proposal

    monkeypatch.setattr(sampler, "_propose", propose_beside_a_twin)
    while not twins:
        before = len(study.trials)
        study.optimize(objective, n_trials=1)
    theirs, mine = twins[0], study.trials[before]
    assert mine.state == TrialState.COMPLETE
    assert max(abs(mine.params[n] - theirs[n]) for n in SPACE) > 1e-4
    assert Announcement.read(mine).decoded(SPACE) == mine.params
