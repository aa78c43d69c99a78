"""Which candidate is run, and how often against the surrogate's word: on studies made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
import pytest

from optuna_llm.history.attributes import write_parts
from optuna_llm.history.cost import Cost
from optuna_llm.history.expected import Expected
from optuna_llm.history.history import History
from optuna_llm.history.origin import Origin
from optuna_llm.sharing.choice import choose
from optuna_llm.sharing.choice import may_overrule
from optuna_llm.sharing.occasions import occasion
from optuna_llm.sharing.occasions import standstill


X = {"x": FloatDistribution(0, 1)}
# A trial for which the model answered, one that was run against the surrogate's word, another one.
ASKED, AGAINST, OTHER = "asked", "against", "other"


def study_of(*trials: tuple[str, float]) -> History:
    """Return a study of such trials with their values; the surrogate expected about 0.5."""
    study = optuna.create_study()
    for i, (kind, value) in enumerate(trials):
        study.enqueue_trial({"x": i / 100})
        trial = study.ask(X)
        frozen = study._storage.get_trial(trial._trial_id)
        write_parts(
            study,
            frozen,
            Origin("base" if kind == OTHER else "llm", role="refine", overruled=kind == AGAINST),
            Cost(requests=int(kind == ASKED)),
            Expected([0.3, 0.4, 0.5, 0.6, 0.7]),
        )
        study.tell(trial, value)
    return History.from_study(study)


class Outlook:
    """A surrogate that likes small values, expects nothing beyond 0.5, and failures beyond 0.9."""

    def order(self, configurations: Sequence[Mapping[str, Any]], bonus: np.ndarray) -> list[int]:
        return sorted(range(len(configurations)), key=lambda i: configurations[i]["x"])

    def is_hopeless(self, configuration: Mapping[str, Any]) -> bool:
        return bool(configuration["x"] > 0.5)

    def will_fail(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        return np.array([c["x"] > 0.9 for c in configurations])


def chosen(history: History, *candidates: tuple[str, float]) -> tuple[int | None, bool]:
    outlook: Any = Outlook()
    configurations = [{"x": x} for _, x in candidates]
    roles = [role for role, _ in candidates]
    return choose(history, outlook, configurations, roles, range(len(candidates)))


FRESH = study_of((ASKED, 1.0), (OTHER, 0.9))


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([("refine", 0.4), ("vary", 0.3)], (1, False)),
        ([("refine", 0.6), ("vary", 0.3)], (1, False)),
        ([("refine", 0.8), ("vary", 0.6)], (1, True)),
        # What will fail is not run for curiosity, nor is the optimizer's own point.
        ([("refine", 0.95)], (None, False)),
        ([("optimizer", 0.6)], (None, False)),
        ([], (None, False)),
    ],
)
def test_the_most_promising_one_is_run_or_else_one_against_the_surrogate(
    candidates: list[tuple[str, float]], expected: tuple[int | None, bool]
) -> None:
    assert chosen(FRESH, *candidates) == expected


def test_each_answer_has_one_trial_against_the_surrogate() -> None:
    once = study_of((ASKED, 1.0), (AGAINST, 0.1))
    assert not may_overrule(once)
    assert chosen(once, ("refine", 0.6)) == (None, False)
    assert may_overrule(study_of((ASKED, 1.0), (AGAINST, 0.1), (ASKED, 0.9)))


@pytest.mark.parametrize(("value", "goes_on"), [(0.1, True), (0.5, False), (2.0, False)])
def test_it_goes_on_as_long_as_results_are_better_than_the_surrogate_expected(
    value: float, goes_on: bool
) -> None:
    history = study_of(*[(ASKED, 1.0), (AGAINST, value)] * 4, (ASKED, 1.0))
    assert may_overrule(history) == goes_on


def test_another_region_has_its_chance_where_the_search_stands_still() -> None:
    candidates = [("refine", 0.2), ("basin", 0.7)]
    assert chosen(FRESH, *candidates) == (0, False)
    still = study_of((ASKED, 0.1), *[(OTHER, 0.9)] * 8)
    assert standstill(still) > 0
    assert chosen(still, *candidates) == (1, True)


def test_a_model_that_is_not_trusted_is_asked_where_the_search_has_moved_on() -> None:
    still = study_of((ASKED, 0.1), *[(OTHER, 0.9)] * 12)

    def why(is_trusted: bool, n_trials: int | None = None, is_waiting: bool = False) -> str:
        return occasion(
            still,
            still.search_space(),
            13,
            n_trials=n_trials,
            is_trusted=is_trusted,
            is_used_up=False,
            is_waiting=is_waiting,
        )

    assert "no new best" in why(True)
    # Candidates of the last answer come first.
    assert why(True, is_waiting=True) == ""
    assert why(False) == ""
    assert "last quarter" in why(False, n_trials=16)
