"""A model's predictions: asked for, recalibrated, weighed."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import json
import re
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import ModelError
from optuna_llm.expectations.model import Forecast
from optuna_llm.expectations.model import ModelSurrogate
from optuna_llm.expectations.model import Questions
from optuna_llm.expectations.model import hold_out
from optuna_llm.expectations.model import read_alike
from optuna_llm.expectations.track_record import TrackRecord
from optuna_llm.expectations.track_record import is_given_up
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.history import History
from optuna_llm.history.predictions import Predictions
from optuna_llm.history.scores import ScoreScale
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts.text import count_lines
from tests.support.neighbours import table


def study_of(n: int) -> optuna.Study:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: (t.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=n)
    return study


class Asked:
    """A model that is handed in as a function, and what it was asked."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self._answer = answer
        self.prompts: list[str] = []
        self.schemas: list[Any] = []

    def __call__(self, messages: Any, schema: Any, top_logprobs: int | None) -> Completion:
        self.prompts.append(messages[-1]["content"])
        self.schemas.append(schema)
        text = self._answer(self.prompts[-1])
        return Completion(text, "m", Usage(10, 5), None, 0.1, 1, "text", "stop")


def forecast(ask: Asked, *args: Any, **options: Any) -> Forecast:
    found = maybe_forecast(ask, *args, **options)
    assert found is not None
    return found


def maybe_forecast(
    ask: Asked,
    n_trials: int = 20,
    held_out: list[int] | None = None,
    candidates: Sequence[float] = (0.25, 0.9),
    **options: Any,
) -> Forecast | None:
    history = History.from_study(study_of(n_trials))
    surrogate = ModelSurrogate(
        **{
            "kind": "score",
            "n_templates": 2,
            "n_samples": 1,
            "one_by_one": False,
            "top_quantile": 0.25,
            "token_budget": 400,
            **options,
        }
    )
    rng = np.random.default_rng(0)
    scale = ScoreScale.of(history, rng)
    questions = Questions([{"x": x} for x in candidates], held_out or [])
    space = history.search_space()
    return surrogate.forecast(ask, space, history, PromptOptions(), scale, questions, rng)


def numbers(*values: float) -> Callable[[str], str]:
    def answer(prompt: str) -> str:
        names = re.findall(r"^([A-Z]),", prompt, re.MULTILINE)
        return json.dumps({"scores": dict(zip(names, values, strict=True))})

    return answer


def test_mean_and_deviation_are_those_of_the_answers() -> None:
    left = [(900.0, 100.0), (1000.0, 100.0), (1100.0, 130.0)]
    ask = Asked(lambda prompt: numbers(*left.pop(0))(prompt))
    found = forecast(ask, n_templates=3)
    assert found.mean == pytest.approx([1000, 110])
    assert found.spread == pytest.approx([100, np.std([100, 100, 130], ddof=1)])
    assert (found.requests, len(found.completions), found.error) == (3, 3, None)


def test_each_template_shows_the_same_examples_in_another_order() -> None:
    ask = Asked(numbers(1, 2))
    forecast(ask, n_templates=3, n_samples=2)
    tables = [table(prompt, "score")[1] for prompt in ask.prompts]
    assert tables[0] == tables[1]
    assert tables[0] != tables[2] != tables[4]
    assert sorted(tables[0]) == sorted(tables[2]) == sorted(tables[4])


def test_held_out_trials_are_asked_about_and_not_shown() -> None:
    ask = Asked(numbers(1, 2, 3, 4))
    found = forecast(ask, held_out=[4, 7])
    assert found.held_out == {4: 3, 7: 4}
    params = [t.params["x"] for t in study_of(20).trials]
    shown = {row[0] for prompt in ask.prompts for row in table(prompt, "score")[1]}
    for number in (4, 7):
        assert f"{params[number]:.4g}" not in shown
        assert all(f",{params[number]:.4g}" in prompt for prompt in ask.prompts)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_nothing_is_asked_about_a_candidate_whose_result_is_known(one_by_one: bool) -> None:
    ran = study_of(20).trials[3].params["x"]
    # To four digits it is that trial.
    near = ran * (1 + 1e-7)
    ask = Asked(lambda prompt: numbers(*[600] * len(asked_rows(prompt)))(prompt))
    found = forecast(ask, candidates=(near, 0.9), n_templates=1, one_by_one=one_by_one)
    assert np.isnan(found.mean[0])
    assert found.mean[1] == 600
    assert [asked_rows(prompt) for prompt in ask.prompts] == [["0.9"]]
    assert maybe_forecast(ask, candidates=(ran,)) is None
    assert len(ask.prompts) == 1


