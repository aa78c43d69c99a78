"""Portfolios: a few configurations of a family, of which one is good on most data."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import functools
from typing import Any

from optuna.distributions import BaseDistribution

from optuna_llm.prior.fitting import fit
from optuna_llm.prior.knowledge import FAMILY_OF
from optuna_llm.prior.knowledge import read_file
from optuna_llm.prior.names import read
from optuna_llm.prior.parameter import ParameterPrior
from optuna_llm.prior.parameter import default_value
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import key


Row = Mapping[str, float | str]


@dataclass(frozen=True)
class Portfolio:
    """The configurations of a family.

    Args:
        family: Its name.
        source: Where they come from.
        rows: Values by the canonical names of the family's hyperparameters: quantities, and
            choices by the text by which they are found. What a row does not name is as usual.
    """

    family: str
    source: str
    rows: tuple[Row, ...]


@functools.cache
def portfolios() -> dict[str, Portfolio]:
    """Return the portfolios by the names of their families."""
    entries = read_file("portfolios")["portfolio"]
    return {e["family"]: Portfolio(**e | {"rows": tuple(e["rows"])}) for e in entries}


def portfolio_of(family: str) -> Portfolio | None:
    """Return the portfolio of a family; one for data of one kind has that of its parent."""
    known = FAMILY_OF.get(family)
    if known is not None and known.task and known.parent is not None:
        family = known.parent.name
    return portfolios().get(family)


def configurations(
    space: Mapping[str, BaseDistribution], priors: Mapping[str, ParameterPrior | None]
) -> list[dict[str, Any]]:
    """Return the configurations of a space that its families' portfolios hold, best first.

    Args:
        space: The distributions by name.
        priors: What the table knows of each parameter.

    Returns:
        Native values of the parameters that the table knows; those that a row does not name, or
        that would be far outside of their range, are as usual. A row is left out if it makes a
        choice that the space does not offer, or has no parameter for and is not the usual one.
    """
    known = {name: prior for name, prior in priors.items() if prior is not None}
    of_family = {p.family: portfolio_of(p.family) for p in known.values()}
    rows_of = {f: portfolio.rows for f, portfolio in of_family.items() if portfolio is not None}
    found = []
    for index in range(max(map(len, rows_of.values()), default=0)):
        rows = {f: each[index] for f, each in rows_of.items() if index < len(each)}
        if all(_is_offered(row, family, space, known) for family, row in rows.items()):
            found.append(
                {n: _value(n, space[n], p, rows.get(p.family, {})) for n, p in known.items()}
            )
    return found


def _value(name: str, distribution: BaseDistribution, prior: ParameterPrior, row: Row) -> Any:
    """Return a row's value of a parameter, or the usual one."""
    stated, reading = row.get(prior.row.name), read(name)
    usual = default_value(distribution, prior)
    if stated is None or reading is None:
        return usual
    if isinstance(prior.row, Number):
        moved: Number | Choice = replace(prior.row, usual=float(stated))
    else:
        moved = Choice(prior.row.name, {str(stated): 1.0})
    found = fit(moved, distribution, reading.transform)
    return usual if found is None else found.value


def _is_offered(
    row: Row,
    family: str,
    space: Mapping[str, BaseDistribution],
    priors: Mapping[str, ParameterPrior],
) -> bool:
    """Whether a space lets each choice of a row be made; one without parameter is the usual."""
    own = {p.row.name: n for n, p in priors.items() if p.family == family}
    for name, stated in row.items():
        if not isinstance(stated, str):
            continue
        if name in own:
            choice = Choice(name, {stated: 1.0})
            if fit(choice, space[own[name]], "") is None:
                return False
        elif stated != _usual_choice(FAMILY_OF[family], name):
            return False
    return True


def _usual_choice(family: Family, name: str) -> str:
    """Return the choice of a family that weighs most."""
    (row,) = (r for r in family.by_key[key(name)] if isinstance(r, Choice))
    return max(row.weights, key=lambda choice: row.weights[choice])


def sources(priors: Mapping[str, ParameterPrior | None]) -> Sequence[str]:
    """Say in words which portfolios a space has, and where they come from."""
    names = dict.fromkeys(p.family for p in priors.values() if p is not None)
    found = {p.family: p for n in names if (p := portfolio_of(n)) is not None}
    return [f"{len(p.rows)} of {p.family} ({p.source})" for p in found.values()]
