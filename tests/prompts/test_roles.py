from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial
import pytest

from optuna_llm.history.history import History
from optuna_llm.prompts.comparisons import single_changes
from optuna_llm.prompts.roles import hardly_tried
from optuna_llm.prompts.roles import roles
from tests.prompts.building import random_history
from tests.prompts.building import show
from tests.prompts.building import study_of


def kinds(n: int, **state: object) -> list[str]:
    history = random_history(n, troubled=False)
    return [r.name for r in roles(history.search_space(), history, 5, **state)]  # type: ignore[arg-type]


def test_roles_follow_the_state_of_the_search() -> None:
    assert "combine" not in kinds(2)
    assert kinds(2).count("diverse") == 2
    middle = kinds(20, n_trials=40)
    assert middle.count("refine") == 2
    assert {"combine", "vary", "basin"} <= set(middle)
    late = kinds(32, n_trials=40)
    assert set(late) == {"refine", "combine", "vary"}
    assert "repeat" in kinds(32, n_trials=40, is_noisy=True)


def test_without_an_announced_number_of_trials_there_is_no_end() -> None:
    assert "basin" in kinds(60)


def test_steps_are_small_near_the_end_but_for_what_is_tested_alone() -> None:
    history = random_history(39, troubled=False)
    shown = list(map(str, roles(history.search_space(), history, 5, n_trials=40)))
    small = "at most a twentieth of a range"
    assert all(small in text for text in shown if text.startswith("refine"))
    assert not any(small in text for text in shown if text.startswith("vary"))


def test_the_good_trials_are_repeated_in_turn() -> None:
    known: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}
    rows = [(0.1, 1.0), (0.2, 2.0), (0.3, 3.0), (0.1, 9.0)]
    history = study_of(
        [create_trial(params={"x": x}, distributions=known, value=v) for x, v in rows]
    )

    def again(n: int) -> str:
        shown = study_of([o.trial for o in history.observations[:n]])
        wanted = roles(shown.search_space(), shown, 5, n_trials=n + 1, is_noisy=True)
        return next(str(r) for r in wanted if r.name == "repeat")

    assert "trial 0, exactly once more" in again(3)
    # The best was lucky once; the next one has not had a second trial yet.
    assert "trial 1, exactly once more" in again(4)


def families(n_boosting: int, n_network: int) -> History:
    """A study of two families, the network with four parameters of its own."""
    known: dict[str, BaseDistribution] = {
        "family": CategoricalDistribution(["boosting", "network"])
    }
    known |= {n: FloatDistribution(0, 1) for n in ("rate", "layers", "width", "alpha", "beta")}
    rng = np.random.default_rng(0)
    trials = []
    for i in range(n_boosting + n_network):
        names = ["rate"] if i < n_boosting else ["layers", "width", "alpha", "beta"]
        params: dict[str, Any] = {"family": "boosting" if i < n_boosting else "network"}
        params |= {n: float(rng.random()) for n in names}
        trials.append(
            create_trial(
                params=params,
                distributions={n: known[n] for n in params},
                value=float(i >= n_boosting) + rng.random() / 10,
            )
        )
    return study_of(trials)


@pytest.mark.parametrize("n_trials", [40, 400])
@pytest.mark.parametrize(("n_network", "is_open"), [(3, True), (4, True), (5, False)])
def test_a_family_with_fewer_trials_than_parameters_has_a_role_to_the_end(
    n_network: int, is_open: bool, n_trials: int
) -> None:
    history = families(36 - n_network, n_network)
    shown = [str(r) for r in roles(history.search_space(), history, 5, n_trials=n_trials)]
    basins = [text for text in shown if text.startswith("basin")]
    assert any(f"family network ({n_network} of 36 trials)" in x for x in basins) == is_open
    assert bool(basins) == (is_open or n_trials == 400)
    assert len(shown) == 5


def test_a_choice_that_lost_a_pair_is_settled() -> None:
    known: dict[str, BaseDistribution] = {
        "scaling": CategoricalDistribution(["none", "standard", "quantile"]),
        "x": FloatDistribution(0, 1),
        "y": FloatDistribution(0, 1),
        "z": FloatDistribution(0, 1),
    }
    rows = [("none", 0.5, 1.0), ("standard", 0.5, 2.0), ("quantile", 0.9, 3.0)]
    rows += [("none", 0.01 * i, 4.0 + i) for i in range(12)]
    history = study_of(
        [
            create_trial(
                params={"scaling": s, "x": x, "y": 0.5, "z": 0.5}, distributions=known, value=v
            )
            for s, x, v in rows
        ]
    )
    space = history.search_space()
    (left,) = hardly_tried(space, history, single_changes(space, history))
    assert left.words == "scaling quantile (1 of 15 trials)"
    line = next(x for x in show(history).splitlines() if x.startswith("scaling: "))
    assert line == (
        "scaling: none (best 1, n=13) > standard (best 2, n=1); "
        "no pair tells of quantile (best 3, n=1)"
    )
