"""When a new configuration is one that was tried before."""

from __future__ import annotations

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution

from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.tried import Tried


X, Y = FloatDistribution(0, 1), FloatDistribution(0, 1)
BOTH = SearchSpace({"x": X, "y": Y})
BRANCHES = SearchSpace(
    {"kind": CategoricalDistribution(["a", "b"]), "of_a": X, "of_b": Y},
    frozenset({"of_a", "of_b"}),
)


def test_all_parameters_must_agree() -> None:
    tried = Tried.of(BOTH, [({"x": 0.2, "y": 0.2}, ())])
    assert tried.repeats({"x": 0.2, "y": 0.2 + 1e-6})
    assert not tried.repeats({"x": 0.2, "y": 0.3})
    assert not tried.repeats({"x": 0.2})
    assert not tried.repeats({})


def test_nothing_tried_repeats_nothing() -> None:
    assert not Tried.of(BOTH, []).repeats({"x": 0.2, "y": 0.2})
    empty = SearchSpace({})
    assert not Tried.of(empty, [({}, ())]).repeats({})
    assert not Tried.of(BRANCHES, [({}, BRANCHES.optional)]).repeats({"kind": "a", "of_a": 0.5})


def test_what_a_trial_lacks_may_be_anything_unless_it_was_inactive() -> None:
    new = {"kind": "a", "of_a": 0.5, "of_b": 0.3}
    a = {"kind": "a", "of_a": 0.5}
    assert Tried.of(BRANCHES, [(a, {"of_b"})]).repeats(new)
    assert not Tried.of(BRANCHES, [(a, ())]).repeats(new)
    assert not Tried.of(BRANCHES, [({"kind": "a"}, {"of_b"})]).repeats(new)


def test_what_is_near_is_so_in_the_mean_over_what_both_have() -> None:
    tried = Tried.of(BOTH, [({"x": 0.2, "y": 0.2}, ())])
    assert tried.are_near({"x": 0.2, "y": 0.28}, 0.05)
    assert not tried.are_near({"x": 0.2, "y": 0.32}, 0.05)
    a = Tried.of(BRANCHES, [({"kind": "a", "of_a": 0.5}, {"of_b"})])
    assert a.are_near({"kind": "a", "of_a": 0.55, "of_b": 0.3}, 0.05)
    assert not a.are_near({"kind": "b", "of_a": 0.5, "of_b": 0.3}, 0.05)


def test_a_trial_that_has_nothing_yet_is_near_nothing() -> None:
    assert not Tried.of(BOTH, [({}, ())]).are_near({"x": 0.2, "y": 0.2}, 0.05)
    assert not Tried.of(BOTH, []).are_near({"x": 0.2, "y": 0.2}, 0.05)


def test_what_both_lack_must_be_optional() -> None:
    a = {"kind": "a", "of_a": 0.5}
    assert Tried.of(BRANCHES, [(a, ())]).repeats(a)
    assert not Tried.of(BOTH, [({"x": 0.2}, ())]).repeats({"x": 0.2})


def test_what_only_the_tried_one_has_tells_them_apart() -> None:
    tried = Tried.of(BRANCHES, [({"kind": "a", "of_a": 0.5}, {"of_b"})])
    assert not tried.repeats({"kind": "a"})


def test_a_value_outside_of_the_range_is_no_missing_one() -> None:
    tried = Tried.of(BRANCHES, [({"kind": "a", "of_a": 7.0}, BRANCHES.optional)])
    assert not tried.repeats({"kind": "a"})
    assert not tried.repeats({"kind": "a", "of_a": 1.0})


def test_one_more() -> None:
    tried = Tried.of(BOTH, [({"x": 0.2, "y": 0.2}, ())]).and_also({"x": 0.4, "y": 0.4})
    assert tried.repeats({"x": 0.2, "y": 0.2})
    assert tried.repeats({"x": 0.4, "y": 0.4})


def test_a_part_that_was_completed_is_held() -> None:
    tried = Tried.of(BRANCHES, [({"kind": "a", "of_a": 0.5}, {"of_b"}), ({"kind": "b"}, ())])
    assert tried.hold({"kind": "a"})
    assert tried.hold({"of_a": 0.5, "of_b": 0.1})
    assert not tried.hold({"kind": "a", "of_a": 0.4})
    assert not tried.hold({"kind": "b", "of_b": 0.4})
    assert not tried.hold({})
