"""Usual values that users state themselves, in front of those of the table."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.embedded import EmbeddedPrior
from optuna_llm.prior.fitting import fit
from optuna_llm.prior.lookup import Priors
from optuna_llm.prior.names import KNOWN_KEYS
from optuna_llm.prior.names import Reading
from optuna_llm.prior.names import read
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.relations import Parent
from optuna_llm.prior.scale import Scale
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import key
from optuna_llm.prior.usual import Stated
from optuna_llm.prior.usual import Usual
from optuna_llm.prior.usual import as_choice


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_FAMILY = "own knowledge"


@dataclass(frozen=True, init=False)
class OwnPrior(EmbeddedPrior):
    """What users state of their parameters; the table for all other ones.

    See :class:`optuna_llm.Prior`, which users meet.
    """

    usual: Mapping[str, Usual | Choice] = field(default_factory=dict, hash=False)
    source: str = ""
    _by_key: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _known_keys: frozenset[str] = field(default=KNOWN_KEYS, init=False, repr=False, compare=False)
    _warned: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __init__(
        self,
        usual: Mapping[str, Stated],
        *,
        context: str | None = None,
        source: str = "stated by the user",
        together: bool = False,
        scale: Scale | None = None,
        portfolios: bool = True,
    ) -> None:
        super().__init__(context, together, scale, portfolios)
        object.__setattr__(self, "usual", _checked(usual))
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "_by_key", {key(name): name for name in self.usual})
        object.__setattr__(self, "_known_keys", KNOWN_KEYS.union(self._by_key, self._parents()))
        object.__setattr__(self, "_warned", set())

    def lookup(
        self, name: str, distribution: BaseDistribution, others: Iterable[str] = ()
    ) -> ParameterPrior | None:
        """Return what is stated of a parameter, else what the table knows, or None."""
        return self._stated(name, distribution, super().lookup(name, distribution, others))

    def _priors(self, space: Mapping[str, BaseDistribution], *, optimizer: Any = None) -> Priors:
        table = super()._priors(space, optimizer=optimizer)
        return {name: self._stated(name, space[name], table[name]) for name in space}

    def _stated(
        self, name: str, distribution: BaseDistribution, table: ParameterPrior | None
    ) -> ParameterPrior | None:
        """Return what is stated of a parameter where it applies, else what the table says."""
        reading = self._read(name)
        # What is stated of a name is not meant for another model's parameter of that name.
        if reading is None or reading.prefix or reading.key not in self._by_key:
            return table
        own = self._by_key[reading.key]
        stated = self.usual[own]
        row: Number | Choice = (
            stated.row(own, distribution, reading, self.source)
            if isinstance(stated, Usual)
            else stated
        )
        found = fit(row, distribution, reading.transform)
        if found is None:
            if name not in self._warned:
                self._warned.add(name)
                _logger.warning(
                    f"Prior: what is stated of {own!r} does not suit the parameter {name!r} with"
                    f" {distribution}, and is not used; state a value or choices in there."
                )
            return table
        of_row = ParameterPrior.of(row, found, _FAMILY, row.source or self.source)
        # The table's own name, by which others know what it is: an optimizer, say.
        return of_row if table is None else replace(of_row, name=table.name)

    # ---- how they move together

    @property
    def _has_relations(self) -> bool:
        return self.together or bool(self._parents())

    def _read(self, name: str) -> Reading | None:
        return read(name, self._known_keys)

    def _parents(self) -> set[str]:
        """Return the keys of the parameters with which stated values move."""
        stated = [s for s in self.usual.values() if isinstance(s, Usual)]
        return {key(parent) for each in stated for parent in each.relation}

    def _related(self, priors: Priors) -> dict[str, list[Parent]]:
        """Return the parents of each parameter: those that are stated, else the table's."""
        found = super()._related(priors)
        for name, prior in priors.items():
            if prior is None or prior.family != _FAMILY or not isinstance(prior.row, Number):
                continue
            for relation in prior.row.relations:
                meant = [n for n in priors if n != name and self._is_named(n, relation.to)]
                known = [(n, p) for n in meant if (p := priors[n]) is not None]
                if len(known) == 1 and isinstance(known[0][1].row, Number):
                    found.setdefault(name, []).append(Parent(*known[0], relation))
                elif meant and not known:
                    self._warn_of_parent(name, meant[0])
        return found

    def _is_named(self, name: str, stated: str) -> bool:
        reading = self._read(name)
        return reading is not None and not reading.prefix and reading.key == key(stated)

    def _warn_of_parent(self, name: str, parent: str) -> None:
        if f"{name} {parent}" not in self._warned:
            self._warned.add(f"{name} {parent}")
            _logger.warning(
                f"Prior: {name!r} is said to move with {parent!r}, whose usual value is not known,"
                " and does not; state that too."
            )


def _checked(usual: Any) -> dict[str, Usual | Choice]:
    """Return what is stated by name, choices as rows of the table."""
    if not isinstance(usual, Mapping) or not all(isinstance(name, str) for name in usual):
        raise ConfigurationError(
            f"usual={usual!r:.100} must map names of parameters to usual values, such as"
            ' {"lr": Usual(1e-3), "activation": {"relu": 3, "tanh": 1}}.'
        )
    names: dict[str, str] = {}
    checked: dict[str, Usual | Choice] = {}
    for name, stated in usual.items():
        other = names.setdefault(key(name), name)
        if other != name or not key(name):
            raise ConfigurationError(
                f"usual[{name!r}]: "
                + (f"it is the same name as {other!r}" if key(name) else "a name needs a letter")
                + ", for case and punctuation do not count; give each parameter once."
            )
        if isinstance(stated, Usual | Choice):
            checked[name] = stated
        else:
            checked[name] = as_choice(name, stated)
    _check_circles(checked)
    return checked


def _check_circles(usual: Mapping[str, Usual | Choice]) -> None:
    """Raise ConfigurationError where a parameter moves with itself, by way of others."""
    parents = {
        key(name): {key(to) for to in stated.relation}
        for name, stated in usual.items()
        if isinstance(stated, Usual)
    }
    for name in usual:
        above, new = set[str](), {key(name)}
        while new:
            new = set().union(*(parents.get(each, ()) for each in new)) - above
            above |= new
        if key(name) in above:
            raise ConfigurationError(
                f"usual[{name!r}].relation: it moves with itself, by way of others; leave one of"
                " the relations out."
            )
