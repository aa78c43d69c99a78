"""What a user tells a sampler about parameters by name, held against what the objective asks for.

Names and values count exactly as they are given. What does not fit is an error at construction
where that can be known, else one warning; a study that has begun is never stopped by it.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import difflib
import math
import re
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution
from optuna.distributions import check_distribution_compatibility
from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.attributes import TRANSFERRED_KEY
from optuna_llm.sharing.checks import checked_configurations
from optuna_llm.sharing.checks import shown
from optuna_llm.sharing.per_study import PerStudy
from optuna_llm.space.numbers import as_written
from optuna_llm.space.numbers import format_number
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import describe


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# Where parameters may be conditional, a name is given up after this many finished trials, or when
# it is this similar to one that the objective asks for.
_PATIENCE = 10
_SIMILAR = 0.6
_MAX_NAMES = 12


class Given:
    """The announced space, the known good configurations and the descriptions of parameters.

    Args:
        search_space: The announced distributions.
        known_good: Configurations to try first, as the user gave them.
        param_docs: Descriptions by name.
        is_whole: Whether no parameter is expected beside those announced.

    Raises:
        ConfigurationError: A known good configuration is not legal in the announced space.
    """

    def __init__(
        self,
        search_space: Mapping[str, BaseDistribution],
        known_good: object,
        param_docs: Mapping[str, str] | None = None,
        *,
        is_whole: bool,
    ) -> None:
        self.search_space = dict(search_space)
        self.known_good = checked_configurations(known_good)
        self._docs = frozenset(param_docs or ())
        self._asked = PerStudy[set[str]]()
        self._said: dict[object, object] = {}
        for index, configuration in enumerate(self.known_good):
            unknown = [n for n in configuration if n not in search_space]
            if search_space and is_whole and unknown:
                raise ConfigurationError(
                    f"known_good[{index}] names {unknown[0]!r}, which is not in search_space; its"
                    f" parameters are {_listed(search_space)}."
                )
            _legal(f"known_good[{index}]", configuration, search_space)

    # ---- known good configurations

    def values(self, index: int, distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Return what a known good configuration says of some parameters, as far as it is legal.

        What is not is left out, with one warning. Beyond the last configuration nothing is said.
        """
        if index >= len(self.known_good):
            return {}
        values, problems = exact(self.known_good[index], distributions)
        for name, problem in problems.items():
            self._say(
                ("value", index, name), f"known_good[{index}]: {problem}; the value is ignored."
            )
        return values

    def rationale(self, index: int, trial: FrozenTrial) -> str | None:
        """Say which of a known good configuration a trial has run; None if nothing of it."""
        configuration = self.known_good[index]
        values, _ = exact(configuration, trial.distributions)
        run = [n for n, v in values.items() if trial.params[n] is v or trial.params[n] == v]
        if not run:
            return None
        ignored = [n for n in configuration if n not in run]
        text = self.claim(index)
        return text + (f" Not run: {_listed(ignored)}." if ignored else "")

    def nothing_run(self, index: int) -> str:
        """Say that nothing of a known good configuration could be run."""
        return f"Nothing of known good configuration {index + 1} could be run."

    def claim(self, index: int) -> str:
        """Say that a trial is to run a known good configuration."""
        return f"Known good configuration {index + 1} of {len(self.known_good)}, from the user."

    # ---- what the objective asks for

    def compare(self, study: Study, trial: FrozenTrial, state: TrialState, n_run: int) -> None:
        """Warn of what a trial that ends has shown to be wrong, once of each parameter.

        Args:
            study: The study, or Hyperband's view of it.
            trial: The trial, with all parameters that it has asked for.
            state: How it ends; only a complete one can show that a name is not asked for.
            n_run: How many of the known good configurations have been run by now.
        """
        for name, distribution in trial.distributions.items():
            announced = self.search_space.get(name, distribution)
            if not _is_compatible(announced, distribution):
                self._say(
                    ("kind", name),
                    f"search_space announces {name!r} as {announced}, but the objective asks for"
                    f" {distribution}; what the objective asks for counts.",
                )
        asked = self._asked.get(study) or self._asked.set(study, set())
        asked |= trial.distributions.keys()
        if state != TrialState.COMPLETE or not self._unasked(asked, n_run):
            return
        trials = study._get_trials(deepcopy=False, use_cache=True)
        asked |= {name for t in trials for name in t.distributions}
        n_complete = 1 + sum(t.state == TrialState.COMPLETE for t in trials)
        switches = IntDistribution | CategoricalDistribution
        may_be_conditional = any(isinstance(d, switches) for d in trial.distributions.values())
        for name, arguments in self._unasked(asked, n_run).items():
            # A name that is announced or described itself is not what another one was meant for.
            strange = asked - self.search_space.keys() - self._docs
            others = sorted(strange or asked)
            nearest = max(others, key=lambda n: _similarity(name, n), default=None)
            likeness = 0.0 if nearest is None else _similarity(name, nearest)
            if name in self.search_space:
                is_wrong = bool(asked - self.search_space.keys())
            else:
                is_described_only = arguments == ["param_docs"]
                is_wrong = not is_described_only or (bool(strange) and likeness >= _SIMILAR)
            is_sure = is_wrong or not may_be_conditional or n_complete >= _PATIENCE
            if not is_sure:
                continue
            hint = f" Did you mean {nearest!r}?" if likeness > 0 else ""
            self._say(
                ("name", name),
                f"{' and '.join(arguments)}: no trial has asked for {name!r}, which has no effect"
                f" so far.{hint} The parameters are {_listed(sorted(asked))}.",
            )

    def _unasked(self, asked: Collection[str], n_run: int) -> dict[str, list[str]]:
        """Return the arguments that name a parameter which no trial has asked for, by name."""
        found: dict[str, list[str]] = {}
        arguments: list[tuple[str, Collection[str]]] = [
            ("search_space", self.search_space),
            ("param_docs", self._docs),
            *((f"known_good[{i}]", c) for i, c in enumerate(self.known_good[:n_run])),
        ]
        for argument, names in arguments:
            for name in names:
                if name not in asked and ("name", name) not in self._said:
                    found.setdefault(name, []).append(argument)
        return found

    def _say(self, key: object, message: str) -> None:
        token = object()
        # Of several threads one is the first.
        if self._said.setdefault(key, token) is token:
            _logger.warning(message)


