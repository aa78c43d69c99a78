"""Several processes on one storage, and time: what only shows in a real run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import json
import math
from multiprocessing import get_context
from pathlib import Path
import time
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
import pytest

from optuna_llm import LLMSampler
from tests.models import well_behaved
from tests.server import ChatServer


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
            worker.join(300)
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


def duration(sampler: BaseSampler, seconds: float, n_trials: int) -> float:
    def slow(trial: optuna.Trial) -> float:
        value = objective(trial)
        time.sleep(seconds)
        return value

    study = optuna.create_study(sampler=sampler)
    start = time.perf_counter()
    study.optimize(slow, n_trials=n_trials)
    return time.perf_counter() - start


@pytest.mark.slow
def test_latency_of_the_model_hides_behind_the_objective() -> None:
    seconds, n_trials = 1.0, 50
    answer: Callable[[dict[str, Any]], Any] = well_behaved()

    def thinking(request: dict[str, Any]) -> Any:
        time.sleep(seconds)
        return answer(request)

    with ChatServer(thinking) as server:
        sampler = LLMSampler("stand-in", base_url=server.base_url, search_space=SPACE, seed=0)
        with_model = duration(sampler, seconds, n_trials)
        assert server.count >= 3
    assert with_model <= 1.1 * duration(RandomSampler(seed=0), seconds, n_trials)
