from __future__ import annotations

import pytest

from optuna_llm.ask_tell.asking import ask
from optuna_llm.ask_tell.asking import enqueue
from optuna_llm.ask_tell.desk import Desk
from optuna_llm.ask_tell.looking import relations
from optuna_llm.ask_tell.looking import state
from optuna_llm.ask_tell.telling import tell
from optuna_llm.errors import ConfigurationError
from tests.ask_tell.conftest import BAD
from tests.ask_tell.conftest import GOOD
from tests.ask_tell.conftest import fill
from tests.ask_tell.conftest import loss


@pytest.mark.parametrize("budget", [100, 200, 400, 3000])
def test_the_state_keeps_to_its_budget(worked: Desk, budget: int) -> None:
    enqueue(worked, [GOOD, BAD], "because")
    ask(worked)
    told = state(worked, budget)
    assert told["tokens"] <= budget
    assert "lr: number from 1e-05 to 0.1, log scale" in told["text"]
    assert told["trials"] == {"complete": 14, "running": 1}
    best = worked.study.best_trial
    assert told["best"] == [{"trial": best.number, "params": best.params, "values": best.values}]
    if budget == 3000:
        for part in ('ABOUT: "a small tree"', "HISTORY: 14 complete", "PENDING", "SUGGESTIONS"):
            assert part in told["text"]


def test_the_state_of_nothing_is_the_space(desk: Desk) -> None:
    told = state(desk)
    assert (told["trials"], told["best"], told["suggestions"]) == ({}, [], [])
    assert told["text"].startswith('ABOUT: "a small tree"\nPARAMETERS:\n')
    with pytest.raises(ConfigurationError, match="max_tokens=99"):
        state(desk, 99)


def test_what_became_of_suggestions_is_told(worked: Desk) -> None:
    enqueue(worked, [BAD], "why not")
    while worked.sampler.suggestions(worked.study)[0].fate == "waiting":
        assert len(worked.study.trials) < 14 + 14
        ask(worked)
    (vetoed,) = state(worked)["suggestions"]
    assert vetoed["fate"] == "vetoed"
    assert worked.study.trials[vetoed["trial"]].user_attrs["llm:source"] == "base"


def test_relations_say_what_matters(worked: Desk) -> None:
    fill(worked, 30, lambda p: {"value": loss(p)})
    told = relations(worked)
    assert told["trials"] == 44
    by_name = {p["name"]: p for p in told["parameters"]}
    assert by_name.keys() == {"lr", "depth", "kind"}
    assert by_name["kind"]["choices"][0]["value"] == "b"
    low, high = by_name["lr"]["best"]
    assert 1e-5 <= low <= 1e-3 <= high < 0.1
    strengths = [p["strength"] for p in told["parameters"]]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] > 0


def test_relations_are_silent_while_trials_are_few(desk: Desk) -> None:
    assert relations(desk)["parameters"] == []
    ask(desk)
    tell(desk, 0, "failed", why="no GPU")
    told = relations(desk)
    assert told["noise"] == "nobody knows yet"
    assert "no GPU" in told["failures"][0]
