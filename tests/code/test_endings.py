"""Nothing that foreign code has started outlives its deadline or its sandbox."""

from __future__ import annotations

from pathlib import Path
import textwrap

import pytest

from optuna_llm.code.sandbox import process
from optuna_llm.code.sandbox.process import Sandbox
from optuna_llm.errors import SandboxError
from tests.code.attempts import ISOLATION
from tests.code.attempts import PATIENCE
from tests.code.attempts import locked


@pytest.fixture
def without_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose kernel has no filter of system calls."""
    for name in ("child.py", "isolation.py"):
        text = ISOLATION.with_name(name).read_text()
        text = text.replace("def filter_calls() -> None:", "def filter_calls(): raise OSError", 1)
        cut = text.partition("def filter_calls(): raise OSError")
        (tmp_path / name).write_text(cut[0] + cut[1])
    monkeypatch.setattr(process, "_CHILD", tmp_path / "child.py")


def locked_in(sandbox: Sandbox) -> str:
    """Return the number of the process that runs the foreign code."""
    assert sandbox._process is not None
    watcher = sandbox._process._child.pid
    return Path(f"/proc/{watcher}/task/{watcher}/children").read_text().strip()


@locked
@pytest.mark.usefixtures("without_filter")
def test_nothing_outlives_its_deadline_by_leaving_the_group() -> None:
    source = """
def f(leave):
    import ctypes, os
    while leave:
        ctypes.CDLL(None).prctl(1, 0)  # Not to be killed when the parent is.
        if os.getpgid(0) != os.getpid():
            os.setsid()
"""
    with Sandbox(source, "f", seconds=PATIENCE, imports=("ctypes",)) as sandbox:
        sandbox(False)
        assert "seccomp" not in sandbox.measures
        number = locked_in(sandbox)
        assert Path("/proc", number).exists()
        sandbox._seconds = 0.5
        with pytest.raises(SandboxError, match="took longer"):
            sandbox(True)
        assert not Path("/proc", number).exists()


@locked
@pytest.mark.parametrize(
    "bomb",
    [
        "import atexit\natexit.register(lambda: open('/x', 'w'))",
        "class Bomb:\n    def __del__(self):\n        while True: pass\n"
        "f.__globals__['b'] = Bomb()",
        "import signal\nsignal.signal(14, lambda *_: f())\nsignal.setitimer(0, 1e-3)",
        "import __main__\nsent = __main__._write\n"
        "def after(*told):\n    sent(*told)\n    while True: pass\n__main__._write = after",
    ],
)
def test_nothing_outlives_its_sandbox(bomb: str) -> None:
    source = f"def f(*args):\n{textwrap.indent(bomb, '    ')}\n    return 1"
    imports = ("atexit", "signal")
    with Sandbox(source, "f", seconds=PATIENCE, imports=imports) as sandbox:
        assert sandbox() == 1
        number = locked_in(sandbox)
    assert not Path("/proc", number).exists()
