"""A study as a model is shown it: as it is (but for unwieldy names), or with all names hidden.

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
from typing import TYPE_CHECKING
from typing import Any
import zlib

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_llm.history.announcement import decode_params
from optuna_llm.history.announcement import encode_params
from optuna_llm.history.attributes import PROPOSAL_KEY
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.failures import cause_of
from optuna_llm.space.choices import labels
from optuna_llm.space.numbers import is_number
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.versions import NEW
from optuna_llm.space.versions import VersionDistribution


if TYPE_CHECKING:
    from optuna_llm.prompts.proposal import PromptOptions


_ALIAS = re.compile(r"\b(?:p\d+|option_[a-z]+)\b", re.IGNORECASE)


# Longer keys, and ones with control characters, are refused by providers or copied with mistakes.
_MAX_NAME = 64


class View:
    """A study as a model is shown it; here as it is, but for unwieldy names of parameters.

    A name of more than 64 characters, or with control characters or blanks at its ends, is shown
    under a short one that begins like it.

    Args:
        space: The user's search space.
        history: The user's study.

    Attributes:
        space: The search space to write prompts from, and to read replies with.
        history: The study to write prompts from.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self._short = _short_names(space)
        self._long = {short: name for name, short in self._short.items()}
        self.space = space
        self.history = history
        if self._short:
            self.space = SearchSpace(
                View.hide(self, space.distributions),
                frozenset(map(self.shown_name, space.optional)),
            )
            self.history = History(
                history.directions,
                history.metric_names,
                tuple(self._observation(o) for o in history.observations),
                View.hide(self, history.distributions),
            )

    def _observation(self, o: Observation) -> Observation:
        trial = copy.copy(o.trial)
        # Parameters and distributions are checked against each other.
        params, distributions = View.hide(self, trial.params), View.hide(self, trial.distributions)
        trial.params, trial.distributions = params, distributions
        return replace(o, trial=trial, announced=View.hide(self, o.announced))

    def hide(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the user's native configuration as one of :attr:`space`."""
        return {self.shown_name(name): value for name, value in params.items()}

    def restore(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a native configuration of :attr:`space` as the user's."""
        return {self._long.get(name, name): value for name, value in params.items()}

    def shown_name(self, name: str) -> str:
        """Return the name under which a parameter of the user's is shown."""
        return self._short.get(name, name)

    def own_name(self, shown: str) -> str:
        """Return the user's name of a parameter of :attr:`space`."""
        return self._long.get(shown, shown)

    @property
    def key(self) -> str:
        """What tells apart under which names a text was written; empty for the user's own."""
        aliased = [n for n in self.space.names if self.own_name(n) != n]
        return ",".join(aliased) and f"{zlib.crc32(repr(self._aliases()).encode()):x}"

    def _aliases(self) -> list[tuple[str, str]]:
        return [(n, self.own_name(n)) for n in self.space.names]

    def restore_text(self, text: str) -> str:
        """Return what a model wrote with the user's names; for people, not to be sent again."""
        for short, name in self._long.items():
            text = text.replace(short, name)
        return text

    def options(self, options: PromptOptions) -> PromptOptions:
        """Return how prompts are written, with parameters described by the names that are shown.

        What is long in a name is told in its description.
        """
        if not self._short:
            return options
        docs = View.hide(self, options.param_docs)
        for short, name in self._long.items():
            docs[short] = f"{name}: {docs[short]}" if short in docs else name
        return replace(options, param_docs=docs)


def _short_names(space: SearchSpace) -> dict[str, str]:
    """Return a short name for each unwieldy one; none is another name of the space."""
    taken = set(space.names)
    short: dict[str, str] = {}
    for i, name in enumerate(space.names, start=1):
        if 0 < len(name) <= _MAX_NAME and name.isprintable() and name == name.strip():
            continue
        # Only the first word: what follows odd characters may be meant to be read as a sentence.
        head = re.sub(r"\W.*", "", name.strip()[:40], flags=re.DOTALL).strip("_")
        alias = f"{head or 'p'}_{i}"
        while alias in taken:
            alias += "x"
        taken.add(alias)
        short[name] = alias
    return short


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
                meanings |= zip(labels(distribution), labels(own), strict=True)
        return _ALIAS.sub(lambda found: meanings.get(found[0].lower(), found[0]), text)

    def shown_name(self, name: str) -> str:
        """Return the alias of a parameter of the user's."""
        return self._names.get(name, name)

    def own_name(self, shown: str) -> str:
        """Return the user's name of an alias."""
        return self._own_names.get(shown, shown)

    # ---- the history

    def _renamed(self, history: History) -> History:
        n = len(history.directions)
        metrics = ("value",) if n == 1 else tuple(f"value_{i}" for i in range(n))
        constraints = _aliases(
            "constraint_", sorted({name for o in history.observations for name in o.constraints})
        )
        causes = _aliases("cause ", (cause_of(o) for o in history.failed))
        observations = tuple(
            replace(o, trial=self._trial(o, constraints, causes), announced=self.hide(o.announced))
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
        if o.origin is not None:
            origin = {"trial": o.number, "source": o.origin.source, "role": o.origin.role}
            origin |= {"design": o.origin.design}
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
    encoded = {names[n]: value for n, value in encode_params(source.distributions, known).items()}
    return decode_params(target.distributions, encoded)


def _hidden_distribution(
    distribution: BaseDistribution, options: Iterator[str]
) -> BaseDistribution:
    if not isinstance(distribution, CategoricalDistribution):
        return distribution
    if isinstance(distribution, VersionDistribution):
        hidden = {number: next(options) for number in distribution.numbers}
        return VersionDistribution(hidden, has_new=NEW in distribution.choices)
    # Numbers have an order, which is worth as much as a range.
    return CategoricalDistribution(
        [
            choice if isinstance(choice, bool | None) or is_number(choice) else next(options)
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
