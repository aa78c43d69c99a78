"""LLAMBOSampler's promises, tested through a real HTTP server that plays a language model."""

from __future__ import annotations

from collections.abc import Callable
import json
import pickle
import re
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelSetupError
from optuna_llm.history.cost import Cost
from tests.support.llambo import SPACE
from tests.support.llambo import loss
from tests.support.llambo import prompts
from tests.support.llambo import run
from tests.support.llambo import served
from tests.support.neighbours import Neighbours
from tests.support.neighbours import table
from tests.support.records import records
from tests.support.server import ChatServer
from tests.support.server import error


# ---- the three components


def test_one_request_warm_starts_the_search() -> None:
    with served(Neighbours(), search_space=SPACE) as (sampler, server):
        study = run(sampler, 6)
        assert server.count == 1
        assert "exactly 5 diverse candidates" in prompts(server, "candidates")[0]
        assert [r.source for r in records(study)] == ["prior", *["llm"] * 5]
        assert sum(r.requests for r in records(study)) == 1
        assert len({tuple(t.params.values()) for t in study.trials}) == 6


def test_from_then_on_a_trial_takes_two_requests() -> None:
    model = Neighbours()
    with served(model) as (sampler, server):
        study = run(sampler, 16)
        assert [r.requests for r in records(study)[7:]] == [2] * 9
        assert model.kinds[-2:] == ["candidates", "score"]
        assert server.count == sampler.spending(study).requests


def test_candidates_are_asked_for_beyond_the_best_result_within_what_is_plausible() -> None:
    with served(Neighbours(), alpha=0.1) as (sampler, server):
        study = run(sampler, 12)
        before = study.trials[:11]
        best, *_ = values = sorted(t.value for t in before)
        text = prompts(server, "candidates")[-1]
        targets = re.findall(r"^\d\. (\d+), that is (\S+)$", text, re.MULTILINE)
        _, rows = table(text, "score")
        # None asks for less than there is, or for more than tells the best trials apart.
        asked = [int(t) for t, _ in targets]
        assert len(set(asked)) == 6
        assert asked == sorted(asked, reverse=True)
        assert int(rows[-1][-1]) < min(asked)
        assert max(asked) <= int(rows[-1][-1]) + 101
        assert best - (values[2] - best) * 1.001 <= float(targets[0][1]) < best
        assert [int(row[-1]) for row in rows] == sorted(int(row[-1]) for row in rows)
        assert f"best so far: {rows[-1][-1]}, that is " in text


@pytest.mark.parametrize("alpha", [0.5, -0.2])
def test_the_sign_of_alpha_is_the_papers(alpha: float) -> None:
    with served(Neighbours(), alpha=alpha, n_candidates=1) as (sampler, server):
        run(sampler, 8)
        text = prompts(server, "candidates")[-1]
        target = re.search(r"^1\. (\d+)", text, re.MULTILINE)
        assert target is not None
        best = int(table(text, "score")[1][-1][-1])
        assert (int(target[1]) > best) == (alpha > 0)
        assert int(target[1]) != best


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(
    "unit",
    [lambda v: 1e6 * (v - 5) / 10, lambda v: 1e-9 + 1e-8 * v, lambda v: 7.0, lambda v: v**40],
    ids=["large", "tiny", "constant", "huge spread"],
)
def test_targets_lie_beyond_the_best_in_the_right_direction_for_any_objective(
    unit: Callable[[float], float], direction: str
) -> None:
    sign = 1 if direction == "minimize" else -1
    with served(Neighbours(), on_error="raise") as (sampler, server):
        study = run(sampler, 12, lambda t: sign * unit(loss(t)), direction=direction)
        best = min(sign * t.value for t in study.trials[:11])
        target = re.search(r"^1\. \d+, that is (\S+)$", server_text(server), re.MULTILINE)
        assert target is not None
        assert sign * float(target[1]) < best
        assert len({tuple(t.params.values()) for t in study.trials}) == 12


def server_text(server: ChatServer) -> str:
    return prompts(server, "candidates")[-1]


# ---- what a user expects


def test_no_model_is_one_warning_and_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr("optuna_llm.sharing.model_sampler._logger.warning", warnings.append)
    study = run(LLAMBOSampler(seed=0), 20)
    assert len(warnings) == 1
    assert warnings[0].startswith("LLAMBOSampler has no language model")
    sources = [r.source for r in records(study)]
    assert set(sources[:6]) == {"prior"}
    assert {"prior", "base"} <= set(sources[6:])


