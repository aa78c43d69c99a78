"""Search spaces as plain data: names mapped to what may be chosen, in JSON or TOML.

An entry may say when its parameter applies, by the values that others must have: see
:mod:`optuna_llm.ask_tell.conditions`.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
from pathlib import Path
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.ask_tell.conditions import Conditions
from optuna_llm.errors import ConfigurationError
from optuna_llm.space.numbers import is_number


if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


_EXAMPLE = '{"lr": {"type": "float", "low": 1e-5, "high": 0.1, "log": true}}'
# Of each type: the fields that it must have, and those that it may have.
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "float": (("low", "high"), ("log", "step")),
    "int": (("low", "high"), ("log", "step")),
    "categorical": (("choices",), ()),
}


# Plain data that describes a search space, checked and complete.
Described = dict[str, dict[str, Any]]


def read_space(given: str) -> Described:
    """Read a search space.

    Args:
        given: The path of a JSON or TOML file, ``-`` for JSON on standard input, or the JSON
            object itself.

    Raises:
        ConfigurationError: It cannot be read, or is no search space.
    """
    return checked(_parsed(given))


def _parsed(given: str) -> Any:
    text, shown = given, "space"
    is_toml = False
    try:
        if given == "-":
            text = sys.stdin.read()
        elif not given.lstrip().startswith("{"):
            shown = f"space={given!r}"
            is_toml = given.lower().endswith(".toml")
            text = Path(given).read_text(encoding="utf-8")
        return _toml(text) if is_toml else json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"{shown} cannot be read ({reason}); name a JSON or TOML file, or give an object such"
            f" as {_EXAMPLE}"
        ) from None
    except ValueError as error:
        kind = "TOML" if is_toml else "JSON"
        raise ConfigurationError(
            f"{shown} is no {kind} ({error}); write an object such as {_EXAMPLE}"
        ) from None


def _toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def checked(space: object) -> Described:
    """Return plain data that describes a search space, in its shortest form.

    Args:
        space: As :func:`distributions` takes it; an entry may have ``when`` beside.

    Raises:
        ConfigurationError: It is something else.
    """
    known = distributions(space)
    when = conditions(space, known).when
    found = described(known)
    return {n: e | ({"when": dict(when[n])} if n in when else {}) for n, e in found.items()}


def conditions(space: object, known: Mapping[str, BaseDistribution]) -> Conditions:
    """Return when the parameters of a search space apply.

    Args:
        space: As :func:`checked` takes it.
        known: What :func:`distributions` says of it.

    Raises:
        ConfigurationError: A condition is not possible.
    """
    assert isinstance(space, Mapping)
    given = {str(n): e["when"] for n, e in space.items() if "when" in e}
    return Conditions.of(known, given)


def distributions(space: object) -> dict[str, BaseDistribution]:
    """Return the distributions that plain data describes.

    Args:
        space: Names mapped to objects with a ``type`` (``float``, ``int`` or ``categorical``) and
            the fields of Optuna's distribution: ``low``, ``high``, ``log``, ``step``, ``choices``.

    Raises:
        ConfigurationError: It is something else.
    """
    if not isinstance(space, Mapping) or not space:
        raise ConfigurationError(
            f"space must map names to what may be chosen; write an object such as {_EXAMPLE}"
        )
    return {str(name): _distribution(str(name), entry) for name, entry in space.items()}


def _distribution(name: str, entry: object) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution
    from optuna.distributions import FloatDistribution
    from optuna.distributions import IntDistribution

    kind = str(entry.get("type")) if isinstance(entry, Mapping) else ""
    if not isinstance(entry, Mapping) or kind not in _FIELDS:
        raise ConfigurationError(
            f"space[{name!r}]={entry!r:.80} has no known type; write 'float', 'int' or"
            f" 'categorical', as in {_EXAMPLE}"
        )
    required, optional = _FIELDS[kind]
    fields = {key: value for key, value in entry.items() if key not in ("type", "when")}
    wrong = [f for f in required if f not in fields]
    wrong += [f for f in fields if f not in (*required, *optional)]
    if wrong:
        fix = f"add {wrong[0]!r}" if wrong[0] in required else f"leave {wrong[0]!r} out"
        raise ConfigurationError(f"space[{name!r}]={dict(entry)!r:.80} is no {kind}; {fix}")
    known: dict[str, Any] = {"float": FloatDistribution, "int": IntDistribution}
    try:
        if kind != "categorical":
            _check_numbers(kind, fields)
            found: BaseDistribution = known[kind](**fields)
            return found
        if not isinstance(fields["choices"], list):
            raise TypeError("choices are no list")
        odd = [c for c in fields["choices"] if not isinstance(c, str | int | float | None)]
        if odd:
            raise TypeError(f"the choice {odd[0]!s} is neither a text nor a number")
        return CategoricalDistribution(fields["choices"])
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigurationError(
            f"space[{name!r}]={dict(entry)!r:.80} is not possible ({reason}); mend it"
        ) from None


def _check_numbers(kind: str, fields: Mapping[str, Any]) -> None:
    """Raise TypeError for what Optuna would take for a number, or round to one."""
    if not isinstance(fields.get("log", False), bool):
        raise TypeError(f"log is {fields['log']!r:.40}, neither true nor false")
    for key in fields.keys() & {"low", "high", "step"}:
        value = fields[key]
        is_finite = is_number(value) and math.isfinite(value)
        if not is_finite or (kind == "int" and value != int(value)):
            wanted = "a whole number" if kind == "int" else "a finite number"
            raise TypeError(f"{key} is {value!r:.40}, not {wanted}")


def described(space: Mapping[str, BaseDistribution]) -> Described:
    """Return the plain data that describes distributions."""
    from optuna.distributions import CategoricalDistribution
    from optuna.distributions import FloatDistribution
    from optuna.distributions import IntDistribution

    found = {}
    for name, d in space.items():
        if isinstance(d, CategoricalDistribution):
            found[name] = {"type": "categorical", "choices": list(d.choices)}
            continue
        assert isinstance(d, FloatDistribution | IntDistribution)
        is_int = isinstance(d, IntDistribution)
        entry: dict[str, Any] = {"type": "int" if is_int else "float"}
        entry |= {"low": d.low, "high": d.high}
        entry |= {"log": True} if d.log else {}
        entry |= {"step": d.step} if d.step not in (None, 1 if is_int else None) else {}
        found[name] = entry
    return found
