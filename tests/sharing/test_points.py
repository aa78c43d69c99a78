"""What a model is told of its rules and of the optimizer's points, and what comes of both."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.history.history import History
from optuna_llm.history.statement import Rule
from optuna_llm.history.statement import statements
from optuna_llm.prior import EmbeddedPrior
from tests.prompts.building import study_of
from tests.support.llm import SPACE
from tests.support.llm import objective
from tests.support.models import Local
from tests.support.models import random_value
from tests.support.models import schema_of


def rated(*trials: tuple[float, float]) -> History:
    known = {"x": FloatDistribution(0, 1)}
    return study_of(
        [
            optuna.trial.create_trial(params={"x": x}, distributions=known, value=v)
            for x, v in trials
        ]
    )


def test_a_rule_that_the_best_trial_breaks_is_refuted() -> None:
    rule = Rule(("x",), low=0.5)
    good = [(0.6, 2.0), (0.7, 3.0), (0.8, 4.0)]
    bad = [(0.1, 9.0), (0.2, 9.0), (0.3, 9.0)]
    assert rule.standing(rated(*good, *bad)).is_borne_out
    # By comparisons in pairs those that keep it still win.
    assert not rule.standing(rated(*good, *bad, (0.4, 1.0))).is_borne_out
    # A single one is enough.
    assert not rule.standing(rated(*good, (0.4, 1.0))).is_borne_out


class Talker:
    """A model that answers at random, but with one rule, and judges what it is shown."""

    def __init__(self, rule: dict[str, Any] | None = None) -> None:
        self.rule = rule
        self.schemas: list[dict[str, Any]] = []
        self._rng = np.random.default_rng(0)

    def __call__(self, request: dict[str, Any]) -> str:
        schema = request["response_format"]["json_schema"]["schema"]["properties"]
        self.schemas.append(schema)
        of = schema_of(request)["properties"]
        answer: dict[str, Any] = {
            "analysis": "n",
            "candidates": [
                {
                    "role": "refine",
                    "reason": "r",
                    "expected": None,
                    "params": {n: random_value(s, self._rng) for n, s in of.items()},
                }
                for _ in range(5)
            ],
        }
        if "rules" in schema and self.rule:
            answer["rules"] = [self.rule]
        if "optimizer" in schema:
            answer["optimizer"] = ["A"]
        return json.dumps(answer)


def study_with(talker: Talker, n: int, **options: Any) -> tuple[optuna.Study, list[str]]:
    model = Local(talker)
    # With good configurations of the family of models nothing would be left to judge.
    prior = EmbeddedPrior(portfolios=False)
    sampler = LLMSampler(
        model,
        seed=0,
        search_space=SPACE,
        base_sampler=CQRSampler(seed=0),
        prior=prior,
        **options,
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=n)
    return study, model.prompts


def test_judgements_are_asked_for_where_points_are_shown_and_nowhere_else() -> None:
    talker = Talker()
    _, prompts = study_with(talker, 40)
    shown = [len(re.findall(r"^  [A-C]: \{", p, re.MULTILINE)) for p in prompts]
    assert {bool(n) for n in shown} == {True, False}
    for n, schema, prompt in zip(shown, talker.schemas, prompts, strict=True):
        assert ("optimizer" in schema) == (n > 0)
        assert ('"optimizer": [<letter>, ...]' in prompt) == (n > 0)
        if n:
            assert schema["optimizer"]["maxItems"] == n


def test_what_came_of_judgements_is_told() -> None:
    study, prompts = study_with(Talker(), 40, n_trials=40)
    said = {o.number: s for o, s in statements(History.from_study(study))}
    told = [p for p in prompts if "points that you turned down" in p]
    assert told
    for prompt in told:
        asked = re.search(r"YOUR LAST ANSWER, for trial (\d+)", prompt)
        assert asked is not None
        n = len(said[int(asked[1])].vetoed)
        assert f"- the optimizer's points that you turned down ({n}): " in prompt
        assert re.search(r"- the optimizer's point that you preferred: (trial|not run)", prompt)


def test_points_shown_keep_the_rules_or_say_which_they_break() -> None:
    rule = {"multiply": ["max_depth"], "divide": [], "low": 5, "high": 9, "why": "w"}
    _, prompts = study_with(Talker(rule), 40)
    seen = 0
    for prompt in prompts:
        if "your rule 5 <= max_depth <= 9" not in prompt or "not kept to" in prompt:
            continue
        for line in re.findall(r"^  [A-C]: .*$", prompt, re.MULTILINE):
            found = re.search(r'"max_depth": (\d+)', line)
            assert found is not None
            keeps = 5 <= int(found[1]) <= 9
            assert keeps == ("breaks your rule 5 <= max_depth <= 9" not in line)
            seen += 1
    assert seen


def test_how_far_rules_were_kept_to_is_counted() -> None:
    rule = {"multiply": ["max_depth"], "divide": [], "low": 5, "high": 9, "why": "w"}
    study, prompts = study_with(Talker(rule), 40)
    counted = 0
    for prompt in prompts:
        asked = re.search(r"YOUR LAST ANSWER, for trial (\d+)", prompt)
        told = re.search(r"the optimizer kept to it in (\d+) of (\d+) trials since", prompt)
        if asked is None or told is None:
            continue
        until = re.search(r"REQUEST for trial (\d+)", prompt)
        assert until is not None
        later = study.trials[int(asked[1]) + 1 : int(until[1])]
        base = [t.params["max_depth"] for t in later if t.user_attrs["llm:source"] == "base"]
        # The trial that was running when the request was written may be among them.
        kept = sum(5 <= depth <= 9 for depth in base)
        assert abs(int(told[1]) - kept) <= 1
        assert abs(int(told[2]) - len(base)) <= 1
        counted += 1
    assert counted
    assert not any("the search keeps to it" in p for p in prompts)


def test_a_best_of_the_models_own_is_said_to_be_its_own() -> None:
    bad = {"learning_rate": 0.9, "max_depth": 2, "booster": "gbtree"}
    good = {"learning_rate": 0.001, "max_depth": 12, "booster": "dart"}

    def far_from_usual(trial: optuna.Trial) -> float:
        objective(trial)
        return trial.params["learning_rate"] - trial.params["max_depth"]

    def reply(request: dict[str, Any]) -> str:
        candidates = [{"role": "refine", "reason": "r", "params": p} for p in (bad, good)]
        return json.dumps({"candidates": candidates})

    model = Local(reply)
    sampler = LLMSampler(
        model,
        seed=0,
        base_sampler=optuna.samplers.RandomSampler(seed=0),
        prefetch=False,
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(far_from_usual, n_trials=8)
    history = History.from_study(study)
    told = [p for p in model.prompts if "lies far from the best that you saw" in p]
    assert history.best is not None
    assert history.best.params == good
    assert f"the best, trial {history.best.number}, a candidate of yours, lies far" in told[0]


@pytest.mark.parametrize("kind", [LLMSampler, LLAMBOSampler])
def test_usual_values_that_have_run_are_not_called_new(kind: Any) -> None:
    def conditional(trial: optuna.Trial) -> float:
        family = trial.suggest_categorical("family", ["boosting", "linear"])
        if family == "linear":
            return trial.suggest_float("C", 1e-4, 1e4, log=True)
        return trial.suggest_float("learning_rate", 1e-3, 1, log=True)

    model = Local(Talker())
    sampler = kind(model, seed=0)
    optuna.create_study(sampler=sampler).optimize(conditional, n_trials=2)
    assert "HISTORY: 1 complete" in model.prompts[0]
    assert "usual good values" not in model.prompts[0]


@pytest.mark.parametrize("kind", [LLMSampler, LLAMBOSampler])
def test_what_the_first_trial_runs_is_told_as_such(kind: Any) -> None:
    model = Local(Talker())
    study = optuna.create_study(sampler=kind(model, seed=0, search_space=SPACE))
    study.optimize(objective, n_trials=1)
    (line,) = [x for x in model.prompts[0].splitlines() if "this trial runs" in x]
    shown, _ = json.JSONDecoder().raw_decode(line[line.index("{") :])
    assert shown == pytest.approx(study.trials[0].params)
    assert "usual good values" not in model.prompts[0]


def test_a_repeat_runs_the_very_values_of_its_trial() -> None:
    rng = np.random.default_rng(0)

    def noisy(trial: optuna.Trial) -> float:
        return objective(trial) + float(rng.normal())

    def copying(request: dict[str, Any]) -> str:
        """Answer with the best trial once more, as it was printed."""
        lines = request["messages"][-1]["content"].splitlines()
        names = [line for line in lines if line.startswith("trial,rank")][:1]
        cells: dict[str, str] = {}
        if names:
            best = next(x for x in lines if re.match(r"\d+,1,", x))
            cells = dict(zip(names[0].split(","), best.split(","), strict=True))
        params = {n: cells.get(n, "1") for n in SPACE}
        repeat = {"role": "repeat", "reason": "noise", "params": params}
        return json.dumps({"candidates": [repeat]})

    sampler = LLMSampler(Local(copying), seed=0, search_space=SPACE, n_trials=24)
    study = optuna.create_study(sampler=sampler)
    study.optimize(noisy, n_trials=24)
    history = History.from_study(study)
    repeats = [o for o in history.complete if o.origin and o.origin.role == "repeat"]
    later = [o for o in repeats if o.number > 8]
    assert later
    for o in later:
        assert any(o.params == e.params for e in history.complete if e.number < o.number)