def fixed_params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values that the user has enqueued a trial with."""
    fixed: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return fixed


def enqueued_rationale(trial: FrozenTrial, rest: str = "") -> str:
    """Say who chose what in a trial that was enqueued; of the rest, if there is any, who else."""
    origin = trial.user_attrs.get(TRANSFERRED_KEY)
    if not rest:
        whole = "Every parameter was given with enqueue_trial or has a single value."
        return f"Transferred from {origin}." if origin else whole
    given = f"Transferred from {origin}" if origin else "Given with enqueue_trial"
    return f"{given}: {_listed(fixed_params(trial))}. The rest: {rest}"


def exact(
    configuration: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of a configuration that are legal as they stand, and what others lack.

    Args:
        configuration: Native values by exact name; names that have no distribution do not count.
        distributions: The parameters.

    Returns:
        Legal native values, and for each other value what is wrong with it.
    """
    space = SearchSpace({n: d for n, d in distributions.items() if n in configuration})
    written = {name: as_written(value) for name, value in configuration.items()}
    nearest = space.legal(written)
    values, problems = {}, {}
    for name, distribution in space.distributions.items():
        given = written[name]
        is_choice = isinstance(distribution, CategoricalDistribution)
        if name in nearest and (is_choice or _is_close(nearest[name], given)):
            values[name] = nearest[name]
            continue
        problems[name] = f"{shown(name, configuration[name])} must be {describe(space, name)}"
        if name in nearest:
            problems[name] += f"; nearest is {format_number(nearest[name])}"
    return values, problems


def checked_against(
    name: str, configurations: Sequence[object], distributions: Mapping[str, BaseDistribution]
) -> list[dict[str, Any]]:
    """Return configurations, or parts of some, whose values are all legal as they stand.

    Args:
        name: The argument that they are.
        configurations: Native values by name.
        distributions: The parameters.

    Raises:
        ConfigurationError: There is none, a name is unknown, or a value not legal.
    """
    if not configurations:
        raise ConfigurationError(f"{name} is empty; give at least one configuration.")
    checked = []
    for index, given in enumerate(configurations):
        where = f"{name}[{index}]"
        if not isinstance(given, Mapping) or not given:
            raise ConfigurationError(
                f"{shown(where, given)} must map names to values; the parameters are"
                f" {_listed(distributions)}."
            )
        unknown = [n for n in given if n not in distributions]
        if unknown:
            near = difflib.get_close_matches(str(unknown[0]), distributions, 1)
            meant = f"did you mean {near[0]!r}, of " if near else "choose from "
            raise ConfigurationError(
                f"{where} names {str(unknown[0])!r:.80}, which is no parameter; {meant}"
                f"{_listed(distributions)}?"
            )
        checked.append(_legal(where, given, distributions))
    return checked


def _legal(
    where: str, configuration: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """Return what a configuration says of parameters that are known.

    Raises:
        ConfigurationError: A value is not legal; the message begins with ``where``.
    """
    values, problems = exact(configuration, distributions)
    for problem in problems.values():
        raise ConfigurationError(f"{where}: {problem}.")
    return values


def _is_close(a: float, b: float) -> bool:
    try:
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    except OverflowError:  # An integer beyond every float.
        return a == b


def _is_compatible(announced: BaseDistribution, asked: BaseDistribution) -> bool:
    """Whether both are of one kind and scale, with the same choices in the same order."""
    try:
        check_distribution_compatibility(announced, asked)
    except ValueError:
        return False
    return True


def _similarity(given: str, name: str) -> float:
    """Return how likely one name is meant by another, from 0 to 1; initials count fully."""
    a, b = given.casefold(), name.casefold()
    initials = "".join(part[0] for part in re.split(r"[\W_]+", b) if part)
    if a == initials:
        return 1.0
    return difflib.SequenceMatcher(None, a, b).ratio()


def _listed(names: Collection[str]) -> str:
    first = list(names)[:_MAX_NAMES]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
