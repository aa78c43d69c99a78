"""A model is asked when it pays: counted in whole studies, and told in its prompts."""

from __future__ import annotations

from collections.abc import Callable
import json
import re
from typing import Any

import optuna
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.statement import statements
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.sharing.occasions import occasion
from tests.support.llm import SPACE
from tests.support.llm import objective
from tests.support.models import Local
from tests.support.models import random_value
from tests.support.models import schema_of


ROLES = ("refine", "combine", "vary", "refine", "basin")


def talkative(**beside: Any) -> Callable[[dict[str, Any]], str]:
    """Return a model that answers in the full form, near the optimum of the objective."""
    import numpy as np

    rng = np.random.default_rng(0)

    def reply(request: dict[str, Any]) -> str:
        of = schema_of(request)["properties"]
        candidates = [
            {
                "role": role,
                "reason": "r",
                "expected": 0.5,
                "params": {n: random_value(s, rng) for n, s in of.items()},
            }
            for role in ROLES
        ]
        return json.dumps({"analysis": "depth near 7", "candidates": candidates, **beside})

    return reply


def study_with(
    model: Local, n: int = 50, function: Any = objective, **options: Any
) -> optuna.Study:
    options = {"base_sampler": optuna.samplers.RandomSampler(seed=0), **options}
    sampler = LLMSampler(model, seed=0, **options)
    study = optuna.create_study(sampler=sampler)
    study.optimize(function, n_trials=n, catch=(MemoryError,))
    return study


@pytest.mark.parametrize("options", [{"n_trials": 50}, {}, {"prefetch": False}])
def test_fifty_trials_take_at_most_twelve_requests(options: dict[str, Any]) -> None:
    model = Local(talkative())
    study_with(model, **options)
    assert 3 <= len(model.prompts) <= 12


def test_the_model_is_told_why_it_is_asked_and_gets_its_notes_back() -> None:
    model = Local(talkative())
    study_with(model, 40, n_trials=40)
    first, *later = model.prompts
    assert "YOUR LAST ANSWER" not in first
    assert all('your notes: "depth near 7"' in prompt for prompt in later)
    reasons = [re.search(r"You are asked because (.*?)\.", prompt) for prompt in model.prompts]
    assert None not in reasons
    assert len({reason[1] for reason in reasons if reason}) >= 2


def test_what_became_of_its_candidates_is_told() -> None:
    model = Local(talkative())
    study = study_with(model, 40, n_trials=40)
    lines = re.findall(r"- your candidate (\w+): (.*)", model.prompts[1])
    assert [role for role, _ in lines] == list(ROLES)
    ran = [
        (role, int(found[1])) for role, text in lines if (found := re.match(r"trial (\d+)", text))
    ]
    assert ran
    for role, number in ran:
        assert study.trials[number].system_attrs["llm:proposal"]["role"] == role
    assert "you expected 0.5" in lines[0][1]


def test_failures_in_a_cluster_are_an_occasion() -> None:
    model = Local(talkative())

    def fails(trial: optuna.Trial) -> float:
        value = objective(trial)
        if trial.number > 3:
            raise MemoryError("needs 12 GiB")
        return value

    study_with(model, 10, fails, n_trials=40)
    assert any(
        re.search(r"asked because \d+ of the last \d+ trials have failed", p)
        for p in model.prompts
    )
    assert "MemoryError: needs 12 GiB" in model.prompts[-1]


def why(history: History) -> str:
    """Return why a model that is not trusted is asked for the next trial."""
    return occasion(
        history,
        history.search_space(),
        len(history.observations),
        n_trials=None,
        is_trusted=False,
        is_used_up=False,
        is_waiting=False,
    )


@pytest.mark.parametrize("answered", [0, 3])
def test_failures_that_it_has_not_seen_are_an_occasion_though_they_are_few(answered: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    reasons = []
    for number in range(16):
        trial = study.ask()
        if number == answered:
            write_parts(study, study._storage.get_trial(trial._trial_id), Cost(requests=1))
        value = trial.suggest_float("x", 0, 0.1)
        if number in (2, 5, 9, 13):
            trial.set_user_attr("fail_reason", f"needs {number} GiB")
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)
        reasons.append(why(History.from_study(study)) if number > answered else "")
    told = "3 of the last 10 trials have failed"
    # What it was told of before its last answer is no news.
    assert (told in reasons) == (answered == 0)
    assert reasons[8] == ""


def test_a_best_that_breaks_its_rule_is_an_occasion() -> None:
    # The best depth is 7.
    wrong = {"multiply": ["max_depth"], "divide": [], "low": 11, "high": 12, "why": "w"}
    model = Local(talkative(rules=[wrong]))
    study_with(model, 30, prefetch=False)
    told = [p for p in model.prompts if "breaks a rule of yours" in p]
    assert told
    assert all("the best trial breaks it: not kept to" in p for p in told)


def test_no_request_is_sent_after_the_last_trial() -> None:
    for n_trials in range(2, 14):
        model = Local(talkative())
        study = study_with(model, n_trials)
        asked = {int(n) for p in model.prompts for n in re.findall(r"REQUEST for trial (\d+)", p)}
        assert max(asked) < n_trials
        history = History.from_study(study)
        assert sum(o.cost.requests for o, _ in statements(history)) == len(model.prompts)


def test_rules_are_kept_to_by_the_base_sampler_as_far_as_results_bear_them_out() -> None:
    # The best depth is 7; the model says so by a rule, and by another one that is wrong.
    right = {"multiply": ["max_depth"], "divide": [], "low": 5, "high": 9, "why": "w"}
    wrong = {"multiply": ["max_depth"], "divide": [], "low": 11, "high": 12, "why": "w"}

    def share(rule: dict[str, Any]) -> float:
        model = Local(talkative(rules=[rule], optimizer=["A"]))
        study = study_with(model, 40, search_space=SPACE, base_sampler=None)
        base = [t for t in study.trials[15:] if t.user_attrs["llm:source"] == "base"]
        assert len(base) > 5
        return sum(5 <= t.params["max_depth"] <= 9 for t in base) / len(base)

    assert share(right) >= 0.9
    assert share(wrong) >= 0.5


def test_points_that_the_model_turns_down_are_kept_with_the_trial() -> None:
    model = Local(talkative(optimizer=["B"]))
    base = CQRSampler(seed=0)  # What a random one would run is not told.
    prior = EmbeddedPrior(portfolios=False)  # Its configurations would leave nothing to turn down.
    study = study_with(model, 30, search_space=SPACE, base_sampler=base, prior=prior)
    said = [s for _, s in statements(History.from_study(study))]
    assert any(s.vetoed for s in said)
    assert any("B: {" in p for p in model.prompts)


def test_structure_is_read_into_the_users_names_and_choices() -> None:
    structure = [
        {"parameter": "booster", "usual": "dart", "low": None, "high": None, "relevance": "high"},
        {
            "parameter": "max_depth",
            "usual": 7,
            "low": 5,
            "high": 9,
            "falls_with": ["learning_rate"],
        },
    ]
    study = study_with(Local(talkative(structure=structure)), 2, search_space=SPACE)
    (_, said) = statements(History.from_study(study))[-1]
    stated = said.stated_structure
    assert SPACE["booster"].choices[stated["booster"].usual] == "dart"  # type: ignore[attr-defined]
    assert (stated["max_depth"].low, stated["max_depth"].high) == (5, 9)
    assert stated["max_depth"].falls_with == ("learning_rate",)