def test_that_there_is_to_be_no_model_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr("optuna_llm.sharing.model_sampler._logger.warning", warnings.append)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    study = run(LLAMBOSampler("none", seed=0), 20)
    assert warnings == []
    monkeypatch.delenv("OPENAI_API_KEY")
    same = run(LLAMBOSampler(seed=0), 20)
    assert [t.params for t in study.trials] == [t.params for t in same.trials]


def test_it_finds_better_configurations_than_random_search() -> None:
    best, random = [], []
    for seed in range(3):
        with served(Neighbours(seed), seed=seed) as (sampler, _):
            best.append(run(sampler, 25).best_value)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        study.optimize(loss, n_trials=25)
        random.append(study.best_value)
    assert np.mean(best) < 0.5 * np.mean(random)


def test_conditional_and_stepped_parameters_are_the_models_too() -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["tree", "net"])
        if kind == "tree":
            return trial.suggest_int("leaves", 2, 32, step=2) / 32
        return trial.suggest_float("rate", 0.0, 1.0, step=0.25) + 0.1

    with served(Neighbours(), on_error="raise") as (sampler, _):
        study = run(sampler, 25, objective)
    assert {t.params["kind"] for t in study.trials} == {"tree", "net"}
    assert sum(r.source == "llm" for r in records(study)) >= 8


def test_failed_regions_are_avoided_and_pending_trials_told() -> None:
    def objective(trial: optuna.Trial) -> float:
        value = loss(trial)
        if trial.params["depth"] > 6:
            raise MemoryError("out of memory")
        return value

    with served(Neighbours()) as (sampler, server):
        study = optuna.create_study(sampler=sampler)
        pending = study.ask(SPACE)
        study.optimize(objective, n_trials=30, catch=MemoryError)
        assert "PENDING" in server_text(server)
        assert str(pending.params["depth"]) in server_text(server)
        assert "FAILED" in server_text(server)
        assert any(",failed" in p for p in prompts(server, "score"))
        assert ",failed" in server_text(server)
    late = study.trials[16:]
    assert sum(t.state == TrialState.FAIL for t in late) <= 4


def test_several_objectives_constraints_and_pruned_trials_go_through() -> None:
    def two(trial: optuna.Trial) -> tuple[float, float]:
        value = loss(trial)
        trial.set_constraint("depth", trial.params["depth"] - 9)
        return value, float(trial.params["depth"])

    with served(Neighbours(), on_error="raise") as (sampler, server):
        study = run(sampler, 14, two, directions=["minimize", "maximize"])
        assert "that is" not in server_text(server)
    assert len(study.best_trials) >= 1

    def pruned(trial: optuna.Trial) -> float:
        value = loss(trial)
        for step in range(4):
            trial.report(value + 4 - step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    with served(Neighbours(), on_error="raise") as (sampler, _):
        pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
        study = run(sampler, 16, pruned, pruner=pruner)
    assert any(t.state == TrialState.PRUNED for t in study.trials)


def test_a_model_that_goes_away_in_the_middle_of_a_trial_leaves_the_statistics() -> None:
    model = Neighbours()
    calls: list[int] = []

    def reply(request: dict[str, Any]) -> Any:
        calls.append(1)
        return model(request) if len(calls) < 12 or len(calls) % 3 == 0 else error(503, "busy")

    with served(reply) as (sampler, _):
        study = run(sampler, 16)
    assert len(study.trials) == 16
    assert all(r.source for r in records(study))
    assert any(r.error for r in records(study))


def test_refused_keys_show_before_the_first_evaluation() -> None:
    with served(lambda r: error(401, "wrong key"), search_space=SPACE) as (sampler, _):
        study = optuna.create_study(sampler=sampler)
        with pytest.raises(ModelSetupError):
            study.optimize(loss, n_trials=3)
        assert all(t.value is None for t in study.trials)


def test_budget_ends_requests_and_not_the_search() -> None:
    with served(Neighbours(), max_requests=8) as (sampler, server):
        study = run(sampler, 20)
        assert server.count == 8
    assert [r.error for r in records(study)[-3:]] == ["budget"] * 3
    assert {r.source for r in records(study)[-3:]} == {"fallback"}


def test_a_resumed_study_remembers_what_it_knew(tmp_path: Any) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    with served(Neighbours()) as (sampler, server):
        study = run(sampler, 15, storage=storage, study_name="s")
        copy = pickle.loads(pickle.dumps(sampler))
        resumed = optuna.load_study(study_name="s", storage=storage, sampler=copy)
        resumed.optimize(loss, n_trials=3)
        weights = [r.predictions.weight for r in records(resumed) if r.predictions.scale]
        assert sampler.spending(study).requests == server.count
    assert all(w != 0.5 for w in weights[-3:])


@pytest.mark.slow  # The tokenizer comes with LiteLLM, which takes long to import.
def test_prompts_stay_small() -> None:
    """Under 4,000 tokens a trial at 50 observations of 8 parameters; 2 requests."""
    litellm = pytest.importorskip("litellm")

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
        depth = trial.suggest_int("max_depth", 1, 12)
        shares = [trial.suggest_float(n, 0.3, 1.0) for n in ("subsample", "colsample_bytree")]
        weights = [trial.suggest_float(n, 1e-3, 1e2, log=True) for n in ("reg_alpha", "gamma")]
        n_trees = trial.suggest_int("n_estimators", 50, 1000)
        booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
        penalty = (np.log10(rate) + 1) ** 2 + abs(depth - 6) + (booster == "dart")
        return float(penalty + sum(shares) + sum(weights) / 100 + n_trees / 1000)

    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=50)
    with served(Neighbours()) as (sampler, server):
        study.sampler = sampler
        study.optimize(objective, n_trials=5)
        tokens = [
            litellm.token_counter(model="gpt-4", messages=r.json["messages"])
            for r in server.requests[-8:]
        ]
    # The first trial of this sampler tries usual values; the other four ask.
    assert [Cost.read(t).requests for t in study.trials[-4:]] == [2] * 4
    print({"prompt tokens a trial": sum(tokens) / 4})
    assert sum(tokens) / 4 < 4000


