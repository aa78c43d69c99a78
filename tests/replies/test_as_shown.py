"""What a model copies from a prompt is the trial's own value, to the last digit."""

from __future__ import annotations

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import create_trial

from optuna_llm.history.history import History
from optuna_llm.history.repeats import repeated
from optuna_llm.prompts.comparisons import single_changes
from optuna_llm.replies.as_shown import as_shown
from tests.prompts.building import study_of


KNOWN: dict[str, BaseDistribution] = {
    "depth": IntDistribution(1, 14),
    "rate": FloatDistribution(1e-3, 1, log=True),
    "scaling": CategoricalDistribution(["none", "standard"]),
    "share": FloatDistribution(0.2, 1.0),
}
GOOD = {"depth": 6, "rate": 0.0012345678, "scaling": "none", "share": 0.742113}
OTHER = {"depth": 9, "rate": 0.5, "scaling": "standard", "share": 0.742138}


def history_of(*rows: tuple[dict[str, object], float]) -> History:
    return study_of([create_trial(params=p, distributions=KNOWN, value=v) for p, v in rows])


HISTORY = history_of((OTHER, 2.0), (GOOD, 1.0))
SPACE = HISTORY.search_space()


def test_what_reads_as_a_trial_is_that_trial() -> None:
    copied = {"depth": 6, "rate": 0.001235, "scaling": "none", "share": 0.7421}
    assert as_shown(SPACE, HISTORY, copied) == GOOD
    # Repeats are known by exact values: they tell what noise is.
    again = history_of((OTHER, 2.0), (GOOD, 1.0), (as_shown(SPACE, HISTORY, copied), 1.1))
    assert max(map(len, repeated(again.complete))) == 2


def test_of_several_trials_it_is_the_one_that_is_meant() -> None:
    copied = {"depth": 9, "rate": 0.5, "scaling": "none", "share": 0.7421}
    assert as_shown(SPACE, HISTORY, copied) == {**copied, "share": OTHER["share"]}
    alone = as_shown(SPACE, HISTORY, {**GOOD, "rate": 0.1, "share": 0.7421})
    assert alone == {**GOOD, "rate": 0.1}


def test_what_reads_as_no_trial_stays_as_it_is() -> None:
    new = {"depth": 3, "rate": 0.02, "scaling": "none", "share": 0.7}
    assert as_shown(SPACE, HISTORY, new) == new
    assert as_shown(SPACE, history_of(), new) == new


def test_a_repeat_may_be_written_with_three_digits() -> None:
    rounded = {"depth": 6, "rate": 0.00123, "scaling": "none", "share": 0.742}
    assert as_shown(SPACE, HISTORY, rounded, is_repeat=True) == GOOD
    far = {**rounded, "share": 0.5}
    assert as_shown(SPACE, HISTORY, far, is_repeat=True)["share"] == 0.5


def test_trials_whose_values_read_the_same_differ_in_nothing_that_is_hidden() -> None:
    # As printed all but the depth is the same; the last digits differ by more than a tolerance.
    known: dict[str, BaseDistribution] = {
        "depth": IntDistribution(1, 14),
        "gamma": FloatDistribution(0.9, 0.9999),
    }
    rows = [({"depth": 6, "gamma": 0.99113}, 1.0), ({"depth": 9, "gamma": 0.99108}, 2.0)]
    history = study_of([create_trial(params=p, distributions=known, value=v) for p, v in rows])
    (change,) = single_changes(history.search_space(), history)
    assert change.name == "depth"
    # What reads differently is another value, however little it differs.
    rows[1][0]["gamma"] = 0.9912
    history = study_of([create_trial(params=p, distributions=known, value=v) for p, v in rows])
    assert single_changes(history.search_space(), history) == []
