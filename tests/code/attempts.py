"""What the tests of the sandbox share: a function that tries something in it."""

from __future__ import annotations

from pathlib import Path
import textwrap
from typing import Any

import pytest

from optuna_llm.code.sandbox import process
from optuna_llm.code.sandbox.probe import sandbox_level
from optuna_llm.code.sandbox.process import Sandbox
from optuna_llm.errors import SandboxError


# No call here takes a second; this is for a machine that is very busy.
PATIENCE = 60.0
ISOLATION = Path(process.__file__).with_name("isolation.py")

locked = pytest.mark.skipif(
    sandbox_level() not in ("namespaces", "landlock"),
    reason=f"this machine locks foreign code in by {sandbox_level()} only",
)


def attempt(body: str, seconds: float = PATIENCE, **options: Any) -> Any:
    """Return what a function with a body returns in the sandbox."""
    source = "def f(*args):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    with Sandbox(source, "f", seconds=seconds, **options) as sandbox:
        return sandbox()


def refused(body: str, message: str, **options: Any) -> None:
    with pytest.raises(SandboxError, match=message) as raised:
        attempt(body, **options)
    assert len(str(raised.value).splitlines()) == 1