def asked_rows(prompt: str) -> list[str]:
    return re.findall(r"^[A-Z],(.*)$", prompt, re.MULTILINE)


def test_one_by_one_sends_a_request_for_each() -> None:
    ask = Asked(lambda prompt: "## 500 ##")
    found = forecast(ask, held_out=[4], one_by_one=True, n_templates=2, n_samples=3)
    assert found.requests == 3 * 2 * 3
    assert list(found.mean) == [500, 500]


def test_examples_keep_to_the_budget_and_hold_the_best_and_the_nearest() -> None:
    ask = Asked(numbers(1, 2))
    forecast(ask, n_trials=200, token_budget=160)
    _, rows = table(ask.prompts[0], "score")
    assert len(rows) > 3
    assert count_lines(",".join(row) for row in rows) <= 160
    assert f"{study_of(200).best_params['x']:.4g}" in [row[0] for row in rows]
    xs = np.array([float(row[0]) for row in rows])
    assert np.abs(xs - 0.25).min() < 0.02
    assert np.abs(xs - 0.9).min() < 0.02


def test_labels_are_one_for_the_best_quarter() -> None:
    ask = Asked(lambda prompt: "A: 1\nB: 0")
    found = forecast(ask, kind="label", token_budget=2000)
    _, rows = table(ask.prompts[0], "label")
    ordered = sorted(rows, key=lambda row: abs(float(row[0]) - 0.3))
    assert [row[1] for row in ordered] == ["1"] * 5 + ["0"] * 15
    assert list(found.mean) == [1, 0]
    answers = [schema["properties"]["labels"]["properties"]["A"] for schema in ask.schemas]
    assert [(a["minimum"], a["maximum"]) for a in answers] == [(0, 1)] * 2


def test_missing_answers_are_nan_and_do_not_spoil_the_others() -> None:
    left = ['{"A": 700}', '{"A": 900, "B": "?"}']
    found = forecast(Asked(lambda prompt: left.pop(0)))
    assert found.mean[0] == 800
    assert np.isnan(found.mean[1])


@pytest.mark.parametrize(
    ("error", "requests"), [(ModelError("away"), 2), (BudgetExceededError("spent"), 1)]
)
def test_an_error_in_between_leaves_what_was_answered(error: Exception, requests: int) -> None:
    left: list[Any] = [numbers(600, 700), error]

    def answer(prompt: str) -> str:
        step = left.pop(0)
        if isinstance(step, Exception):
            raise step
        return str(step(prompt))

    found = forecast(Asked(answer))
    assert found.error is error
    assert found.requests == requests
    assert list(found.mean) == [600, 700]


def test_trials_are_held_out_over_the_whole_range_but_never_the_best() -> None:
    scores = {n: 1000.0 - 10 * n for n in range(30)}
    for seed in range(20):
        chosen = hold_out(scores, np.random.default_rng(seed))
        assert len(set(chosen)) == 5
        assert 0 not in chosen
        assert sorted(chosen) == chosen
        assert chosen[0] < 8
        assert chosen[-1] > 22
    assert hold_out(dict.fromkeys(range(5), 1.0), np.random.default_rng(0)) == []


def test_trials_whose_results_others_tell_are_not_held_out() -> None:
    study = study_of(4)
    for trial in study.trials[:2]:
        study.enqueue_trial(trial.params)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=6)
    history = History.from_study(study)
    told = read_alike(history.search_space(), history)
    assert told == {0, 1, 4, 5}
    scores = {n: 1000.0 - n for n in range(10)}
    for seed in range(20):
        chosen = hold_out(scores, np.random.default_rng(seed), told)
        assert len(chosen) == 3
        assert not told & set(chosen)
    assert hold_out(scores, np.random.default_rng(0), range(10)) == []


# ---- what has been learnt of the model


OBSERVED = {n: 1000.0 - 40 * n for n in range(20)}


