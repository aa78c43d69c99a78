"""How far foreign code is locked in, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from optuna_llm.errors import ConfigurationError


# From the least to the most; each holds those before it.
Level = Literal["none", "limits", "namespaces", "landlock"]
Trust = Literal["limits", "in-process"]


def level_of(measures: Iterable[str]) -> Level:
    """Return the level of some measures that a process has taken."""
    taken = set(measures)
    if not taken:
        return "none"
    if "namespaces" not in taken:
        return "limits"
    return "landlock" if "landlock" in taken else "namespaces"


def check_level(level: Level, trust: Trust | None) -> None:
    """Raise ConfigurationError where a level is less than what is asked for."""
    if level in ("namespaces", "landlock") or (trust == "limits" and level == "limits"):
        return
    reached = {
        "limits": "this machine limits time, memory and files, but puts nothing out of reach of"
        " foreign code: it has no unprivileged namespaces",
        "none": "this machine cannot limit foreign code",
    }[level]
    more = " trust='limits' to run it with these limits, or" if level == "limits" else ""
    raise ConfigurationError(
        f"trust={trust!r}: {reached}. Pass{more} trust='in-process' to run it as your own."
    )
