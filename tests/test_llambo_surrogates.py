"""LLAMBOSampler's surrogates: what the model is asked, and what its word is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.llambo import run
from tests.support.llambo import served
from tests.support.neighbours import Neighbours
from tests.support.records import records
from tests.support.server import error


def test_predictions_are_recalibrated_and_recorded() -> None:
    with served(Neighbours()) as (sampler, _):
        study = run(sampler, 25)
    # A vetoed trial has no record of what was predicted.
    told = [r.predictions for r in records(study)[8:] if r.vetoed is None]
    assert len(told) >= 15
    for entry in told:
        low, middle, high = entry.interval
        raw_low, raw_mean, raw_high = entry.raw_interval
        assert low < middle < high
        assert raw_mean == pytest.approx(entry.model[0], abs=0.1)
        # The model's own deviation is that of its noise, its errors are far larger.
        assert high - low > raw_high - raw_low
        assert 0 <= entry.weight <= 1
        assert len(entry.held_out["numbers"]) >= 2


@pytest.mark.parametrize(
    "predict",
    [
        lambda known, results, new: np.full(len(new), 2.086218),
        # The last example of the prompt.
        lambda known, results, new: np.full(len(new), results[-1]),
    ],
    ids=["repeats one number", "copies the last example"],
)
def test_a_model_that_says_the_same_of_all_has_no_weight(predict: Any) -> None:
    with served(Neighbours(predict=predict)) as (sampler, _):
        study = run(sampler, 20)
    weights = [r.predictions.weight for r in records(study) if r.predictions.scale]
    assert weights[6:] == [0] * len(weights[6:])


def test_a_model_that_predicts_well_gains_weight_over_one_that_predicts_at_random() -> None:
    means = {}
    rng = np.random.default_rng(0)
    for name, predict in {
        "good": None,
        "random": lambda known, results, new: rng.uniform(-500, 1000, len(new)),
    }.items():
        with served(Neighbours(predict=predict)) as (sampler, _):
            study = run(sampler, 20)
        weights = [r.predictions.weight for r in records(study) if r.predictions.scale]
        means[name] = np.mean(weights[8:])
    print(means)
    assert means["good"] > 0.1
    assert means["random"] < 0.5 * means["good"]


@pytest.mark.parametrize("logprobs", [True, False])
def test_the_generative_surrogate_reads_probabilities_or_labels(logprobs: bool) -> None:
    with served(Neighbours(logprobs=logprobs), surrogate="generative") as (sampler, server):
        study = run(sampler, 14)
        asked = [r.json for r in server.requests if "PREDICT" in r.json["messages"][-1]["content"]]
    assert all(r["logprobs"] is True and r["top_logprobs"] == 5 for r in asked)
    for request in asked:
        told = request["response_format"]["json_schema"]["schema"]["properties"]["labels"]
        assert {a["maximum"] for a in told["properties"].values()} == {1}
    guesses = [
        g for r in records(study) if r.predictions.scale for g in r.predictions.held_out["model"]
    ]
    assert all(0 <= g <= 1 for g in guesses)
    assert logprobs == any(g not in (0, 0.5, 1) for g in guesses)


def test_a_server_that_refuses_log_probabilities_is_asked_without() -> None:
    model = Neighbours(logprobs=False)

    def reply(request: dict[str, Any]) -> Any:
        for name in ("logprobs", "top_logprobs"):
            if name in request:
                return error(400, f"Unsupported parameter: '{name}'", parameter=name)
        return model(request)

    with served(reply, surrogate="generative", on_error="raise") as (sampler, _):
        study = run(sampler, 12)
    assert any(r.predictions.scale for r in records(study))


def test_the_statistical_surrogate_asks_for_candidates_only() -> None:
    model = Neighbours()
    with served(model, surrogate="statistical") as (sampler, _):
        study = run(sampler, 14)
    assert set(model.kinds) == {"candidates"}
    assert [r.requests for r in records(study)[7:]] == [1] * 7


def test_paper_mode_asks_about_each_candidate_in_its_own_request() -> None:
    model = Neighbours()
    options = {"one_by_one": True, "n_candidates": 3, "n_templates": 2, "n_samples": 2}
    with served(model, **options) as (sampler, _):
        study = run(sampler, 7)
    record = records(study)[-1]
    n_held_out = len(record.predictions.held_out["numbers"])
    assert record.requests == 1 + (record.asked + 1 + n_held_out) * 2 * 2
