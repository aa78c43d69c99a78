from __future__ import annotations

import math
import re

import pytest

from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import Row
from optuna_llm.prior.table import key


def _label(value: object) -> str:
    return value.name if isinstance(value, Family) else str(value)


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_numeric_rows_are_well_formed(family: Family) -> None:
    for row in family.rows:
        if isinstance(row, Number):
            low, high = row.range
            assert low <= row.usual <= high, row
            assert row.scale.holds(low, high), row
            assert row.scale.inverse(row.scale.forward(row.usual)) == pytest.approx(row.usual)
            assert 0 < row.spread < math.inf, row
            assert all(text == key(text) or text == "-1" for text in row.special), row
            assert all(weight > 0 for weight in row.special.values()), row


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_categorical_rows_are_well_formed(family: Family) -> None:
    for row in family.rows:
        if isinstance(row, Choice):
            assert len(row.weights) > 1, row
            assert all(text == key(text) for text in row.weights), row
            assert all(weight > 0 for weight in row.weights.values()), row


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_every_row_has_a_source(family: Family) -> None:
    assert all(family.source_of(row) for rows in family.by_key.values() for row in rows)


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_a_source_from_memory_is_marked_in_one_way(family: Family) -> None:
    for row in family.rows:
        for source in family.source_of(row).split("; "):
            assert "memory" not in source.removesuffix(" (from memory)"), row


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_special_cases_for_one_kind_of_data_say_only_what_differs(family: Family) -> None:
    assert family.task in ("", "classification", "regression")
    if family.task:
        assert family.parent is not None
        assert family.words == family.parent.words
        assert family.name == f"{family.parent.name} for {family.task}"


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_relations_are_with_rows_of_the_family_and_go_one_way(family: Family) -> None:
    numbers = {r.name: r for rows in family.by_key.values() for r in rows if isinstance(r, Number)}

    def ancestors(name: str) -> set[str]:
        parents = {relation.to for relation in numbers[name].relations}
        return parents.union(*(ancestors(parent) for parent in parents))

    for name, row in numbers.items():
        assert name not in ancestors(name)
        for relation in row.relations:
            assert relation.source, row
            low, high = relation.valid
            assert 0 < low < high, row
            # The usual value of the parent is one for which the rule holds.
            assert low <= numbers[relation.to].usual <= high, row
            assert numbers[relation.to].scale in (Axis.LOG, Axis.COUNT), row
            assert row.scale in (Axis.LOG, Axis.COUNT), row
            assert 0 < abs(relation.power) <= 1, row


def _kind(row: Row) -> str:
    """Rows of different kinds never apply to the same parameter."""
    if isinstance(row, Choice):
        return "choice"
    return "fraction" if row.scale in (Axis.FRACTION, Axis.COMPLEMENT) else "number"


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_names_and_aliases_are_unambiguous_inside_a_family(family: Family) -> None:
    for alias, rows in family.by_key.items():
        kinds = [_kind(row) for row in rows]
        assert len(set(kinds)) == len(kinds), f"{alias} means {[row.name for row in rows]}"


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_family_can_be_told_by_words(family: Family) -> None:
    assert family.words
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9 -]*", word) for word in family.words)


def test_families_have_names_of_their_own() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)


def test_families_cover_others() -> None:
    names = {family.name for family in FAMILIES}
    for family in FAMILIES:
        assert set(family.covers) <= names - {family.name}


def test_parents_stand_before_their_children() -> None:
    for index, family in enumerate(FAMILIES):
        if family.parent is not None:
            assert family.parent in FAMILIES[:index]


def test_an_inherited_row_keeps_its_source() -> None:
    parent = Family("parent", "P", (Number("a", 1, (1, 2), Axis.LINEAR),), words=("p",))
    child = Family("child", "C", (), words=("c",), parent=parent)
    (row,) = child.by_key["a"]
    assert child.source_of(row) == "P"


@pytest.mark.parametrize(
    ("scale", "low", "high", "holds"),
    [
        (Axis.FRACTION, 0.2, 1.0, True),
        (Axis.FRACTION, 1, 30, False),
        (Axis.COUNT, -1, 15, True),
        (Axis.COUNT, 0.01, 0.5, False),
        (Axis.LOG, 0.0, 1.0, True),
        (Axis.LOG, -5, -1, False),
        (Axis.COMPLEMENT, 0.5, 1.0, True),
        (Axis.COMPLEMENT, 0.0, 20.0, False),
        (Axis.LINEAR, -3, 7, True),
    ],
)
def test_domain_of_a_scale(scale: Axis, low: float, high: float, holds: bool) -> None:
    assert scale.holds(low, high) is holds


UNITS = {
    # What a name says of the kind of quantity, and the least and the most that is ever usual.
    r"(^|_)lr$|learning_rate(_init)?$|^eta0$": ((Axis.LOG,), 1e-8, 2),
    r"weight_decay$": ((Axis.LOG,), 1e-7, 1),
    r"dropout|_prob$|(?<!aspect)_ratio$|^(hsv|flip)|label_smoothing|drop_path": (
        (Axis.FRACTION, Axis.LOG),
        0,
        2,
    ),
    r"^(momentum|beta[12]|ema_decay|gamma_discount|polyak)$": ((Axis.COMPLEMENT,), 0, 1),
    r"^n_(layers|units|heads|estimators|steps|envs|neighbors|experts|factors)$": (
        (Axis.COUNT,),
        1,
        1e6,
    ),
    r"(^|_)(epochs|steps|batch_size|iter|rounds|length|size|interval)$": ((Axis.COUNT,), 1, 2e6),
    r"^(temperature|top_p|min_p)$": ((Axis.LINEAR, Axis.FRACTION, Axis.LOG), 0, 2),
    r"clipping$|grad_norm$": ((Axis.LOG,), 0.1, 20),
}


@pytest.mark.parametrize("family", FAMILIES, ids=_label)
def test_units_and_ranges_are_those_of_the_kind_of_quantity(family: Family) -> None:
    for row in family.rows:
        if not isinstance(row, Number):
            continue
        if row.scale is Axis.COUNT:
            assert row.usual == int(row.usual), row
            assert row.range[0] >= 1, row
        if row.scale in (Axis.FRACTION, Axis.COMPLEMENT):
            assert 0 <= row.range[0] < row.range[1] <= 1, row
        # Nine of ten good values within more than eight decades would say nothing.
        if row.scale is Axis.LOG:
            assert row.range[1] / row.range[0] <= 10**8.5, row
        for pattern, (axes, least, most) in UNITS.items():
            if re.search(pattern, row.name):
                assert row.scale in axes, row
                assert least <= row.range[0] < row.range[1] <= most, row