def record(predict: Callable[[int], float], statistical: Callable[[int], float]) -> TrackRecord:
    track = TrackRecord(History.from_study(optuna.create_study()))
    for first in range(0, 20, 5):
        ns = range(first, first + 5)
        track.add(
            OBSERVED,
            {
                "numbers": list(ns),
                "model": [predict(n) for n in ns],
                "spread": [10.0] * 5,
                "statistical": [statistical(n) for n in ns],
            },
        )
    return track


def right(n: int) -> float:
    return OBSERVED[n]


def wrong(n: int) -> float:
    return -OBSERVED[n]


@pytest.mark.parametrize(
    ("model", "statistical", "low", "high"),
    [
        (right, right, 0.3, 0.5),
        (right, wrong, 1.0, 1.0),
        (wrong, right, 0.0, 0.0),
        (wrong, wrong, 0.0, 0.0),
        # One number over and over, as small models answer.
        (lambda n: 2.086218, right, 0.0, 0.0),
        (lambda n: 2.086218, wrong, 0.0, 0.0),
        # The last example of each prompt, another one in each: constant within a request.
        (lambda n: OBSERVED[n - n % 5], right, 0.0, 0.0),
        (lambda n: right(n) if n % 5 < 3 else 0.0, right, 0.05, 0.4),
    ],
)
def test_the_weight_of_a_model_is_how_well_it_orders_what_it_has_not_seen(
    model: Callable[[int], float],
    statistical: Callable[[int], float],
    low: float,
    high: float,
) -> None:
    assert low <= record(model, statistical).weight() <= high


def test_a_model_that_nothing_is_known_of_counts_half() -> None:
    assert TrackRecord(History.from_study(optuna.create_study())).weight() == 0.5


def test_quantiles_are_moved_and_widened_by_past_errors() -> None:
    rng = np.random.default_rng(0)
    errors = dict(zip(OBSERVED, rng.normal(100, 50, 20), strict=True))
    track = record(lambda n: OBSERVED[n] - errors[n], right)
    low, middle, high = track.quantiles(np.array([500.0]), np.array([10.0]), (0.1, 0.5, 0.9))[0]
    # The answers' own deviation of 10 would say 487 to 513.
    assert low < 570 < middle < 630 < high


def test_conformal_intervals_cover_what_an_overconfident_model_misses() -> None:
    rng = np.random.default_rng(1)
    covered = raw = 0
    n_repeats = 200
    for _ in range(n_repeats):
        errors = dict(zip(OBSERVED, rng.normal(0, 200, 20), strict=True))
        track = record(lambda n, e=errors: OBSERVED[n] - e[n], right)  # type: ignore[misc]
        low, high = track.quantiles(np.array([500.0]), np.array([10.0]), (0.1, 0.9))[0]
        outcome = 500 + rng.normal(0, 200)
        covered += low <= outcome <= high
        raw += abs(outcome - 500) <= 1.2816 * 10
    assert raw / n_repeats < 0.2
    assert 0.7 <= covered / n_repeats <= 0.9


def test_what_was_chosen_and_disappointed_corrects_what_is_expected_next() -> None:
    """Held-out trials were predicted well; the trials that were run fell short of it by 200."""
    track = record(lambda n: OBSERVED[n], lambda n: OBSERVED[n])
    before = track.quantiles(np.array([900.0]), np.array([10.0]), [0.5])[0, 0]
    track._proposal_errors = [(-200.0, 10.0)] * 6
    after = track.quantiles(np.array([900.0]), np.array([10.0]), [0.5])[0, 0]
    assert before == pytest.approx(900, abs=60)
    assert after < 800


def test_predictions_that_are_in_vain_are_no_longer_asked_for() -> None:
    def given_up(weights: list[float], number: int) -> bool:
        study = optuna.create_study()
        for weight in weights:
            trial = study.ask()
            told = Predictions({"best": 0.0, "poor": 1.0}, {}, weight)
            write_parts(study, study._storage.get_trial(trial._trial_id), told)
            study.tell(trial, 0.0)
        return is_given_up(History.from_study(study), number)

    assert not given_up([0.0] * 3, 3)
    assert given_up([0.5] + [0.0] * 4, 5)
    assert not given_up([0.0] * 3 + [0.1], 4)
    # Once more after a while.
    assert given_up([0.0] * 4, 23)
    assert not given_up([0.0] * 4, 24)
