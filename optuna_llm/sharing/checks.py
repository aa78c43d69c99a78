"""Checks of arguments that several samplers have; each names argument, value and fix."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import os
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import BruteForceSampler
from optuna.samplers import GridSampler

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.space.numbers import is_number
from optuna_llm.space.numbers import whole_number


_MAX_SHOWN = 80


def shown(name: str, value: object) -> str:
    """Show an argument as it was given, shortened."""
    text = repr(value)
    return f"{name}={text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + '…'}"


def checked_count(name: str, value: Any, least: int, most: int = 1_000_000) -> int:
    """Return a whole number within bounds; NumPy's are fine, floats and bools are not."""
    number = whole_number(value)
    if number is None or not least <= number <= most:
        raise ConfigurationError(
            f"{shown(name, value)} must be a whole number from {least} to {most:,}."
        )
    return number


def checked_seed(seed: Any) -> int | None:
    """Return a seed, or None for a random one."""
    number = whole_number(seed)
    if seed is not None and (number is None or not 0 <= number < 2**32):
        raise ConfigurationError(
            f"{shown('seed', seed)} must be None or a whole number below 2**32, not negative."
        )
    return number


def checked_flag(name: str, value: Any) -> bool:
    """Return a truth value; a text such as "no" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigurationError(f"{shown(name, value)} must be True or False.")
    return bool(value)


def checked_share(name: str, value: Any, low: float, high: float, *, ends: bool = True) -> float:
    """Return a number from ``low`` to ``high``, or strictly between them."""
    # An integer beyond every float is beyond these bounds, too.
    number = float(min(max(value, low - 1), high + 1)) if is_number(value) else float("nan")
    if not (low <= number <= high if ends else low < number < high):
        between = f"from {low:g} to {high:g}" if ends else f"between {low:g} and {high:g}"
        raise ConfigurationError(f"{shown(name, value)} must be a number {between}.")
    return number


def check_choice(name: str, value: Any, allowed: Sequence[str | None], why: str = "") -> None:
    """Raise ConfigurationError for what is none of the values that an argument may have."""
    if not (value is None or isinstance(value, str)) or value not in allowed:
        options = why or "choose one of " + ", ".join(repr(a) for a in allowed)
        raise ConfigurationError(f"{shown(name, value)} is not known; {options}.")


def checked_prior(name: str, value: Any) -> EmbeddedPrior:
    """Return usual values, those of the table alone where None is given."""
    if value is None:
        return EmbeddedPrior()
    if not isinstance(value, EmbeddedPrior):
        raise ConfigurationError(
            f"{shown(name, value)} must be an optuna_llm.Prior, such as"
            ' Prior({"lr": Usual(0.001)}), or be left out for the embedded one.'
        )
    return value


def check_sampler(name: str, value: Any) -> None:
    """Raise ConfigurationError for what is no sampler that can share a study with others."""
    if not isinstance(value, BaseSampler):
        hint = " (this is the class)" if isinstance(value, type) else ""
        raise ConfigurationError(
            f"{shown(name, value)} is not an Optuna sampler{hint}; pass an instance, such as"
            " optuna.samplers.TPESampler()."
        )
    for sampler in with_inner(value):
        if isinstance(sampler, GridSampler | BruteForceSampler):
            raise ConfigurationError(
                f"{name}={type(sampler).__name__} goes through a grid point by point, which trials"
                " of others would use up, so that points are never run; use it alone, or pass"
                " another one, such as optuna.samplers.QMCSampler()."
            )


def with_inner(sampler: BaseSampler, seen: tuple[BaseSampler, ...] = ()) -> list[BaseSampler]:
    """Return a sampler and those inside it, such as the one of PartialFixedSampler."""
    own = [v for v in vars(sampler).values() if isinstance(v, BaseSampler)]
    new = [v for v in own if not any(v is s for s in (*seen, sampler))]
    return [sampler, *(s for v in new for s in with_inner(v, (*seen, sampler)))]


def checked_space(space: Any) -> dict[str, BaseDistribution]:
    """Return an announced search space, empty where there is none."""
    if space is None:
        return {}
    if not isinstance(space, Mapping):
        raise ConfigurationError(
            f"{shown('search_space', space)} must map parameter names to Optuna distributions,"
            ' such as {"lr": FloatDistribution(1e-5, 1e-1, log=True)}.'
        )
    for name, distribution in space.items():
        if not isinstance(name, str) or not isinstance(distribution, BaseDistribution):
            raise ConfigurationError(
                f"{shown(f'search_space[{name!r}]', distribution)} is not an Optuna distribution"
                " of a name; use FloatDistribution, IntDistribution or CategoricalDistribution."
            )
    return dict(space)


def checked_docs(param_docs: Any) -> dict[str, str]:
    """Return descriptions of parameters by name, empty where there are none."""
    if param_docs is None:
        return {}
    if not isinstance(param_docs, Mapping) or not all(
        isinstance(k, str) and isinstance(v, str) for k, v in param_docs.items()
    ):
        raise ConfigurationError(
            f"{shown('param_docs', param_docs)} must map parameter names to texts, such as"
            ' {"lr": "learning rate of the head"}.'
        )
    return dict(param_docs)


def checked_configurations(known_good: Any) -> tuple[dict[str, Any], ...]:
    """Return configurations to try first."""
    if known_good is None:
        return ()
    if isinstance(known_good, Mapping | str) or not isinstance(known_good, Sequence):
        raise ConfigurationError(
            f"{shown('known_good', known_good)} must be a list of configurations, such as"
            ' [{"lr": 1e-3}].'
        )
    for index, configuration in enumerate(known_good):
        if not isinstance(configuration, Mapping) or not all(
            isinstance(name, str) for name in configuration
        ):
            raise ConfigurationError(
                f"{shown(f'known_good[{index}]', configuration)} must map parameter names to"
                " values."
            )
    return tuple(dict(c) for c in known_good)


def check_file(name: str, value: Any) -> None:
    """Raise ConfigurationError for what is no path, or the path of a folder."""
    is_path = isinstance(value, str | os.PathLike) and "\0" not in str(value)
    if not is_path or not str(value).strip():
        raise ConfigurationError(f"{shown(name, value)} must be the path of a file.")
    if Path(value).is_dir():
        raise ConfigurationError(f"{shown(name, value)} is a folder; name a file in it.")
