from __future__ import annotations

from collections.abc import Sequence
import itertools
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

from optuna_llm.history.attributes import PROPOSAL_KEY
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.history import History
from optuna_llm.sharing.turns import is_paused
from optuna_llm.sharing.turns import is_turn
from optuna_llm.sharing.turns import model_share


def history(trials: Sequence[tuple[str, float | None, dict[str, Any]]]) -> History:
    """Return the history of trials given as (source, value or None for failed, record)."""
    study = optuna.create_study()
    for number, (source, value, record) in enumerate(trials):
        study.add_trial(
            create_trial(
                state=TrialState.FAIL if value is None else TrialState.COMPLETE,
                value=value,
                params={"x": 0.5},
                distributions={"x": FloatDistribution(0, 1)},
                user_attrs={SOURCE_KEY: source},
                system_attrs={PROPOSAL_KEY: {"trial": number, "source": source, **record}},
            )
        )
    return History.from_study(study)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("start", [1, 37, 1000])
def test_turns_are_spread_evenly(share: float, start: int) -> None:
    turns = [is_turn(n, share) for n in range(start, start + 100)]
    assert sum(turns) == pytest.approx(100 * share, abs=2)
    assert is_turn(1, share)


def alternating(llm: Sequence[float | None], base: Sequence[float | None]) -> History:
    pairs = zip(llm, base, strict=True)
    return history([t for a, b in pairs for t in (("llm", a, {}), ("base", b, {}))])


def test_share_starts_at_its_initial_value() -> None:
    assert model_share(history([]), "llm") == pytest.approx(0.3)
    assert model_share(history([("base", 1.0, {})]), "llm") == pytest.approx(0.3)


def test_share_follows_benefit_within_bounds() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.uniform(0, 1, 12), rng.uniform(2, 3, 12)
    assert model_share(alternating(good.tolist(), bad.tolist()), "llm") > 0.55
    assert model_share(alternating(bad.tolist(), good.tolist()), "llm") == pytest.approx(0.05)
    same = rng.uniform(0, 1, 24)
    share = model_share(alternating(same[:12].tolist(), same[12:].tolist()), "llm")
    assert 0.15 < share < 0.45


def test_failures_and_vetoes_cost_share() -> None:
    values = np.linspace(2, 1, 10).tolist()  # Every trial beats all earlier ones.
    even = model_share(alternating(values, values), "llm")
    assert model_share(alternating([*values[:5], *[None] * 5], values), "llm") < even
    vetoed = [t for v in values for t in (("llm", v, {}), ("base", v, {"vetoed": "llm"}))]
    assert model_share(history(vetoed), "llm") < even


def test_an_accident_costs_little_share() -> None:
    lost = []
    for seed in range(20):
        values = np.random.default_rng(seed).uniform(0, 1, 16).tolist()
        own = values[:4]

        def share(own: Sequence[float | None], other: Sequence[float]) -> float:
            by_base = (("base", value, {}) for value in other)
            turns = [[("llm", v, {}), *itertools.islice(by_base, 3)] for v in own]
            return model_share(history([t for turn in turns for t in turn]), "llm")

        lost.append(share(own, values[4:]) - share([*own[:3], None], values[4:]))
    assert np.mean(lost) < 0.05


def test_who_fails_less_than_others_gains() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 24).tolist()
    own, other = values[::2], values[1::2]
    even = model_share(alternating(own, other), "llm")
    assert model_share(alternating(own, [*other[:4], *[None] * 8]), "llm") > even + 0.05
    assert model_share(alternating([None] * 12, other), "llm") == pytest.approx(0.05)


def test_design_trials_do_not_count() -> None:
    trials = [("llm", 1.0, {}), ("base", 1.0, {})] * 5
    with_design = [("llm", 0.0, {"design": 1}), *trials]
    assert model_share(history(with_design), "llm") == pytest.approx(
        model_share(history(trials), "llm"), abs=0.06
    )


FAILURE = ("fallback", 1.0, {"error": "ModelError", "requests": 1, "model": "m"})
SUCCESS = ("llm", 1.0, {"requests": 1, "model": "m"})
BASE = ("base", 1.0, {})
SKIPPED = ("fallback", 1.0, {"error": "paused"})


def test_breaker_opens_after_three_failures_and_closes_with_a_reply() -> None:
    assert not is_paused(history([FAILURE, BASE, FAILURE]), 3)
    assert is_paused(history([FAILURE, FAILURE, FAILURE]), 3)
    assert is_paused(history([FAILURE, FAILURE, FAILURE, SKIPPED, BASE]), 5)
    assert not is_paused(history([FAILURE, FAILURE, FAILURE, SKIPPED, BASE, BASE]), 6)
    assert not is_paused(history([FAILURE, FAILURE, FAILURE, SUCCESS]), 4)
    assert not is_paused(history([FAILURE, FAILURE, SUCCESS, FAILURE]), 4)


def test_pause_doubles_up_to_a_limit() -> None:
    def pause(n_failures: int) -> int:
        failures = history([FAILURE] * n_failures)
        return sum(is_paused(failures, n) for n in range(n_failures, n_failures + 200))

    assert [pause(n) for n in (2, 3, 4, 5)] == [0, 3, 6, 12]
    assert pause(9) == pause(10) == 48


def test_out_of_budget_does_not_open_the_breaker() -> None:
    assert not is_paused(history([("fallback", 1.0, {"error": "budget"})] * 5), 5)
