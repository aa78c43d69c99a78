"""The table itself: a file for each field, in it the families, and a row for each hyperparameter.

A family has the fields of :class:`~optuna_llm.prior.table.Family`; the table ``family.rows`` has
those of :class:`~optuna_llm.prior.table.Number` or :class:`~optuna_llm.prior.table.Choice` by
canonical name, or a list of such rows where kinds or domains differ. A switch has only the
probability that it is ``on``. Aliases that a row does not give are those of its parent's row. How
values move with one another, and with sizes, is in ``rules.toml``. A source that could not be read
again when its row was written ends in "(from memory)".
"""

from __future__ import annotations

from importlib.resources import files
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.prior.rules import Rule
from optuna_llm.prior.rules import Term
from optuna_llm.prior.rules import that_hold
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Relation


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping
    from collections.abc import Sequence

    from optuna_llm.prior.table import Row

# General families stand before special ones: where nothing else decides, the first does.
_FIELDS = (
    "networks",
    "trees",
    "classical",
    "special_networks",
    "language_models",
    "fields",
    "reinforcement_learning",
)


def read_file(name: str) -> dict[str, Any]:
    """Return what a file of the table says, as TOML has it."""
    text = files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    said: dict[str, Any] = tomllib.loads(text)
    return said


def _rule(entry: Mapping[str, Any]) -> Rule:
    said: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    by = {k: Term(**term | {"valid": tuple(term["valid"])}) for k, term in said["by"].items()}
    return Rule(**said | {"by": by, "exempt": said.pop("except", ())})


_RULES = read_file("rules")
SIZES: dict[str, list[str]] = _RULES["sizes"]
RULES: tuple[Rule, ...] = tuple(map(_rule, _RULES["rule"]))


def _families() -> Iterator[Family]:
    known: dict[str, Family] = {}
    for name in _FIELDS:
        for entry in read_file(name)["family"]:
            parent = known[entry.pop("parent")] if "parent" in entry else None
            if parent is not None and "task" in entry:
                entry |= {"words": parent.words, "prefixes": parent.prefixes}
            said = {n: row if isinstance(row, list) else [row] for n, row in entry["rows"].items()}
            lineage = [entry["name"], *(f.name for f in (parent.lineage if parent else ()))]
            rows = tuple(
                _row(name, row, parent, _relations(name, lineage, said, parent))
                for name, each in said.items()
                for row in each
            )
            known[entry["name"]] = family = Family(**entry | {"rows": rows, "parent": parent})
            yield family


def _row(
    name: str,
    entry: Mapping[str, Any],
    parent: Family | None,
    relations: tuple[Relation, ...],
) -> Row:
    kind = Number if "usual" in entry else Choice
    said: dict[str, Any] = {"name": name, "aliases": _aliases(kind, name, parent), **entry}
    if "on" in said:
        on = said.pop("on")
        said["weights"] = {"true": on, "false": 1 - on}
    if kind is Choice:
        return Choice(**said)
    said |= {"range": tuple(said["range"]), "scale": Axis(said["scale"])}
    # A fraction of what the parent counts does not move with it.
    is_relative = said["scale"] not in (Axis.LOG, Axis.COUNT)
    return Number(**said, relations=() if is_relative else relations)


def _aliases(kind: type[Row], name: str, family: Family | None) -> str:
    """Return those of the first row of a name and kind in a family or its parents."""
    for each in family.lineage if family else ():
        for row in each.rows:
            if row.name == name and isinstance(row, kind):
                return row.aliases
    return ""


def _relations(
    name: str, lineage: Sequence[str], rows: Mapping[str, Any], parent: Family | None
) -> tuple[Relation, ...]:
    """Return how a row moves with others of its family, as the rules say that need no size."""
    above = parent.lineage if parent else ()
    names = [list(rows), *([row.name for row in family.rows] for family in above)]
    found = []
    for rule in that_hold(RULES, name, lineage, ()):
        for to, term in rule.by.items():
            row = row_of(to, names)
            if row is not None:
                found.append(Relation(row, term.power, term.valid, rule.source, term.error))
    return tuple(found)


def row_of(quantity: str, names: Sequence[Sequence[str]]) -> str | None:
    """Return the canonical name of what a term of a rule is a power of; None of a mere size.

    Args:
        quantity: A size, or the name of a row.
        names: The names of the rows of a family, then of those whose rows it inherits.
    """
    wanted = SIZES.get(quantity, [quantity])
    return next((name for each in names for name in wanted if name in each), None)


FAMILIES: tuple[Family, ...] = tuple(_families())
FAMILY_OF: dict[str, Family] = {family.name: family for family in FAMILIES}
