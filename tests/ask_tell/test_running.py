"""Programs that are not Python, run for trial after trial: by `sh`, which is everywhere here."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

from optuna.trial import TrialState
import pytest

from optuna_llm.ask_tell.desk import Desk
from optuna_llm.ask_tell.desk import new
from optuna_llm.ask_tell.desk import open_desk
from optuna_llm.ask_tell.program import Metric
from optuna_llm.ask_tell.program import Program
from optuna_llm.ask_tell.running import Plan
from optuna_llm.ask_tell.running import Runner
from optuna_llm.errors import ConfigurationError


pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
SPACE = {"x": {"type": "float", "low": 0.0, "high": 1.0}}


@pytest.fixture
def desk(storage: str) -> Desk:
    new(storage, "s", SPACE, seed=0)
    return open_desk(storage, "s")


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(desk: Desk, tmp_path: Path) -> Run:
    """Run a script of the shell, to which $1 is x and $2 the trial; return what was shown."""

    def runs(script: str, n_trials: int = 3, **options: Any) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = []
        program = Program.of(["sh", "-c", script, "sh", "{x}", "{trial}"], ["x"])
        plan = Plan(program, [Metric()], n_trials, tmp_path / "logs", **options)
        Runner(desk, plan, lambda line, told: shown.append({"line": line, **told}))()
        return shown

    return runs


def wait_for_all(log: Path) -> None:
    """Wait until nobody holds a log any more; what was told to end takes its time."""
    fcntl = pytest.importorskip("fcntl")
    with open(log, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def test_each_trial_is_run_told_and_logged(run: Run, desk: Desk, tmp_path: Path) -> None:
    shown = run('echo "at $1" >&2; echo $1; echo $OPTUNA_LLM_PARAMS')
    trials = desk.study.trials
    assert [t.value for t in trials] == [t.params["x"] for t in trials]
    assert [s["trial"] for s in shown] == [0, 1, 2]
    assert shown[0]["line"].startswith("trial 0 | prior | 0.5 | best 0.5 (trial 0) | ")
    log = (tmp_path / "logs" / "trial-1.log").read_text()
    x = trials[1].params["x"]
    assert log.endswith(f'at {x}\n{x}\n{{"x": {x}}}\n')
    # There are enough of them now.
    assert run("echo 1") == []


def test_several_run_at_a_time(run: Run, desk: Desk, tmp_path: Path) -> None:
    # Each waits for another one to be there.
    wait = f"while [ $(ls {tmp_path}/*.here | wc -l) -lt 2 ]; do sleep 0.1; done"
    run(f"touch {tmp_path}/$2.here; {wait}; echo 1", 2, jobs=2, timeout=120.0)
    assert [t.state for t in desk.study.trials] == [TrialState.COMPLETE] * 2


def test_a_failure_says_why(run: Run, desk: Desk) -> None:
    run('[ $2 = 0 ] && echo "no disk" && exit 4; [ $2 = 1 ] && exit 0; echo 1')
    first, second, third = desk.history().observations
    assert first.failure == "exit code 4: no disk"
    assert second.failure == "its output has no number at a line with a number"
    assert third.values == (1.0,)
    assert not first.is_interrupted


def test_what_takes_too_long_is_ended_with_all_its_children(
    run: Run, desk: Desk, tmp_path: Path
) -> None:
    run("sh -c 'sleep 1000' & wait", 1, timeout=1.0)
    (observation,) = desk.history().observations
    assert observation.failure == "took longer than 1 s"
    wait_for_all(tmp_path / "logs" / "trial-0.log")


def test_a_preempted_trial_is_run_again_and_at_last_given_up(
    run: Run, desk: Desk, tmp_path: Path
) -> None:
    once = f"[ $2 = 0 ] && ! [ -e {tmp_path}/seen ] && touch {tmp_path}/seen && kill -TERM $$"
    shown = run(f"{once}; [ $2 = 1 ] && exit 75; echo 1", 2, retries=1)
    first, second, third = desk.history().observations
    assert first.values == (1.0,)
    assert second.is_interrupted
    # What was interrupted does not count as one of the two.
    assert third.values == (1.0,)
    ends = [(s["trial"], s["state"], s.get("attempts")) for s in shown]
    assert ends == [
        (0, "again", None),
        (0, "complete", 2),
        (1, "again", None),
        (1, "fail", 2),
        (2, "complete", 1),
    ]
    assert (tmp_path / "logs" / "trial-1.log").read_text().count("attempt") == 2


def test_a_program_that_is_not_there_is_one_error(desk: Desk, tmp_path: Path) -> None:
    plan = Plan(Program.of(["./nothing", "{x}"], ["x"]), [Metric()], 3, tmp_path / "logs")
    with pytest.raises(ConfigurationError, match=r"'\./nothing' cannot be run.*mend the path"):
        Runner(desk, plan, lambda line, told: None)()
    assert len(desk.study.trials) == 1


def test_a_folder_that_cannot_be_is_one_error(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    plan = Plan(Program(("true",)), [Metric()], 3, tmp_path / "logs")
    with pytest.raises(ConfigurationError, match="logs"):
        Runner(desk, plan, lambda line, told: None)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_was_killed_is_resumed(
    desk: Desk, storage: str, tmp_path: Path, how: signal.Signals
) -> None:
    begun = tmp_path / "begun"
    # The first time, the second trial never ends by itself.
    script = f"[ $2 = 1 ] && ! [ -e {begun} ] && echo $$ > {begun} && sleep 1000; echo $1"
    words = [sys.executable, "-m", "optuna_llm", "run", storage, "s", "--trials", "4"]
    words += ["--logs", str(tmp_path / "logs"), "--", "sh", "-c", script, "sh", "{x}", "{trial}"]
    first = subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL)
    while not begun.exists() or not begun.read_text().endswith("\n"):
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(how)
    assert first.wait() == (-how if how == signal.SIGKILL else 130)
    left = int(begun.read_text())
    if how == signal.SIGKILL:
        # The program has outlived it, and keeps its trial for itself.
        os.killpg(left, signal.SIGKILL)
    wait_for_all(tmp_path / "logs" / "trial-1.log")
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    trials = desk.study.trials
    assert [t.number for t in trials] == [0, 1, 2, 3]
    assert [t.value for t in trials] == [t.params["x"] for t in trials]
    assert "attempt 2" in (tmp_path / "logs" / "trial-1.log").read_text()


def test_a_trial_that_somebody_else_runs_is_left_alone(
    run: Run, desk: Desk, tmp_path: Path
) -> None:
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "logs").mkdir()
    desk.study.ask(desk.setup.distributions)
    with open(tmp_path / "logs" / "trial-0.log", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run("echo 1", 2)
        assert [t.state for t in desk.study.trials] == [TrialState.RUNNING, TrialState.COMPLETE]
    run("echo 1", 2)
    assert [t.state for t in desk.study.trials] == [TrialState.COMPLETE] * 2
