"""Shell workers on one study: loops of `optuna-llm ask` and `tell`, whose commands are killed.

As a command it runs as many trials as wanted with real processes, and prints what came of them::

    python -m tests.faults.shells --trials 200 --workers 8 --storage PostgreSQL
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import contextlib
import json
from multiprocessing import get_context
import os
from pathlib import Path
from random import Random
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any
from typing import Protocol

import optuna
from optuna.trial import TrialState

from optuna_llm.command.cli import main
from tests.faults.services import PostgreSQL


STUDY = "shells"
SPACE = (
    '{"x": {"type": "float", "low": 0, "high": 1},'
    ' "depth": {"type": "int", "low": 1, "high": 12},'
    ' "kind": {"type": "categorical", "choices": ["a", "b", "c"]}}'
)
# Of the commands so many are killed, at any moment of their work.
_KILLED_SHARE = 0.15
_KILLED = -9


class Command(Protocol):
    """A command at work."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> int:
        """Return its exit code."""


class Process(Command):
    """A command in a process of its own, as a shell would start it."""

    def __init__(self, words: Sequence[str], answer: Path) -> None:
        with open(answer, "wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "optuna_llm", *words],
                stdout=file,
                stderr=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        return self._process.wait()


class Fork(Command):
    """The same in a process that has imported everything before.

    It leaves its exit code in a file: multiprocessing loses codes where threads start processes,
    because each start polls the processes of all threads.
    """

    _context: Any = get_context("forkserver")

    def __init__(self, words: Sequence[str], answer: Path) -> None:
        self._context.set_forkserver_preload([__name__, "optuna_llm.ask_tell.asking", "psycopg"])
        self._code = answer.with_suffix(".code")
        self._code.unlink(missing_ok=True)
        files = str(answer), str(self._code)
        self._process = self._context.Process(target=_give, args=(list(words), *files))
        self._process.start()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        self._process.join()
        return int(self._code.read_text()) if self._code.exists() else _KILLED


def _give(words: list[str], answer: str, code: str) -> None:
    with open(answer, "w") as file, contextlib.redirect_stdout(file):
        found = main(words)
    # Whole or not at all, whenever it is killed.
    Path(f"{code}.new").write_text(str(found))
    os.replace(f"{code}.new", code)


def loss(params: dict[str, Any]) -> float:
    return (params["x"] - 0.3) ** 2 + (params["depth"] - 5) ** 2 / 20 + (params["kind"] != "b")


class Shells:
    """Workers, each a loop of commands.

    Args:
        storage: URL of the storage.
        kind: What a command is: a :class:`Process` or a :class:`Fork`.
        folder: For the answers of the commands.

    Attributes:
        told: What the workers have told, by trial, once the command had exit code 0.
        n_killed: Number of commands that were killed.
    """

    def __init__(self, storage: str, kind: type[Process | Fork], folder: Path) -> None:
        self._study = (storage, STUDY)
        self._kind = kind
        self._folder = folder
        self.told: dict[int, float] = {}
        self.n_killed = 0
        # What a command takes here: the last one that was not killed.
        self._seconds = 1.0

    def work(self, n_workers: int, n_trials: int) -> None:
        """Tell of so many trials, evenly shared among the workers."""
        each = [range(n_trials)[k::n_workers] for k in range(n_workers)]
        threads = [threading.Thread(target=self._loop, args=(k, e)) for k, e in enumerate(each)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _loop(self, worker: int, turns: range) -> None:
        rng = Random(worker)
        for turn in turns:
            answer = self._give(rng, worker, "ask", *self._study, "--json")
            (proposal,) = json.loads(answer)["proposals"]
            value = loss(proposal["params"])
            number = str(proposal["trial"])
            if turn % 5 == 0:
                suggestion = json.dumps({"x": rng.random(), "kind": "b"})
                self._give(rng, worker, "enqueue", *self._study, suggestion, "--json")
            self._give(rng, worker, "tell", *self._study, number, repr(value), "--json")
            self.told[proposal["trial"]] = value

    def _give(self, rng: Random, worker: int, *words: str) -> str:
        """Give a command until it has not been killed; a busy storage is tried again."""
        while True:
            path = self._folder / f"{worker}.json"
            begun = time.monotonic()
            command = self._kind(words, path)
            is_killed = rng.random() < _KILLED_SHARE
            if is_killed:
                time.sleep(rng.random() * self._seconds)
                command.kill()
            code = command.wait()
            if code == 0:
                self._seconds = time.monotonic() - begun
                return path.read_text()
            self.n_killed += code == _KILLED
            assert code in (_KILLED, 4), path.read_text()


def check(storage: str, shells: Shells) -> dict[str, Any]:
    """Check that nothing is lost and nothing there twice; return figures."""
    trials = optuna.load_study(study_name=STUDY, storage=storage).trials
    assert [t.number for t in trials] == list(range(len(trials)))
    stored = {t.number: t.value for t in trials if t.state == TrialState.COMPLETE}
    assert stored == shells.told
    open_ones = sum(t.state == TrialState.RUNNING for t in trials)
    assert len(trials) == len(stored) + open_ones
    # A trial is left open where its command was killed after it had begun, and only there.
    assert open_ones <= shells.n_killed
    rows = [repr(sorted(t.params.items())) for t in trials if t.state == TrialState.COMPLETE]
    return {
        "told": len(shells.told),
        "complete": len(stored),
        "left open by kills": open_ones,
        "commands killed": shells.n_killed,
        "equal configurations": len(rows) - len(set(rows)),
    }


def run(storage: str, kind: type[Process | Fork], n_workers: int, n_trials: int) -> dict[str, Any]:
    """Create a study, let workers loop, and return the figures."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        with contextlib.redirect_stdout(nowhere):
            assert main(["new", storage, STUDY, "--space", SPACE, "--seed", "0"]) == 0
        shells = Shells(storage, kind, Path(folder))
        shells.work(n_workers, n_trials)
        return check(storage, shells)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--storage", choices=("SQLite", "PostgreSQL"), default="SQLite")
    parser.add_argument(
        "--forks",
        action="store_true",
        help="commands are forks of a process that has imported everything: most of their time is"
        " then work on the study, and so most kills hit it",
    )
    given = parser.parse_args()
    kind = Fork if given.forks else Process
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        if given.storage == "SQLite":
            found = run(f"sqlite:///{folder}/s.db", kind, given.workers, given.trials)
        else:
            service = PostgreSQL(Path(folder))
            service.start()
            try:
                found = run(service.url, kind, given.workers, given.trials)
            finally:
                service.stop()
        print({**found, "seconds": round(time.monotonic() - begun)})


if __name__ == "__main__":
    _main()
