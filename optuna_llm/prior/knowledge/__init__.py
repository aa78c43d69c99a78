"""The table itself: a file for each field, in it the families, and a row for each hyperparameter.

A family has the fields of :class:`~optuna_llm.prior.table.Family`; the table ``family.rows`` has
those of :class:`~optuna_llm.prior.table.Number` or :class:`~optuna_llm.prior.table.Choice` by
canonical name, or a list of such rows where kinds or domains differ. A switch has only the
probability that it is ``on``. Aliases and relations that a row does not give are those of its
parent's row. A source that could not be read again when its row was written ends in "(from
memory)".
"""

from __future__ import annotations

from importlib.resources import files
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Relation
from optuna_llm.prior.table import Scale


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

    from optuna_llm.prior.table import Row

# General families stand before special ones: where nothing else decides, the first does.
_FIELDS = (
    "networks",
    "trees",
    "classical",
    "special_networks",
    "language_models",
    "reinforcement_learning",
)


def _families() -> Iterator[Family]:
    known: dict[str, Family] = {}
    for name in _FIELDS:
        text = files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
        for entry in tomllib.loads(text)["family"]:
            parent = known[entry.pop("parent")] if "parent" in entry else None
            if parent is not None and "task" in entry:
                entry |= {"words": parent.words, "prefixes": parent.prefixes}
            rows = tuple(
                _row(name, row, parent)
                for name, said in entry.pop("rows").items()
                for row in (said if isinstance(said, list) else [said])
            )
            known[entry["name"]] = family = Family(rows=rows, parent=parent, **entry)
            yield family


def _row(name: str, entry: Mapping[str, Any], parent: Family | None) -> Row:
    kind = Number if "usual" in entry else Choice
    above = _first_row(kind, name, parent)
    said: dict[str, Any] = {"name": name, "aliases": above.aliases if above else "", **entry}
    if "on" in said:
        on = said.pop("on")
        said["weights"] = {"true": on, "false": 1 - on}
    if kind is Choice:
        return Choice(**said)
    said["relations"] = (
        tuple(Relation(**r | {"valid": tuple(r["valid"])}) for r in said["relations"])
        if "relations" in said
        else getattr(above, "relations", ())
    )
    return Number(**said | {"range": tuple(said["range"]), "scale": Scale(said["scale"])})


def _first_row(kind: type[Row], name: str, family: Family | None) -> Row | None:
    """Return the first row of a name and kind in a family or its parents."""
    while family is not None:
        for row in family.rows:
            if row.name == name and isinstance(row, kind):
                return row
        family = family.parent
    return None


FAMILIES: tuple[Family, ...] = tuple(_families())
