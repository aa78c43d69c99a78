from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm import AgentSampler
from optuna_llm.errors import ConfigurationError


SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-10, 10),
    "y": FloatDistribution(-10, 10),
    "kind": CategoricalDistribution(["a", "b"]),
}
OPTIMUM = {"x": 2.0, "y": 1.0, "kind": "a"}
AWAY = {"x": -9.0, "y": 9.0, "kind": "b"}


def objective(trial: optuna.Trial) -> float:
    x, y = trial.suggest_float("x", -10, 10), trial.suggest_float("y", -10, 10)
    return (x - 2) ** 2 + (y - 1) ** 2 + (trial.suggest_categorical("kind", ["a", "b"]) == "b")


def started(seed: int = 1) -> tuple[AgentSampler, optuna.Study]:
    sampler = AgentSampler(SPACE, seed=seed)
    return sampler, optuna.create_study(sampler=sampler)


def near(point: dict[str, Any]) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(0)
    while True:
        moved = {k: v + 0.1 * rng.normal() for k, v in point.items() if k != "kind"}
        yield {**moved, "kind": point["kind"]}


def sources(study: optuna.Study) -> list[str]:
    return [t.user_attrs["llm:source"] for t in study.trials]


def test_an_agent_that_knows_gets_more_and_one_that_does_not_gets_less() -> None:
    shares = []
    for point in (OPTIMUM, AWAY):
        sampler, study = started()
        suggested = near(point)
        for _ in range(30):
            sampler.suggest(study, next(suggested), why="I believe so.")
            study.optimize(objective, n_trials=1)
        shares.append(sampler.share(study))
        n_own = sources(study)[10:].count("agent")
        if point is AWAY:
            assert n_own == 0
            assert any(s.fate == "vetoed" for s in sampler.suggestions(study))
        else:
            assert n_own >= 8
            assert all(s.fate in ("run", "waiting") for s in sampler.suggestions(study))
    assert shares[0] > 0.6
    assert shares[1] == 0.05


def test_a_trial_says_that_it_was_the_agents_and_why() -> None:
    sampler, study = started()
    (name,) = sampler.suggest(study, {"x": 2.0}, why="The bowl is there.")
    study.optimize(objective, n_trials=4)
    (own,) = [t for t in study.trials if t.user_attrs["llm:source"] == "agent"]
    assert own.params["x"] == 2.0
    assert own.user_attrs["llm:rationale"] == "The bowl is there."
    (suggestion,) = sampler.suggestions(study)
    assert (suggestion.name, suggestion.fate, suggestion.trial) == (name, "run", own.number)


def test_without_suggestions_it_is_a_sampler_like_another() -> None:
    sampler, study = started()
    study.optimize(objective, n_trials=14)
    assert "agent" not in sources(study)
    assert sources(study)[-1] == "base"
    assert sampler.share(study) == 0.3


def test_each_suggestion_is_run_once_and_what_was_tried_not_again() -> None:
    sampler, study = started()
    study.enqueue_trial(OPTIMUM)
    study.optimize(objective, n_trials=1)
    sampler.suggest(study, OPTIMUM, OPTIMUM, {**OPTIMUM, "x": 2.5})
    study.optimize(objective, n_trials=12)
    assert [s.fate for s in sampler.suggestions(study)] == ["repeated", "repeated", "run"]
    rows = [tuple(t.params.values()) for t in study.trials]
    assert len(set(rows)) == len(rows)


def test_a_part_that_was_tried_is_run_with_another_rest() -> None:
    sampler, study = started()
    study.enqueue_trial(OPTIMUM)
    study.optimize(objective, n_trials=1)
    name = next(iter(OPTIMUM))
    sampler.suggest(study, {name: OPTIMUM[name]})
    study.optimize(objective, n_trials=4)
    (suggestion,) = sampler.suggestions(study)
    assert suggestion.fate == "run"
    assert suggestion.trial is not None
    run = study.trials[suggestion.trial].params
    assert run != OPTIMUM
    assert run[name] == OPTIMUM[name]


def test_a_suggestion_whose_trial_was_interrupted_waits_again() -> None:
    sampler, study = started()
    sampler.suggest(study, OPTIMUM)
    trial = study.ask(SPACE)
    while trial.study.trials[-1].user_attrs["llm:source"] != "agent":
        study.tell(trial, 1.0)
        trial = study.ask(SPACE)
    assert sampler.suggestions(study)[0].fate == "run"
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        study.tell(trial, state=TrialState.FAIL)
    assert sampler.suggestions(study)[0].fate == "waiting"


def test_two_who_ask_at_once_do_not_run_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, study = started()
    study.optimize(objective, n_trials=1)
    sampler.suggest(study, OPTIMUM)
    from optuna_llm.expectations.outlook import Outlook

    order, asked = Outlook.order, []

    def slow(self: Outlook, *args: Any) -> list[int]:
        if not asked:
            # While the first worker computes, a second one takes the suggestion.
            asked.append(0)
            asked.append(study.ask(SPACE))
        return order(self, *args)

    monkeypatch.setattr(Outlook, "order", slow)
    study.ask(SPACE)
    assert sources(study)[1:].count("agent") == 1


def test_what_cannot_be_suggested_is_named() -> None:
    sampler, study = started()
    with pytest.raises(ConfigurationError, match="x=11 must be"):
        sampler.suggest(study, {"x": 11})
    with pytest.raises(ConfigurationError, match="empty"):
        sampler.suggest(study)
    bare = AgentSampler()
    with pytest.raises(ConfigurationError, match="search_space"):
        bare.suggest(optuna.create_study(sampler=bare), {"x": 1})
    with pytest.raises(ConfigurationError, match="about=3"):
        AgentSampler(about=3)  # type: ignore[arg-type]
