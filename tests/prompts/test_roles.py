from __future__ import annotations

from optuna_llm.prompts.roles import roles
from tests.prompts.building import random_history


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


def test_steps_are_small_near_the_end() -> None:
    history = random_history(39, troubled=False)
    shown = map(str, roles(history.search_space(), history, 5, n_trials=40))
    assert all(
        "factors of at most 1.5" in text for text in shown if not text.startswith("combine")
    )
