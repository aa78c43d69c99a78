from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.transfer.matching import match
from optuna_llm.transfer.matching import placed
from optuna_llm.transfer.sources import Source
from optuna_llm.transfer.sources import SourceTrial


def source(space: dict[str, BaseDistribution], *configurations: dict[str, Any]) -> Source:
    """Return a source whose trials are given best first."""
    trials = tuple(SourceTrial(i, c, i) for i, c in enumerate(configurations))
    return Source("old", space, trials, 1)


LOG = FloatDistribution(1e-4, 1.0, log=True)


@pytest.mark.parametrize(
    ("distribution", "value", "expected"),
    [
        (FloatDistribution(0.0, 1.0), 0.3, (0.3, "")),
        (FloatDistribution(0.0, 1.0), 1.04, (1.0, "clipped")),
        (FloatDistribution(0.0, 1.0), 1.06, None),
        (FloatDistribution(0.0, 1.0, step=0.25), 0.3, (0.25, "snapped")),
        (FloatDistribution(0.0, 1.0), "0.5", (0.5, "")),
        (FloatDistribution(0.0, 1.0), True, None),
        (FloatDistribution(0.0, 1.0), math.nan, None),
        (FloatDistribution(0.0, 1.0), "relu", None),
        # On the log scale: 4 decades wide, a twentieth of them outside.
        (LOG, 1.5, (1.0, "clipped")),
        (LOG, 1.6, None),
        (LOG, 0.0, None),
        (LOG, -1, None),
        (IntDistribution(1, 9, step=2), 4, (5, "snapped")),
        (IntDistribution(1, 9), 3.7, (4, "snapped")),
        (IntDistribution(1, 9), 5.0, (5, "")),
        (IntDistribution(0, 10**18), 10**18 - 1, (10**18 - 1, "")),
        (CategoricalDistribution(("a", "b")), "b", ("b", "")),
        (CategoricalDistribution(("a", "b")), "c", None),
        (CategoricalDistribution((None, "b")), "None", (None, "")),
        (CategoricalDistribution((True, False)), "False", (False, "")),
        (CategoricalDistribution((16, 32, 64)), 32, (32, "")),
        (CategoricalDistribution((16, 32, 64)), 50, (64, "snapped")),
        (CategoricalDistribution((16, 32, 64)), 128, None),
        (CategoricalDistribution((16, "auto")), 32, None),
    ],
)
def test_values_become_legal_or_are_left_out(
    distribution: BaseDistribution, value: Any, expected: Any
) -> None:
    assert placed(distribution, value) == expected
    if expected is not None:
        assert type(placed(distribution, value)[0]) is type(expected[0])  # type: ignore[index]


numbers = st.one_of(
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=True),
    st.sampled_from(["0.1", "relu", None, True, "1e3"]),
)


@given(
    numbers,
    st.integers(-50, 50),
    st.integers(1, 1000),
    st.sampled_from([None, 1, 2, 3, 7]),
    st.booleans(),
)
def test_nothing_illegal_comes_out(
    value: Any, low: int, width: int, step: int | None, is_float: bool
) -> None:
    distribution: BaseDistribution
    if is_float:
        distribution = FloatDistribution(low, low + (step or 1) * width, step=step)
    else:
        distribution = IntDistribution(low, low + (step or 1) * width, step=step or 1)
    found = placed(distribution, value)
    if found is not None:
        assert distribution._contains(distribution.to_internal_repr(found[0]))


