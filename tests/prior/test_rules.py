"""The table of rules by which usual values move."""

from __future__ import annotations

import math

import pytest

from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.knowledge import FAMILY_OF
from optuna_llm.prior.knowledge import RULES
from optuna_llm.prior.knowledge import SIZES
from optuna_llm.prior.rules import Rule
from optuna_llm.prior.rules import Term
from optuna_llm.prior.rules import that_hold
from optuna_llm.prior.scale import NAMES
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Family


def special_cases(rule: Rule) -> list[Family]:
    return [f for f in FAMILIES if rule.distance([above.name for above in f.lineage]) is not None]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rules_are_well_formed(rule: Rule) -> None:
    assert {*rule.families, *rule.exempt} <= set(FAMILY_OF)
    assert set(rule.needs) <= set(NAMES)
    assert (rule.coefficient is None) == (rule.spread is None)
    for source in rule.source.split("; "):
        assert source
        assert "memory" not in source.removesuffix(" (from memory)")
    for term in rule.by.values():
        low, high = term.valid
        assert 0 < low < high < math.inf
        assert 0 < abs(term.power) <= 1
        assert term.error >= 0


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rules_speak_of_rows_and_sizes_that_their_families_have(rule: Rule) -> None:
    for name in rule.families:
        family = FAMILY_OF[name]
        moved = [row for each in rule.moves if (row := family.number(each)) is not None]
        # A special case may have another row in the place of its parent's.
        assert moved or len(rule.moves) > 1
        assert all(row.scale in (Axis.LOG, Axis.COUNT, Axis.FRACTION) for row in moved)
    for quantity, term in rule.by.items():
        assert quantity in NAMES or all(FAMILY_OF[f].number(quantity) for f in rule.families)
        for family in special_cases(rule) if quantity in NAMES else ():
            has_row = any(family.number(row) for row in SIZES.get(quantity, ()))
            assert has_row or term.at is not None, f"{family.name}: {quantity}"


def test_nearer_rules_and_rules_that_stand_alone_come_before_others() -> None:
    term = Term(1, 0.1, (1, 10))
    general = Rule(("lr",), ("networks",), {"batch": term}, "a")
    near = Rule(("lr",), ("sgd",), {"batch": term}, "b")
    other = Rule(("lr",), ("networks",), {"width": term}, "c", exempt=("lion",))
    law = Rule(("lr",), ("networks",), {"tokens": term}, "d", needs=("tokens",), alone=True)
    rules = (general, near, other, law)
    assert that_hold(rules, "lr", ["networks"], ()) == [general, other]
    assert that_hold(rules, "lr", ["sgd", "networks"], ()) == [near, other]
    assert that_hold(rules, "lr", ["lion", "networks"], ()) == [general]
    assert that_hold(rules, "lr", ["networks"], {"tokens"}) == [law]
    assert that_hold(rules, "wd", ["networks"], {"tokens"}) == []


def test_a_power_is_as_uncertain_as_it_is_large_where_nobody_has_measured() -> None:
    term = Term(-0.5, 0.1, (10, 1000))
    assert term.doubt(100, 10) == pytest.approx(0.1 * math.log(10))
    assert term.doubt(1e5, 1000) == pytest.approx(0.5 * math.log(100))
    assert term.doubt(1e5, 100) == pytest.approx(math.hypot(0.1, 1.0) * math.log(10), rel=1)
    assert term.doubt(50, 50) == 0
