"""Peers in environments of their own: what goes over the line, and what may go wrong."""

from __future__ import annotations

from collections.abc import Mapping
import json
import os
from pathlib import Path
import sys
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from benchmarks.peers.remote import PeerError
from benchmarks.peers.remote import opened
from benchmarks.peers.remote import running
from benchmarks.references import Reference
from benchmarks.samplers import ELSEWHERE
from benchmarks.samplers import Study
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import UnavailableError


class Mixed(Task):
    """Every kind of parameter, and failures."""

    name = "mixed/one"

    def __init__(self) -> None:
        self.space = {
            "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
            "max_depth": IntDistribution(1, 9),
            "n_units": IntDistribution(4, 512, log=True),
            "choice": CategoricalDistribution((None, True, 4, 2.5, "a b")),
        }

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Fail on deep trees."""
        if params["max_depth"] > 6:
            raise MemoryError("too deep")
        return float(params["learning_rate"])

    def find_reference(self) -> Reference:
        """Return any scale."""
        return Reference(0.0, 1.0, {})


def run(path: Path, trick: str = "", n_trials: int = 20) -> optuna.Study:
    task = Mixed()
    told = Study(task, 3, n_trials)
    log = str(path / "told.jsonl")
    with running(
        told, sys.executable, "tests.support.random_peer", log=log, trick=trick
    ) as sampler:
        study = optuna.create_study(sampler=sampler)
        study.enqueue_trial({"max_depth": 2, "learning_rate": 0.5})
        study.optimize(
            lambda trial: task.loss(task.ask(trial)), n_trials=n_trials, catch=(MemoryError,)
        )
    return study


def test_a_peer_proposes_and_is_told_everything(tmp_path: Path) -> None:
    study = run(tmp_path)
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert len(told) == len(study.trials) == 20
    choices = Mixed().space["choice"].choices  # type: ignore[attr-defined]
    for (number, params, loss), trial in zip(told, study.trials, strict=True):
        chosen = choices[int(params.pop("choice"))]
        assert (number, params | {"choice": chosen}, loss) == (
            trial.number,
            trial.params,
            trial.value,
        )
        assert type(chosen) is type(trial.params["choice"])
    assert {loss is None for _, _, loss in told} == {True, False}
    seen = {(type(t.params["choice"]), t.params["choice"]) for t in study.trials}
    assert len(seen) == 5
    assert len({t.params["learning_rate"] for t in study.trials}) == 20


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        ("raise", "random_peer: ValueError: no more points"),
        ("end", "random_peer has ended: out of luck"),
    ],
)
def test_an_error_of_a_peer_is_told(tmp_path: Path, trick: str, words: str) -> None:
    with pytest.raises(PeerError, match=words):
        run(tmp_path, trick)


def test_a_peer_ends_with_its_study(tmp_path: Path) -> None:
    run(tmp_path, n_trials=3)
    process = int((tmp_path / "told.jsonl.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_an_environment_that_is_missing_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.peers.remote.ENVIRONMENTS", tmp_path)
    with (
        pytest.raises(UnavailableError, match="no environment vizier: make peers"),
        opened(Study(Mixed(), 0, 9), "vizier_bandit", "vizier"),
    ):
        pass


@pytest.mark.parametrize("name", ELSEWHERE)
def test_every_peer_that_is_installed(name: str) -> None:
    task = Mixed()
    try:
        with ELSEWHERE[name].open(Study(task, 0, 8)) as sampler:
            study = optuna.create_study(sampler=sampler)
            study.enqueue_trial(task.default())
            study.optimize(
                lambda trial: task.loss(task.ask(trial)), n_trials=8, catch=(MemoryError,)
            )
    except UnavailableError as error:
        pytest.skip(f"{name}: {error}")
    assert len({tuple(t.params.values()) for t in study.trials}) > 4