def test_well_known_hyperparameters_are_found_by_what_they_mean() -> None:
    old: dict[str, BaseDistribution] = {
        "eta": FloatDistribution(1e-3, 1.0, log=True),
        "num_boost_round": IntDistribution(50, 1000),
        "lambda": FloatDistribution(1e-3, 10.0, log=True),
        "own": FloatDistribution(0, 1),
    }
    new: dict[str, BaseDistribution] = {
        "log10_learning_rate": FloatDistribution(-3.0, 0.0),
        "n_estimators": IntDistribution(100, 500, step=100),
        "reg_lambda": FloatDistribution(1e-3, 10.0, log=True),
        "mine": FloatDistribution(0, 1),
    }
    held = match(source(old, {"eta": 0.1, "num_boost_round": 330, "lambda": 2.0, "own": 0.5}), new)
    assert {(p.source, p.target, p.how) for p in held.pairs} == {
        ("eta", "log10_learning_rate", "same quantity"),
        ("num_boost_round", "n_estimators", "same quantity"),
        ("lambda", "reg_lambda", "same quantity"),
    }
    assert (held.new, held.dropped) == (("mine",), ("own",))
    carried = held.carry(held.source.trials[0])
    assert carried.params == {
        "log10_learning_rate": pytest.approx(-1.0),
        "n_estimators": 300,
        "reg_lambda": 2.0,
    }
    assert carried.changed == {"n_estimators": "snapped"}


def test_what_the_user_says_counts_before_names_and_names_before_meanings() -> None:
    old = {"lr": LOG, "eta": LOG, "a": FloatDistribution(0, 1)}
    new = {"learning_rate": LOG, "eta": LOG, "b": FloatDistribution(0, 1)}
    held = match(source(old), new, rename={"a": "b", "absent": "eta"})
    found = {p.target: (p.source, p.how) for p in held.pairs}
    assert found == {
        "learning_rate": ("lr", "same quantity"),
        "eta": ("eta", "same name"),
        "b": ("a", "renamed"),
    }


def test_of_two_that_mean_the_same_none_is_guessed() -> None:
    held = match(source({"lr": LOG}), {"actor_lr": LOG, "critic_lr": LOG})
    assert held.pairs == ()
    assert held.overlap == 0.0


def test_one_name_stated_otherwise_is_converted() -> None:
    held = match(source({"lr": FloatDistribution(-5.0, -1.0)}, {"lr": -3.0}), {"lr": LOG})
    assert held.carry(held.source.trials[0]).params == {"lr": pytest.approx(1e-3)}


def test_values_that_are_gone_are_left_out_one_by_one() -> None:
    old = {"lr": LOG, "act": CategoricalDistribution(("relu", "selu"))}
    new = {"lr": LOG, "act": CategoricalDistribution(("relu", "gelu"))}
    held = match(source(old, {"lr": 0.1, "act": "selu"}, {"lr": 0.2}), new)
    carried = [held.carry(t) for t in held.source.trials]
    assert [(c.params, c.lost) for c in carried] == [({"lr": 0.1}, ("act",)), ({"lr": 0.2}, ())]


def test_trials_compare_whose_dropped_parameters_are_like_the_best_or_as_fixed() -> None:
    old = {
        "lr": LOG,
        "opt": CategoricalDistribution(("adam", "sgd")),
        "decay": FloatDistribution(0.0, 1.0),
    }
    rng = np.random.default_rng(0)
    trials: list[dict[str, Any]] = [
        {"lr": 0.1, "opt": "adam", "decay": float(rng.uniform(0.0, 0.5))} for _ in range(4)
    ]
    trials += [{"lr": 0.1, "opt": o, "decay": d} for o in ("adam", "sgd") for d in (0.1, 0.9)]
    trials += [{"lr": 0.1}] * 8
    held = match(source(old, *trials), {"lr": LOG})
    kept = [t.number for t in held.comparable]
    assert kept[:4] == [0, 1, 2, 3]
    assert set(kept) - set(range(4)) <= {4, *range(8, 16)}
    assert {6, 7, 5}.isdisjoint(kept)
    held = match(source(old, *trials), {"lr": LOG}, fixed={"opt": "sgd", "decay": 0.88})
    assert [t.number for t in held.comparable] == [7, *range(8, 16)]


def test_a_new_parameter_takes_the_value_that_it_had_before() -> None:
    new = {"lr": LOG, "dropout": FloatDistribution(0.0, 0.5)}
    held = match(source({"lr": LOG}, {"lr": 0.1}), new, fixed={"dropout": 0.0})
    assert held.carry(held.source.trials[0]).params == {"lr": 0.1, "dropout": 0.0}
