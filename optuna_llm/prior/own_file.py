"""Usual values that users state in a TOML file, its rows in the form of the table's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
import os
from pathlib import Path
import sys
from typing import Any

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.usual import Stated
from optuna_llm.prior.usual import Usual
from optuna_llm.prior.usual import as_choice


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_EXAMPLE = "lr = {usual = 0.001, range = [0.0003, 0.003]} under [rows]"
_OF_ALL = ("aliases", "source")
_OF_NUMBERS = ("usual", "spread", "range", "scale", "special", "relation", *_OF_ALL)


def read_rows(path: str | os.PathLike[str]) -> tuple[dict[str, Stated], str]:
    """Return what a file states by name, and its source.

    Args:
        path: The file.

    Raises:
        ConfigurationError: It cannot be read; the message says where and why.
    """
    file = Path(path)
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"path={str(path)!r}: cannot be read ({error.strerror}); give a TOML file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"path={str(path)!r}: not TOML ({error}); a row is written {_EXAMPLE}."
        ) from None
    _check_keys(file.name, said, ("source", "rows"))
    rows, source = said.get("rows"), said.get("source", file.name)
    if not isinstance(rows, dict) or not rows:
        raise ConfigurationError(f"{file.name} has no rows; write one, such as {_EXAMPLE}.")
    if not isinstance(source, str):
        raise ConfigurationError(f"{file.name}: source={source!r:.80} must be a text.")
    usual: dict[str, Stated] = {}
    for name, row in rows.items():
        where = f"{file.name}: row {name!r}"
        if not isinstance(row, dict):
            raise ConfigurationError(f"{where}: {row!r:.80} is no row; write it as in {_EXAMPLE}.")
        stated = _stated(where, name, row)
        for alias in (name, *_text(where, "aliases", row).split()):
            if alias in usual:
                raise ConfigurationError(f"{where}: {alias!r} is stated twice; leave one out.")
            usual[alias] = stated
    return usual, source


def _stated(where: str, name: str, row: Mapping[str, Any]) -> Stated:
    """Return what one row says."""
    source = _text(where, "source", row)
    try:
        if "usual" in row:
            _check_keys(where, row, _OF_NUMBERS)
            given = {k: v for k, v in row.items() if k not in ("usual", *_OF_ALL)}
            return Usual(row["usual"], source=source, **given)
        if "on" in row:
            _check_keys(where, row, ("on", *_OF_ALL))
            on = row["on"]
            if isinstance(on, bool) or not isinstance(on, int | float) or not 0 < on < 1:
                raise ConfigurationError(
                    f"on={on!r:.80} must be between 0 and 1: the probability of true."
                )
            weights: Mapping[Any, float] = {True: on, False: 1 - on}
        else:
            _check_keys(where, row, ("weights", *_OF_ALL))
            weights = row.get("weights", {})
        return replace(as_choice(name, weights), source=source)
    except ConfigurationError as error:
        text = str(error)
        raise ConfigurationError(text if text.startswith(where) else f"{where}: {text}") from None


def _text(where: str, field: str, row: Mapping[str, Any]) -> str:
    text = row.get(field, "")
    if not isinstance(text, str):
        raise ConfigurationError(f"{where}: {field}={text!r:.80} must be a text.")
    return text


def _check_keys(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise ConfigurationError(
                f"{where}: unknown key {key!r}; known are {', '.join(known)}. A number has"
                " 'usual', choices have 'weights', a switch has 'on'."
            )
