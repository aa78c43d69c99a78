from __future__ import annotations

import math

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm.history.history import History
from optuna_llm.reporting.tables import improvements
from optuna_llm.reporting.tables import objective_labels
from optuna_llm.reporting.tables import proposer
from optuna_llm.reporting.tables import rationale
from optuna_llm.reporting.tables import show_value
from optuna_llm.reporting.tables import summarize_model_use
from optuna_llm.reporting.tables import summarize_sources
from tests.support.studies import make_plain_study
from tests.support.studies import make_study
from tests.support.studies import make_trial
from tests.support.studies import make_two_objective_study


X = {"x": FloatDistribution(0.0, 1.0)}


def _study(*rows: tuple[str | None, float | None], **options: object) -> optuna.Study:
    """Return a study of trials (source, value); a trial without a value failed."""
    study = optuna.create_study(**options)  # type: ignore[arg-type]
    for number, (source, value) in enumerate(rows):
        outcome = {"state": TrialState.FAIL} if value is None else {"value": value}
        study.add_trial(make_trial(number, {"x": 0.5}, source=source, distributions=X, **outcome))
    return study


def test_each_proposer_is_counted_with_what_it_brought() -> None:
    study = _study(
        ("prior", 5.0), ("llm", 3.0), ("llm", None), ("base", 4.0), ("base", 2.0), (None, 9.0)
    )
    prior, llm, base, other = summarize_sources(History.from_study(study))
    assert [s.proposer for s in (prior, llm, base, other)] == ["prior", "llm", "base", "other"]
    assert (prior.trials, prior.improvements, prior.best) == (1, 1, 5.0)
    assert (llm.trials, llm.improvements, llm.failure_share, llm.best) == (2, 1, 0.5, 3.0)
    assert (base.improvements, base.failure_share, base.median_rank) == (1, 0.0, 2.0)
    assert (other.trials, other.median_rank, other.best) == (1, 5.0, 9.0)
    assert [s.median_regret for s in (prior, llm, base, other)] == [3.0, 1.0, 1.0, 7.0]


def test_a_label_without_a_record_tells_the_proposer() -> None:
    study = optuna.create_study()
    for source in ("base", "nonsense"):
        attributes = {"llm:source": source, "llm:rationale": "why"}
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": 0.5}, distributions=dict(X), value=1.0, user_attrs=attributes
            )
        )
    first, second = History.from_study(study).observations
    assert (proposer(first), rationale(first)) == ("base", "why")
    assert proposer(second) == "other"


def test_a_maximised_value_is_shown_as_the_objective_returned_it() -> None:
    study = _study(("llm", 0.7), ("llm", 0.9), ("base", 0.8), direction="maximize")
    llm, base = summarize_sources(History.from_study(study))
    assert (llm.best, llm.improvements, base.best, base.improvements) == (0.9, 2, 0.8, 0)
    assert base.median_regret == pytest.approx(0.1)


def test_a_proposer_of_failures_only_has_neither_rank_nor_best_value() -> None:
    (only,) = summarize_sources(History.from_study(_study(("llm", None))))
    assert (only.failure_share, only.median_rank, only.best) == (1.0, None, None)


def test_infeasible_trials_improve_nothing() -> None:
    study = optuna.create_study()
    for number, (value, violation) in enumerate([(3.0, -1.0), (1.0, 0.5), (2.0, 0.0)]):
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": 0.5},
                distributions=dict(X),
                value=value,
                constraints={"memory": violation},
            )
        )
        assert study.trials[number].value == value
    history = History.from_study(study)
    assert [o.number for o in improvements(history)] == [0, 2]
    assert summarize_sources(history)[0].best == 2.0
    assert summarize_sources(history)[0].infeasible_share == pytest.approx(1 / 3)


def test_with_two_objectives_every_new_point_of_the_front_improves() -> None:
    history = History.from_study(make_two_objective_study(40))
    expected = []
    for o in history.complete:
        assert o.values is not None
        earlier = [e.values for e in history.complete if e.number < o.number]
        beaten = [all(a <= b for a, b in zip(e or (), o.values, strict=True)) for e in earlier]
        if not any(beaten):
            expected.append(o.number)
    assert [o.number for o in improvements(history)] == expected
    assert all(s.best is s.median_regret is None for s in summarize_sources(history))


def test_model_use_adds_up_the_records() -> None:
    study = make_study(30)
    records = [t.system_attrs["llm:proposal"] for t in study.trials]
    use = summarize_model_use(History.from_study(study))
    assert use.requests == sum(r.get("requests", 0) for r in records)
    assert use.prompt_tokens == sum(r.get("prompt_tokens", 0) for r in records)
    assert use.cost == pytest.approx(sum(r.get("cost", 0.0) for r in records))
    assert use.seconds == pytest.approx(sum(r.get("seconds", 0.0) for r in records))
    assert use.errors == sum(r["source"] == "fallback" for r in records)
    assert use.models == ("small-model",)
    used = {s.proposer: s for s in summarize_sources(History.from_study(study))}
    assert used["llm"].tokens == use.prompt_tokens + use.completion_tokens
    assert used["llm"].cost == use.cost
    assert (used["base"].tokens, used["base"].cost) == (0, None)


def test_an_unknown_cost_is_not_zero() -> None:
    study = optuna.create_study()
    record = {"model": "m", "requests": 1, "prompt_tokens": 10}
    study.add_trial(
        make_trial(0, {"x": 0.5}, source="llm", distributions=X, record=record, value=1.0)
    )
    assert summarize_model_use(History.from_study(study)).cost is None
    assert summarize_model_use(History.from_study(make_plain_study())).requests == 0


def test_labels_name_objective_and_direction() -> None:
    assert objective_labels(History.from_study(make_two_objective_study(1))) == [
        "loss (minimized)",
        "speed (maximized)",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.123456, "0.1235"), (12, "12"), (True, "True"), (None, "None"), (math.inf, "inf")],
)
def test_values_are_shown_in_short(value: object, shown: str) -> None:
    assert show_value(value) == shown
    assert len(show_value("x" * 1000)) == 40
