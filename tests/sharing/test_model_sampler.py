"""What all samplers with a model share: names that stay at home, and notes."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import sys
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler
import pytest

from optuna_llm import Cassette
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import Task
from optuna_llm.errors import CassetteMissError
from optuna_llm.errors import MissingExtraError
from optuna_llm.sharing.model_sampler import ModelSampler
from tests.support.neighbours import Neighbours
from tests.support.server import Answer
from tests.support.server import ChatServer


SAMPLERS: list[Callable[..., ModelSampler]] = [LLMSampler, LLAMBOSampler]
SPACE: dict[str, BaseDistribution] = {
    "secret_lr": FloatDistribution(1e-4, 1.0, log=True),
    "secret_depth": IntDistribution(1, 12),
    "secret_act": CategoricalDistribution(["secret_gelu", "secret_relu", None]),
}
TELLING = {
    "task": Task(text="secret churn", metric="secret auc", hardware="secret", n_trials=30),
    "param_docs": {"secret_lr": "the secret rate"},
}


class SecretSampler(RandomSampler):
    """A base sampler whose class has a telling name."""


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("secret_lr", 1e-4, 1.0, log=True)
    depth = trial.suggest_int("secret_depth", 1, 12)
    act = trial.suggest_categorical("secret_act", ["secret_gelu", "secret_relu", None])
    trial.set_user_attr("folder", "/home/secret")
    if depth > 10:
        trial.set_user_attr("fail_reason", f"no such file: /home/secret/{trial.number}")
        raise RuntimeError("secret")
    trial.set_constraint("secret memory", depth - 8.0)
    return abs(rate - 0.03) + depth / 10 + (act == "secret_gelu")


def run(sampler: ModelSampler, n_trials: int) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, study_name="secret", direction="maximize")
    study.set_metric_names(["secret_auc"])
    study.optimize(objective, n_trials=n_trials, catch=RuntimeError)
    return study


def talkative() -> Callable[[dict[str, Any]], Answer]:
    """Return a script that proposes with reasons that name things; its first reply is illegal."""
    answer = Neighbours()

    def reply(request: dict[str, Any]) -> Answer:
        if len(request["messages"]) == 2 and "No trial has finished" in json.dumps(request):
            return json.dumps({"candidates": [{"reason": "", "params": {"p2": 99}}]})
        text = str(answer(request))
        return text.replace("candidate ", "Raise p2 with option_a, try ")

    return reply


@pytest.mark.parametrize(
    ("build", "options", "n_trials"),
    [
        (LLMSampler, {}, 30),
        (LLMSampler, {"prompt_style": "chat"}, 30),
        (LLAMBOSampler, {}, 15),
        (LLAMBOSampler, {"surrogate": "generative"}, 15),
    ],
)
def test_no_name_label_or_text_leaves_the_machine(
    build: Callable[..., ModelSampler], options: dict[str, Any], n_trials: int
) -> None:
    with ChatServer(talkative()) as server:
        study = run(
            build(
                "stand-in",
                base_url=server.base_url,
                seed=0,
                max_retries=0,
                anonymize=True,
                search_space=SPACE,
                base_sampler=SecretSampler(seed=0),
                known_good=[{"secret_lr": 0.1, "secret_depth": 11}],
                **TELLING,
                **options,
            ),
            n_trials,
        )
        sent = [json.dumps([r.json, dict(r.headers)]) for r in server.requests]
    assert len(sent) >= 5
    assert not [text for text in sent if "secret" in text.casefold()]
    # What the search needs is told: the model is mended, and learns of failures and constraints.
    assert any("p2=99 must be integer from 1 to 12" in text for text in sent)
    assert any("cause a" in text and "constraint_a" in text for text in sent)
    assert all("30 trials" in text for text in sent)
    if build is LLMSampler:
        assert any("ADVICE of the statistical optimizer" in text for text in sent)
    # The study is the user's.
    assert all(t.params.keys() == SPACE.keys() for t in study.trials)
    by_model = [t for t in study.trials if t.user_attrs["llm:source"] == "llm"]
    assert len(by_model) >= 4
    assert {t.params["secret_act"] for t in by_model} <= {"secret_gelu", "secret_relu", None}
    reasons = [t.user_attrs["llm:rationale"] for t in by_model]
    assert any("Raise secret_depth with secret_gelu" in reason for reason in reasons)
    assert not any("p2" in r or "option_a" in r for r in reasons)


@pytest.mark.parametrize("build", SAMPLERS)
def test_without_names_the_search_goes_the_same_way(build: Callable[..., ModelSampler]) -> None:
    """The stand-in knows no names: all that differs is what it is told."""
    found = []
    for anonymize in (False, True):
        with ChatServer(Neighbours()) as server:
            options = {"search_space": SPACE, "anonymize": anonymize, "max_retries": 0, "seed": 0}
            study = run(build("stand-in", base_url=server.base_url, **options, **TELLING), 14)
            told = json.dumps([r.json for r in server.requests])
        assert ("secret rate" in told) != anonymize
        found.append([t.params for t in study.trials])
    assert found[0] == found[1]


# --------------------------------------------------------------------------------------
# Notes


def note(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> str:
    """Return what the dashboard will show of a trial, without its escapes."""
    attributes = study._storage.get_study_system_attrs(study._study_id)
    key = f"dashboard:{trial._trial_id}:note_str:"
    return "".join(v for k, v in attributes.items() if k.startswith(key)).replace("\\", "")


@pytest.mark.parametrize("build", SAMPLERS)
def test_every_trial_gets_a_note(build: Callable[..., ModelSampler]) -> None:
    pytest.importorskip("optuna_dashboard")

    def boost(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
        return abs(rate - 0.1) + trial.suggest_int("max_depth", 1, 12) / 10

    with ChatServer(Neighbours()) as server:
        sampler = build("stand-in", base_url=server.base_url, seed=0, max_retries=0, notes=True)
        study = optuna.create_study(sampler=sampler)
        study.optimize(boost, n_trials=14)
        study.enqueue_trial({"learning_rate": 0.5, "max_depth": 2})
        study.optimize(boost, n_trials=1)
    for trial in study.trials:
        told = note(study, trial)
        # Of the first trial, whose parameters are known only at its end, too.
        assert trial.user_attrs["llm:rationale"] in told
        if trial.user_attrs["llm:source"] == "llm":
            assert "Candidates of the model" in told
            assert "chosen" in told
    sources = {t.user_attrs["llm:source"] for t in study.trials}
    assert {"prior", "llm", "base", "enqueued"} <= sources


@pytest.mark.parametrize("build", SAMPLERS)
def test_notes_without_the_dashboard_are_refused_at_once(
    build: Callable[..., ModelSampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    build(lambda prompt: "")
    with pytest.raises(MissingExtraError, match=r'pip install "optuna-dashboard.*"dashboard"'):
        build(lambda prompt: "", notes=True)


def test_a_model_whose_package_is_missing_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    study = optuna.create_study(sampler=LLMSampler("bedrock/some-model"))
    with pytest.raises(MissingExtraError, match=r'pip install "litellm.*"litellm"'):
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)


def test_a_recorded_search_is_replayed_without_a_model(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        return (trial.suggest_float("x", 0, 1) - 0.3) ** 2

    def run(sampler: LLMSampler) -> optuna.Study:
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=12)
        return study

    path = tmp_path / "search.jsonl"
    with ChatServer(Neighbours()) as server:
        url = server.base_url
        first = run(LLMSampler("m", base_url=url, cassette=path, seed=0, prefetch=False))
        n_requests = server.count
        second = run(LLMSampler(cassette=Cassette(path, "replay"), seed=0, prefetch=False))
        assert server.count == n_requests > 0
    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    assert any(t.user_attrs["llm:source"] == "llm" for t in second.trials)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_recording_with_the_defaults_is_replayed_by_whoever_has_the_file(
    sampler: Callable[..., ModelSampler], tmp_path: Path
) -> None:
    def objective(trial: optuna.Trial) -> float:
        return (trial.suggest_float("x", 0, 1) - 0.3) ** 2

    def run(sampler: ModelSampler, n_trials: int) -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=n_trials)
        return [t.params for t in study.trials]

    path = tmp_path / "search.jsonl"
    with ChatServer(Neighbours()) as server:
        recorded = run(sampler("m", base_url=server.base_url, cassette=path, seed=0), 14)
    assert all(json.loads(line)["model"] == "m" for line in path.read_text().splitlines())
    assert run(sampler(cassette=path, seed=0), 14) == recorded
    assert run(sampler(cassette=Cassette(path, "replay"), seed=0), 14) == recorded
    # Another search is not mistaken for it.
    with pytest.raises(CassetteMissError, match=r"search\.jsonl holds 0 replies") as caught:
        run(sampler(cassette=path, seed=0, task="another"), 14)
    assert "\n" not in str(caught.value)


def test_the_environments_model_does_not_take_the_recorded_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "search.jsonl"
    with ChatServer(Neighbours()) as server:
        study = optuna.create_study(
            sampler=LLMSampler("m", base_url=server.base_url, cassette=path, seed=0)
        )
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
        monkeypatch.setenv("OPENAI_API_KEY", "some-key-123")
        reader = LLMSampler(cassette=path, seed=0, max_cost=1.0, prices=(1.0, 1.0))
        assert reader._assistant is not None
        assert reader._assistant.model.name == "m"
        # The recorded one goes on being recorded.
        monkeypatch.setenv("OPTUNA_LLM_MODEL", "m")
        monkeypatch.setenv("OPTUNA_LLM_BASE_URL", server.base_url)
        count = server.count
        study = optuna.create_study(sampler=LLMSampler(cassette=path, seed=0, task="another"))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
        assert server.count > count
