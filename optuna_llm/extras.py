"""Optional packages, imported when they are first needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import Any

from optuna_llm.errors import MissingExtraError


_PROJECT = "optuna-llm"


def import_extra(package: str, *parts: str, extra: str, need: str) -> Any:
    """Return an optional package, with some of its parts imported.

    Args:
        package: Its name.
        parts: Names of submodules, such as ``plotly.subplots``.
        extra: The extra of this package that brings it.
        need: What needs it, with the verb, such as "Figures need".

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        for part in parts:
            importlib.import_module(part)
        return importlib.import_module(package)
    except ImportError as error:
        raise missing_extra(package, extra=extra, need=need) from error


def check_extra(package: str, *, extra: str, need: str) -> None:
    """Look whether an optional package is installed, without the time that its import takes.

    Args:
        package: Its name.
        extra: The extra of this package that brings it.
        need: What needs it, with the verb.

    Raises:
        MissingExtraError: It is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise missing_extra(package, extra=extra, need=need)


def missing_extra(package: str, *, extra: str, need: str) -> MissingExtraError:
    """Return the error that says how to install an optional package."""
    return MissingExtraError(
        f"{need} {package}; install it with: {install_command(extra)}"
        f' (the extra "{extra}" of {_PROJECT})'
    )


def install_command(extra: str) -> str:
    """Return a command that installs what an extra brings, wherever this package came from.

    It names the packages themselves: "optuna-llm[...]" would be looked for on PyPI, also where
    this package was installed from a clone or a wheel.
    """
    found = _requirements(extra)
    if not found:  # Nobody has installed this package: it runs from its source.
        return f'pip install ".[{extra}]", in a clone of {_PROJECT}'
    return " ".join(["pip install", *(f'"{requirement}"' for requirement in found)])


def _requirements(extra: str) -> list[str]:
    from packaging.requirements import Requirement

    try:
        lines = importlib.metadata.requires(_PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found: list[str] = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            continue  # Installed in any case.
        if not marker.evaluate({"extra": extra}):
            continue
        if requirement.name == _PROJECT:
            found += [own for part in sorted(requirement.extras) for own in _requirements(part)]
        else:
            found.append(f"{requirement.name}{requirement.specifier}")
    return found
