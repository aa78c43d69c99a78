from __future__ import annotations

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial

from optuna_llm.history.history import History
from optuna_llm.prompts.comparisons import single_changes
from optuna_llm.prompts.comparisons import unvaried
from tests.prompts.building import show
from tests.prompts.building import study_of


XYZ: dict[str, BaseDistribution] = {name: FloatDistribution(0, 1) for name in "xyz"}


def points(*trials: tuple[tuple[float, float, float], float | None]) -> History:
    made = []
    for params, value in trials:
        ended = {"state": TrialState.FAIL} if value is None else {"value": value}
        named = dict(zip("xyz", params, strict=True))
        made.append(create_trial(params=named, distributions=XYZ, **ended))  # type: ignore[arg-type]
    return study_of(made)


def test_pairs_that_differ_in_one_parameter_are_shown_with_both_results() -> None:
    history = points(
        ((0.5, 0.5, 0.5), 1.0),
        ((0.7, 0.5, 0.5), 2.0),
        ((0.5, 0.9, 0.5), None),
        ((0.1, 0.1, 0.1), 3.0),
    )
    text = show(history)
    assert "- x 0.5 -> 0.7: 1 -> 2 (trials 0, 1)" in text
    assert "- y 0.5 -> 0.9: 1 -> failed (trials 0, 2)" in text
    assert "trials 0, 3" not in text
    assert "Never varied alone at the best, trial 0: z." in text


def test_a_step_too_small_to_tell_anything_is_no_pair() -> None:
    history = points(((0.5, 0.5, 0.5), 1.0), ((0.501, 0.5, 0.5), 2.0))
    assert single_changes(history.search_space(), history) == []


def test_a_choice_that_switches_parameters_is_not_varied_alone() -> None:
    known: dict[str, BaseDistribution] = {
        "kind": CategoricalDistribution(["a", "b"]),
        "x": FloatDistribution(0, 1),
        "only_b": FloatDistribution(0, 1),
    }
    rows = [({"kind": "a", "x": 0.5}, 1.0), ({"kind": "b", "x": 0.5, "only_b": 0.2}, 2.0)]
    history = study_of(
        [
            create_trial(params=p, distributions={n: known[n] for n in p}, value=v)
            for p, v in (*rows, rows[0])
        ]
    )
    space = history.search_space()
    assert space.optional == {"only_b"}
    changes = single_changes(space, history)
    assert changes == []
    assert history.best is not None
    assert unvaried(space, history.best, changes) == ["x"]
