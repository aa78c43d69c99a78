"""A user's program, run for trial after trial: several at a time, resumed, retried, logged.

Each trial has a log file, and whoever runs it holds a lock on that file, the program itself
included. So nobody has to be told that a process was killed: a trial whose log nobody holds is
run again by whoever comes next, here or in another process on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
from dataclasses import dataclass
from datetime import datetime
import os
from pathlib import Path
import signal
import subprocess
import time
from typing import IO
from typing import TYPE_CHECKING
from typing import Any

from optuna.trial import TrialState

from optuna_llm.ask_tell.asking import ask
from optuna_llm.ask_tell.program import Metric
from optuna_llm.ask_tell.program import Outcome
from optuna_llm.ask_tell.program import Program
from optuna_llm.ask_tell.program import outcome
from optuna_llm.ask_tell.telling import tell
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import StorageError
from optuna_llm.history.stored import storage_errors
from optuna_llm.reporting.progress import progress_line


if TYPE_CHECKING:
    from optuna_llm.ask_tell.desk import Desk


try:
    import fcntl
except ImportError:  # Windows: a trial of a process that was killed stays as it is.
    fcntl = None  # type: ignore[assignment]

# By these a run is asked to stop.
_STOPS = (signal.SIGINT, signal.SIGTERM)
_POLL_SECONDS = 0.05
# Seconds that a program has to tidy up before it is killed.
_GRACE_SECONDS = 10.0
# Seconds between two tries of a storage that does not answer, and how often it is tried.
_STORAGE_SECONDS, _STORAGE_TRIES = 2.0, 30
_ATTEMPT = "=== optuna-llm: trial {}, attempt "


@dataclass(frozen=True)
class Plan:
    """How a program is to be run.

    Attributes:
        program: The program.
        metrics: Where its values stand, one for each objective.
        n_trials: How many trials the study shall have, those of others included, interrupted
            ones not.
        logs: Folder of the log files.
        jobs: How many run at a time.
        timeout: Seconds for one run; None without a limit.
        retries: How often a preempted trial is run again.
    """

    program: Program
    metrics: Sequence[Metric]
    n_trials: int
    logs: Path
    jobs: int = 1
    timeout: float | None = None
    retries: int = 2


@dataclass
class _Run:
    """A program at work for a trial."""

    trial: int
    params: Mapping[str, Any]
    log: IO[bytes]
    attempt: int
    offset: int
    process: subprocess.Popen[bytes]
    started: float
    is_late: bool = False


class Runner:
    """Runs a program for the trials of a study until there are enough of them.

    Args:
        desk: The study.
        plan: What to run, and how.
        show: Is called with what is to be said of each trial that has ended: a line for people,
            and the same as data.
    """

    def __init__(
        self, desk: Desk, plan: Plan, show: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._desk = desk
        self._plan = plan
        self._show = show
        self._runs: list[_Run] = []
        self._is_stopped = False
        self._began = datetime.now()
        try:
            plan.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"logs={str(plan.logs)!r} is no folder ({error.strerror}); name another one"
            ) from None

    def __call__(self) -> None:
        """Run until the study has its trials.

        An interrupt ends the programs; their trials are run again by the next call.

        Raises:
            StorageError: The storage has not answered for a minute.
            KeyboardInterrupt: Ctrl-C, or SIGTERM.
        """
        before = {number: signal.signal(number, self._note_stop) for number in _STOPS}
        try:
            while True:
                while len(self._runs) < self._plan.jobs and self._begin():
                    pass
                if not self._runs:
                    return
                # Until one has ended there is nothing new to begin.
                n_at_work = len(self._runs)
                while len(self._runs) == n_at_work:
                    self._rest(_POLL_SECONDS)
                    for run in list(self._runs):
                        self._look_after(run)
        finally:
            self._stop_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_stop(self, *_: object) -> None:
        """Take note of Ctrl-C or SIGTERM; a second one counts at once."""
        if self._is_stopped:
            raise KeyboardInterrupt
        self._is_stopped = True

    def _rest(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            KeyboardInterrupt: Somebody has asked to stop. Elsewhere a program that has just been
                started could be forgotten.
        """
        if self._is_stopped:
            raise KeyboardInterrupt
        time.sleep(seconds)

    # ---- begin

    def _begin(self) -> bool:
        """Begin a trial that nobody runs any more, or a new one; False if there is none."""
        own = {run.trial for run in self._runs}
        with storage_errors():
            observations = self._desk.history().observations
        for o in observations:
            path = self._path(o.number)
            if o.state == TrialState.RUNNING and o.number not in own and path.exists():
                log = self._locked(path)
                if log is not None:
                    # It may have ended while its log was looked at.
                    if self._is_running(o.number):
                        return self._start(o.number, o.trial.params, log)
                    log.close()
        n_counted = sum(not o.is_interrupted for o in observations)
        if n_counted >= self._plan.n_trials:
            return False
        (proposal,) = self._patiently(lambda: ask(self._desk)["proposals"])
        log = self._locked(self._path(proposal["trial"]))
        assert log is not None
        return self._start(proposal["trial"], proposal["params"], log)

    def _is_running(self, number: int) -> bool:
        with storage_errors():
            trials = self._desk.study.get_trials(deepcopy=False)
        return trials[number].state == TrialState.RUNNING

    def _start(self, trial: int, params: Mapping[str, Any], log: IO[bytes]) -> bool:
        program, head = self._plan.program, _ATTEMPT.format(trial)
        log.seek(0)
        attempt = log.read().count(head.encode()) + 1
        words = program.call(params, trial)
        log.write(f"{head}{attempt}: {' '.join(words)}\n".encode())
        log.flush()
        offset = log.tell()
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **program.environment(params, trial)},
                start_new_session=True,
            )
        except OSError as error:
            log.close()
            why = f"command={words[0]!r} cannot be run ({error.strerror})"
            self._patiently(lambda: tell(self._desk, trial, "interrupted", why=why))
            raise ConfigurationError(f"{why}; mend the path, or make it executable") from None
        started = time.monotonic()
        self._runs.append(_Run(trial, params, log, attempt, offset, process, started))
        return True

    def _path(self, trial: int) -> Path:
        return self._plan.logs / f"trial-{trial}.log"

    @staticmethod
    def _locked(path: Path) -> IO[bytes] | None:
        """Open a log that nobody else holds; None if somebody does."""
        log = open(path, "a+b")  # noqa: SIM115
        if fcntl is not None:
            try:
                # The program inherits the file, and holds the lock after this process has gone.
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                log.close()
                return None
        return log

    # ---- end

    def _look_after(self, run: _Run) -> None:
        """End a run that takes too long; tell what has come of one that has ended."""
        code = run.process.poll()
        seconds = time.monotonic() - run.started
        if code is None:
            if self._plan.timeout is not None and seconds > self._plan.timeout:
                run.is_late = True
                _end([run.process])
            return
        run.log.seek(run.offset)
        output = run.log.read().decode("utf-8", "replace")
        found = outcome(code, output, self._plan.metrics)
        if run.is_late:
            found = Outcome("failed", why=f"took longer than {self._plan.timeout:g} s")
        self._runs.remove(run)
        if found.kind == "preempted" and run.attempt <= self._plan.retries:
            line = f"trial {run.trial} | {found.why} | runs again"
            self._show(line, {"trial": run.trial, "state": "again", "why": found.why})
            self._start(run.trial, run.params, run.log)
            return
        ending: Any = {"failed": "failed", "preempted": "interrupted"}
        result = ending.get(found.kind, list(found.values))
        told = self._patiently(lambda: tell(self._desk, run.trial, result, why=found.why))
        run.log.close()
        trial = self._desk.study.get_trials(deepcopy=False)[run.trial]
        line = progress_line(self._desk.study, trial, self._plan.n_trials, self._began)
        line += f" | {seconds:.1f} s"
        line += f" | {found.why}" if found.why else ""
        beside = {"source": trial.user_attrs.get("llm:source", "other"), "why": found.why}
        beside |= {"seconds": round(seconds, 3), "attempts": run.attempt}
        self._show(line, {**told, "params": dict(trial.params), **beside})

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns; a storage that does not answer is asked again."""
        for left in reversed(range(_STORAGE_TRIES)):
            try:
                return call()
            except StorageError:
                if not left:
                    raise
                self._rest(_STORAGE_SECONDS)
        raise AssertionError

    def _stop_all(self) -> None:
        """End all programs; their trials stay running, for the next call to take up."""
        _end([run.process for run in self._runs])
        for run in self._runs:
            run.log.close()
        self._runs = []


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End programs and what they have started, and wait for them."""
    for sign in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        for process in processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    if hasattr(os, "killpg"):
                        os.killpg(process.pid, sign)
                    else:
                        process.terminate()
        until = time.monotonic() + _GRACE_SECONDS
        while any(p.poll() is None for p in processes) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
