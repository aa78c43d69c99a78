"""What ran a study: its samplers, their settings and versions, kept in the study itself.

Each set of settings that has ever run is a system attribute of the study, ``llm:sampler:<hash>``:
workers with the same settings write the same one. Keys and passwords are never part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import is_dataclass
import hashlib
from importlib import metadata
import inspect
import json
import math
import os
import platform
import re
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from optuna_llm.errors import redact
from optuna_llm.history.attributes import MAX_LENGTH
from optuna_llm.history.attributes import shorten
from optuna_llm.history.study_store import StudyStore
from optuna_llm.space.numbers import whole_number


if TYPE_CHECKING:
    from optuna import Study


KEY_PREFIX = "llm:sampler:"
# The packages on which it depends what a sampler proposes.
_PACKAGES = ("optuna-llm", "optuna", "numpy", "scipy", "scikit-learn", "openai")
# Arguments that are, or may hold, what nobody else may see.
_SECRET = re.compile(r"(api_?key|secret|passw|credential|authorization)", re.IGNORECASE)
_NAMES_ONLY = ("extra_body", "extra_headers")
_SHORTEST_SECRET = 8
# Characters of a text, the longer ones where there is room for them.
_LENGTHS = (300, 120, 48, 16)
_LOOKED_THROUGH = 4000


@dataclass(frozen=True)
class Settings:
    """A sampler as it was made.

    Attributes:
        sampler: Name of its class.
        arguments: What it was given, by name, as JSON; arguments at their defaults are left out.
        versions: Versions of Python and of the packages that count, by name.
        trial: Number of the first trial that it has run in the study.
    """

    sampler: str
    arguments: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    trial: int = 0

    def __str__(self) -> str:
        # Numbers, flags and what was described in words alike: no quotation marks.
        shown = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.sampler}({shown})"

    @property
    def n_trials(self) -> int | None:
        """How many trials the study was to have, as far as the sampler was told."""
        return whole_number(self.arguments.get("n_trials"))

    def keep(self, study: Study, trial: int) -> None:
        """Write the settings into a study, unless they are there.

        Args:
            study: The study.
            trial: Number of the trial that they are about to sample.
        """
        store, versions = StudyStore(study), self.versions or installed()
        identity = json.dumps([self.sampler, self.arguments, versions], sort_keys=True)
        key = KEY_PREFIX + hashlib.sha256(identity.encode()).hexdigest()[:12]
        if key not in store.read():
            store.write(key, asdict(Settings(self.sampler, self.arguments, versions, trial)))


def made_with(
    sampler: object,
    initialise: Callable[..., None],
    given: Sequence[Any],
    named: Mapping[str, Any],
) -> Settings:
    """Return the settings of a sampler that is made by a call of its constructor.

    Args:
        sampler: The sampler.
        initialise: Its constructor, whose signature names the arguments.
        given: Arguments by position.
        named: Arguments by name.
    """
    name = type(sampler).__name__
    signature = inspect.signature(initialise)
    try:
        arguments = signature.bind(sampler, *given, **named).arguments
    except TypeError:  # The constructor says it better.
        return Settings(name)
    passed: dict[str, Any] = {}
    for argument, value in list(arguments.items())[1:]:
        is_open = signature.parameters[argument].kind is inspect.Parameter.VAR_KEYWORD
        passed |= value if is_open else {argument: value}
    secrets = [v for k, v in passed.items() if _SECRET.search(k) and isinstance(v, str)]
    shown = {k: v for k, v in passed.items() if v is not None and not _SECRET.search(k)}
    # A task tells it, too, in a text that may be cut.
    n_trials = whole_number(getattr(shown.get("task"), "n_trials", None))
    if n_trials is not None:
        shown.setdefault("n_trials", n_trials)
    found: dict[str, Any] = {}
    for length in _LENGTHS:
        found = {k: _described(k, v, length, secrets) for k, v in shown.items()}
        if len(json.dumps(found)) < MAX_LENGTH - 400:
            break
    return Settings(name, found)


def _described(name: str, value: object, length: int, secrets: Sequence[str]) -> Any:
    """Return an argument as JSON that shows it: a number, or a text without secrets."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if name in _NAMES_ONLY and isinstance(value, Mapping):
        value = [str(key) for key in value]
    # Much more than is shown, so that no secret is cut in two where it is shown.
    text = _words(value)[:_LOOKED_THROUGH]
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[redacted]")
    return shorten(redact(text), length)


def _words(value: object) -> str:
    """Return a value in words; of objects that are not known, only what kind they are."""
    if isinstance(value, str | os.PathLike | BaseDistribution):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, BaseSampler):
        known = getattr(value, "settings", None)
        return str(known) if isinstance(known, Settings) else type(value).__name__
    if isinstance(value, Mapping):
        own = {k: "[redacted]" if _SECRET.search(str(k)) else v for k, v in value.items()}
        return "{" + ", ".join(f"{k}: {_words(v)}" for k, v in own.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(map(_words, value)) + "]"
    if is_dataclass(value) and type(value).__module__.startswith("optuna_llm."):
        given = {f.name: (getattr(value, f.name), f.default) for f in fields(value) if f.repr}
        shown = ", ".join(f"{k}={_words(v)}" for k, (v, default) in given.items() if v != default)
        return f"{type(value).__name__}({shown})"
    return getattr(value, "__qualname__", type(value).__name__)


def settings_of(study: Study) -> list[Settings]:
    """Return all settings that a study was run with, by first trial; none of an old study."""
    names = {f.name for f in fields(Settings)}
    found = [
        Settings(**{k: v for k, v in value.items() if k in names})
        for key, value in StudyStore(study).read().items()
        if key.startswith(KEY_PREFIX) and isinstance(value, dict) and "sampler" in value
    ]
    return sorted(found, key=lambda s: s.trial)


def installed() -> dict[str, str]:
    """Return the versions of Python and of the packages that count, as they are here and now."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
