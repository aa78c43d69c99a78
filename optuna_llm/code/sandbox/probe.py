"""How far foreign code can be locked in on this machine, found out once by trying."""

from __future__ import annotations

import functools
import os

from optuna_llm.code.sandbox.level import Level
from optuna_llm.code.sandbox.level import level_of
from optuna_llm.code.sandbox.process import Sandbox
from optuna_llm.errors import SandboxError


@functools.cache
def sandbox_level() -> Level:
    """Return how far this machine lets foreign code be locked in.

    - ``"landlock"``: as namespaces, and the kernel itself refuses files and connections.
    - ``"namespaces"``: an empty world of users, processes, mounts, networks and files (Linux).
    - ``"limits"``: time, memory and files are limited, nothing is out of reach (macOS, containers
      that forbid namespaces).
    - ``"none"``: there are no limits either (Windows).

    It is tried once in a process.
    """
    if os.name != "posix":
        return "none"
    try:
        with Sandbox("def probe(): return 1", "probe", trust="limits", imports=()) as sandbox:
            sandbox()
            return level_of(sandbox.measures)
    except SandboxError:
        return "none"