def test_nothing_of_the_users_words_is_sent_when_anonymous() -> None:
    with served(Neighbours(), anonymize=True, task="secret task") as (sampler, server):

        def objective(trial: optuna.Trial) -> float:
            x = trial.suggest_float("secret_rate", 0, 1)
            kind = trial.suggest_categorical("secret_kind", ["secret_a", "secret_b"])
            return x + (kind == "secret_a")

        study = run(sampler, 12, objective)
        sent = " ".join(json.dumps(r.json) for r in server.requests)
    assert "secret" not in sent
    assert set(study.best_params) == {"secret_rate", "secret_kind"}
    assert any(r.source == "llm" for r in records(study))


@pytest.mark.parametrize(
    "options",
    [
        {"surrogate": "gp"},
        {"alpha": 3.0},
        {"alpha": True},
        {"top_quantile": 0.0},
        {"n_templates": 0},
        {"n_samples": 1.5},
        {"n_candidates": 0},
        {"prompt_tokens": 10},
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any]) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(ConfigurationError, match=f"{name}.*{re.escape(repr(value))}"):
        LLAMBOSampler(lambda prompt: "", **options)


def test_a_noisy_best_is_run_once_more_without_a_word_to_the_model() -> None:
    rng = np.random.default_rng(0)

    def noisy(trial: optuna.Trial) -> float:
        return loss(trial) + float(rng.normal(0, 2))

    with served(Neighbours()) as (sampler, server):
        study = run(sampler, 30, noisy)
        asked = prompts(server, "candidates")
        rows = [asked_about(text) for text in prompts(server, "score")]
    assert not any("once more" in text for text in asked)
    assert all("exactly 6 candidates" in text for text in asked[1:])
    again = [t for t, r in zip(study.trials, records(study), strict=True) if is_again(r)]
    assert again
    for trial in again:
        assert trial.params in [t.params for t in study.trials[: trial.number]]
    # Its result stands in the table.
    assert all(len(set(map(tuple, told))) == len(told) for told in rows)


def is_again(record: Any) -> bool:
    return record.source == "base" and record.rationale.startswith("The best trial once more")


def asked_about(text: str) -> list[list[str]]:
    """Return the rows of a request, those of its table first."""
    _, known = table(text, "score")
    return [r[:-1] for r in known] + [
        line.split(",")[1:] for line in re.findall(r"^[A-Z],.*$", text, re.MULTILINE)
    ]


def test_values_that_do_not_apply_are_not_asked_about() -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["net", "tree"])
        if kind == "tree":
            return trial.suggest_float("leaves", 2, 32) / 32
        return trial.suggest_float("rate", 0.0, 1.0) + 0.1

    with served(Neighbours(), on_error="raise") as (sampler, server):
        run(sampler, 20, objective)
        texts = prompts(server, "score")
    n_checked = 0
    for text in texts:
        names, known = table(text, "score")
        # Of a choice that no trial has tried nobody knows.
        if len({row[names.index("kind")] for row in known}) < 2:
            continue
        n_checked += 1
        for row in asked_about(text):
            told = dict(zip(names, row, strict=True))
            assert told["rate" if told["kind"] == "tree" else "leaves"] == "-"
    assert n_checked >= 5
