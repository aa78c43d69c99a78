"""A study as a model is shown it: as it is, or under names that say nothing.

Names are hidden where a prompt begins, not where it ends: all of it is written from a renamed copy
of the search space and the history, and the answer is read with that copy. No text is searched
for words that must not leave the machine.

================================  ================================================================
as it is                          in the renamed copy
================================  ================================================================
name of a parameter               ``p1``, ``p2``, ... in the order of the space
choice                            ``option_a``, ``option_b``, ... throughout the space; numbers,
                                  ``True``, ``False`` and ``None`` stay
name of an objective              ``value``, or ``value_0``, ``value_1``, ...
name of a constraint              ``constraint_a``, ``constraint_b``, ...
reason of a failure               ``cause a``, ``cause b``, ...; numbers in it are left aside
reason of an earlier proposal     left out
user attributes                   left out
ranges, values, steps, numbers    as they are: the search needs them
================================  ================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import copy
from dataclasses import replace
import itertools
import re
import string
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.prompts.history_text import cause_of
from optuna_llm.provenance import PROPOSAL_KEY
from optuna_llm.provenance import decode_params
from optuna_llm.provenance import encode_params
from optuna_llm.space import SearchSpace
from optuna_llm.space import labels


_ALIAS = re.compile(r"\b(?:p\d+|option_[a-z]+)\b", re.IGNORECASE)


class View:
    """A study as a model is shown it; here as it is.

    Args:
        space: The user's search space.
        history: The user's study.

    Attributes:
        space: The search space to write prompts from, and to read replies with.
        history: The study to write prompts from.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self.space = space
        self.history = history

    def hide(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the user's native configuration as one of :attr:`space`."""
        return dict(params)

    def restore(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a native configuration of :attr:`space` as the user's."""
        return dict(params)

    def restore_text(self, text: str) -> str:
        """Return what a model wrote with the user's names; for people, not to be sent again."""
        return text


class AnonymousView(View):
    """A study under names that say nothing.

    Args:
        space: The user's search space.
        history: The user's study; parameters that the space lacks are left out.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self._own = space
        self._names = {name: f"p{i}" for i, name in enumerate(space.names, start=1)}
        self._own_names = {alias: name for name, alias in self._names.items()}
        options = (f"option_{letters}" for letters in _letters())
        hidden = {
            self._names[name]: _hidden_distribution(distribution, options)
            for name, distribution in space.distributions.items()
        }
        optional = frozenset(self._names[name] for name in space.optional)
        super().__init__(SearchSpace(hidden, optional), history)
        self.history = self._renamed(history)

    def hide(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the user's native configuration under aliases, as far as the space knows it."""
        return _translated(params, self._names, self._own, self.space)

    def restore(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a native configuration of :attr:`space` as the user's."""
        return _translated(params, self._own_names, self.space, self._own)

    def restore_text(self, text: str) -> str:
        """Return a text with the user's names of parameters and choices in place of aliases."""
        meanings = dict(self._own_names)
        for alias, distribution in self.space.distributions.items():
            own = self._own.distributions[self._own_names[alias]]
            if isinstance(distribution, CategoricalDistribution):
                assert isinstance(own, CategoricalDistribution)
                meanings |= zip(map(str, distribution.choices), labels(own), strict=True)
        return _ALIAS.sub(lambda found: meanings.get(found[0].lower(), found[0]), text)

    # ---- the history

    def _renamed(self, history: History) -> History:
        n = len(history.directions)
        metrics = ("value",) if n == 1 else tuple(f"value_{i}" for i in range(n))
        constraints = _aliases(
            "constraint_", sorted({name for o in history.observations for name in o.constraints})
        )
        causes = _aliases("cause ", (cause_of(o) for o in history.failed))
        observations = tuple(
            replace(o, trial=self._trial(o, constraints, causes), shared=self.hide(o.shared))
            for o in history.observations
        )
        return History(history.directions, metrics, observations, self.space.distributions)

    def _trial(
        self, o: Observation, constraints: Mapping[str, str], causes: Mapping[str, str]
    ) -> FrozenTrial:
        """Return a trial without anything but its numbers, its origin and its aliases."""
        trial = copy.copy(o.trial)
        trial.params = self.hide(o.trial.params)
        trial.distributions = {alias: self.space.distributions[alias] for alias in trial.params}
        trial.user_attrs = {}
        trial.system_attrs = {}
        if o.record is not None:
            origin = {"trial": o.number, "source": o.record.source}
            trial.system_attrs[PROPOSAL_KEY] = origin
        for name, value in o.constraints.items():
            trial.set_constraint(constraints[name], value)
        # That no reason is known may be told.
        if o.state == TrialState.FAIL and o.failure != replace(o, trial=trial).failure:
            trial.system_attrs["fail_reason"] = causes[cause_of(o)]
        return trial


def _translated(
    params: Mapping[str, Any], names: Mapping[str, str], source: SearchSpace, target: SearchSpace
) -> dict[str, Any]:
    """Return the parameters of one space as another's that has the same choices in number."""
    known = {name: value for name, value in params.items() if name in names}
    encoded = {names[n]: value for n, value in encode_params(source, known).items()}
    return decode_params(target.distributions, encoded)


def _hidden_distribution(
    distribution: BaseDistribution, options: Iterator[str]
) -> BaseDistribution:
    if not isinstance(distribution, CategoricalDistribution):
        return distribution
    # Numbers have an order, which is worth as much as a range.
    return CategoricalDistribution(
        [
            choice if choice is None or isinstance(choice, int | float) else next(options)
            for choice in distribution.choices
        ]
    )


def _aliases(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Return an alias for each name, in the order of their first appearance."""
    unique = dict.fromkeys(names)
    return {n: prefix + letters for n, letters in zip(unique, _letters(), strict=False)}


def _letters() -> Iterator[str]:
    """Yield a, b, ..., z, aa, ab, ...; not numbers, which would not tell two causes apart."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_lowercase, repeat=length))
