"""Optional packages, imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from optuna_llm.errors import MissingExtraError


def import_extra(package: str, *parts: str, extra: str, need: str) -> Any:
    """Return an optional package, with some of its parts imported.

    Args:
        package: Its name.
        parts: Names of submodules, such as ``plotly.subplots``.
        extra: The extra of this package that brings it.
        need: What needs it, in the plural.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        for part in parts:
            importlib.import_module(part)
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f'{need} need {package}; install it with: pip install "optuna-llm[{extra}]"'
        ) from error
