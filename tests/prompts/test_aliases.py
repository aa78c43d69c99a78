from __future__ import annotations

from collections.abc import Callable
import functools
import json
import re
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.history.announcement import Announcement
from optuna_llm.history.attributes import write_parts
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.origin import Origin
from optuna_llm.prompts import AnonymousView
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import View
from optuna_llm.prompts import proposal_messages
from optuna_llm.space.search_space import SearchSpace
from tests.prompts.building import ask
from tests.prompts.building import random_history


SPACE: dict[str, BaseDistribution] = {
    "rate of Müller": FloatDistribution(1e-5, 1e-1, log=True),
    "act": CategoricalDistribution(["relu", "our gelu", None]),
    "width": IntDistribution(32, 512, step=32),
    "mixed": CategoricalDistribution([True, 1, "1", 2.5, "relu"]),
    "p1": CategoricalDistribution(["option_a", "p2"]),
}


def empty(space: SearchSpace) -> AnonymousView:
    return AnonymousView(space, History.from_study(optuna.create_study()))


@pytest.fixture
def view() -> AnonymousView:
    return empty(SearchSpace(SPACE, frozenset(["act"])))


def test_names_and_labels_are_hidden_and_numbers_are_not(view: AnonymousView) -> None:
    assert view.space.names == ("p1", "p2", "p3", "p4", "p5")
    assert view.space.optional == {"p2"}
    assert view.space.distributions["p1"] == SPACE["rate of Müller"]
    assert view.space.distributions["p3"] == SPACE["width"]
    choices = [
        d.choices
        for d in view.space.distributions.values()
        if isinstance(d, CategoricalDistribution)
    ]
    assert choices == [
        ("option_a", "option_b", None),
        (True, 1, "option_c", 2.5, "option_d"),
        ("option_e", "option_f"),
    ]


def test_every_choice_comes_back_as_the_very_object(view: AnonymousView) -> None:
    for name, distribution in SPACE.items():
        assert isinstance(distribution, BaseDistribution)
        values: tuple[Any, ...] = (64,)
        if isinstance(distribution, CategoricalDistribution):
            values = distribution.choices
        for value in values:
            (restored,) = view.restore(view.hide({name: value})).items()
            assert restored[0] == name
            assert restored[1] is value


def test_what_the_space_does_not_know_is_left_out(view: AnonymousView) -> None:
    assert view.hide({"other": 1, "width": 64, "act": "tanh"}) == {"p3": 64}
    assert view.restore({"p9": 1, "width": 3}) == {}


def test_reasons_are_told_to_people_with_the_names_they_know(view: AnonymousView) -> None:
    said = "Lower p1 and (P3), option_b beats option_f; p6, sp1, p1x and option_zz are unknown."
    assert view.restore_text(said) == (
        "Lower rate of Müller and (width), our gelu beats p2;"
        " p6, sp1, p1x and option_zz are unknown."
    )


def test_there_are_letters_for_any_number_of_choices() -> None:
    many = {"c": CategoricalDistribution([f"secret {i}" for i in range(60)])}
    (distribution,) = empty(SearchSpace(many)).space.distributions.values()
    assert isinstance(distribution, CategoricalDistribution)
    assert len(set(distribution.choices)) == 60
    assert distribution.choices[25:28] == ("option_z", "option_aa", "option_ab")


# ---- the history


def told(*, failures: tuple[str, ...] = ()) -> History:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.set_metric_names(["secret auc", "secret cost"])
    space = {"secret": FloatDistribution(0, 1), "c": CategoricalDistribution(["secret", "b"])}
    for i, failure in enumerate(failures):
        attributes = {"fail_reason": failure} if failure else {}
        params = {"secret": 0.1 * i, "c": "secret"}
        options: dict[str, Any] = {"state": TrialState.FAIL, "user_attrs": attributes}
        study.add_trial(create_trial(params=params, distributions=space, **options))
    trial = study.ask(space)
    frozen = study._storage.get_trial(trial._trial_id)
    origin = Origin("llm", "secret reason")
    write_parts(study, frozen, origin, Announcement({"c": 0}), Cost(model="secret"))
    origin.label(study, frozen)
    trial.set_constraint("secret memory", 2.0)
    trial.set_constraint("another secret", -1.0)
    trial.set_user_attr("note", "secret")
    study.tell(trial, [0.5, 0.7])
    running = study.ask()
    announced = Announcement({"secret": 0.5, "c": 0})
    frozen = study._storage.get_trial(running._trial_id)
    write_parts(study, frozen, Origin("llm"), announced)
    return History.from_study(study)


def test_a_trial_keeps_its_numbers_and_nothing_else() -> None:
    history = told()
    hidden = AnonymousView(history.search_space(), history).history
    assert hidden.metric_names == ("value_0", "value_1")
    finished, running = hidden.observations
    assert (finished.number, finished.values) == (0, (0.5, -0.7))
    assert finished.constraints == {"constraint_a": -1.0, "constraint_b": 2.0}
    assert finished.violation == 2.0
    assert finished.origin == Origin("llm")
    assert running.params == {"p1": "option_a", "p2": 0.5}
    everything = repr(
        [(vars(o.trial), o.announced, o.origin, o.cost) for o in hidden.observations]
    )
    assert "secret" not in everything + repr(hidden)


def test_causes_of_failures_can_be_told_apart_but_not_read() -> None:
    reasons = ("secret: 7 GiB of 8", "secret path /x", "", "secret: 11 GiB of 8", "Secret")
    history = told(failures=reasons)
    hidden = AnonymousView(history.search_space(), history).history
    failures = [o.failure for o in hidden.failed]
    assert failures == ["cause a", "cause b", "no reason given", "cause a", "cause d"]


def test_the_users_study_is_not_touched() -> None:
    history = told(failures=("secret",))
    before = repr(history)
    AnonymousView(history.search_space(), history)
    assert repr(history) == before


@pytest.mark.parametrize("style", ["compressed", "chat"])
@pytest.mark.parametrize("kind", ["conditional", "several objectives", "running"])
def test_a_prompt_about_names_that_say_nothing_stays_as_it_is(style: str, kind: str) -> None:
    """Nothing that the search needs is lost on the way."""
    distributions: dict[str, BaseDistribution] = {
        "lr": FloatDistribution(1e-5, 1e-1, log=True),
        "depth": IntDistribution(2, 24),
        "dropout": FloatDistribution(0.0, 0.5),
        "optimizer": CategoricalDistribution(("adam", "sgd", "rmsprop")),
    }
    history = random_history(
        40,
        distributions=distributions,
        conditional=kind == "conditional",
        n_objectives=2 if kind == "several objectives" else 1,
    )
    space = history.search_space()
    view = AnonymousView(space, history)
    # The study in which the user has chosen these very names.
    study = optuna.create_study(directions=history.directions)
    for o in view.history.observations:
        study.add_trial(o.trial)
    if kind == "running":
        study.enqueue_trial({"p1": 3})
        study.ask({"p1": view.space.distributions["p1"]})
    own = History.from_study(study)
    assert own.search_space() == view.space
    again = AnonymousView(own.search_space(), own)
    expected = ask(own, style=style)
    assert ask(again.history, again.space, style=style) == expected
    assert "p1" in expected
    assert "option_a" in expected


def test_a_plain_view_changes_nothing() -> None:
    history = told(failures=("no memory",))
    view = View(history.search_space(), history)
    assert view.history is history
    assert view.hide({"secret": 0.5}) == view.restore({"secret": 0.5}) == {"secret": 0.5}
    assert view.restore_text("p1 is option_a") == "p1 is option_a"


# ---- unwieldy names


def long_names(length: int) -> list[str]:
    return ["p" * (length - 1) + c for c in "ab"]


@pytest.mark.parametrize(
    "names", [long_names(65), long_names(300), ["a\nb", " c", "\u202e", ""], ["学习率" * 40, "x"]]
)
def test_unwieldy_names_are_shown_under_short_ones(names: list[str]) -> None:
    study = optuna.create_study()
    for _ in range(3):
        trial = study.ask()
        study.tell(trial, sum(trial.suggest_float(n, 0, 1) for n in names))
    history = History.from_study(study)
    space = history.search_space()
    view = View(space, history)
    shown = view.space.names
    assert len(set(shown)) == len(names)
    assert all(0 < len(n) <= 50 and n.isprintable() and n == n.strip() for n in shown)
    params = dict.fromkeys(names, 0.5)
    assert view.restore(view.hide(params)) == params
    assert [view.restore(o.params) for o in view.history.observations] == [
        o.params for o in history.observations
    ]
    told = view.options(PromptOptions(param_docs={names[0]: "what it is"})).param_docs
    assert told[next(iter(view.hide({names[0]: 0})))] == f"{names[0]}: what it is"
    text = "\n".join(
        m["content"]
        for m in proposal_messages(
            view.space,
            view.history,
            view.options(PromptOptions()),
            n_candidates=2,
            advice=None,
            trial_number=3,
        )
    )
    assert all(text.count(n) >= 3 for n in shown)


def test_a_short_name_is_nobody_elses() -> None:
    long = "a" * 70
    space = SearchSpace(
        {n: FloatDistribution(0, 1) for n in (long, "a" * 40 + "_1", "a" * 40 + "_1x")}
    )
    view = View(space, History.from_study(optuna.create_study()))
    assert len(set(view.space.names)) == 3
    assert set(view.space.names) > set(space.names[1:])


def test_other_names_stay_as_they_are() -> None:
    space = SearchSpace({n: FloatDistribution(0, 1) for n in ("lr", "学习率", "a b", 'q"')})
    history = History.from_study(optuna.create_study())
    view, options = View(space, history), PromptOptions()
    assert view.space is space
    assert view.history is history
    assert view.options(options) is options


def copying(prompt: str) -> str:
    """Answer as a model that copies the names that it is shown."""
    found = re.search(r'"params": (\{.*?\})(?:\}|, "exp)', prompt)
    if found is None:
        return json.dumps({"scores": {c: 500 + ord(c) for c in "ABCDEFGHIJKLMNO"}})
    names = [json.loads(n) for n in re.findall(r'("(?:[^"\\]|\\.)*"): <number>', found[1])]
    return json.dumps(
        {"candidates": [{"params": dict.fromkeys(names, (i + 1) / 7)} for i in range(5)]}
    )


@pytest.mark.parametrize("sampler", [functools.partial(LLMSampler, prefetch=False), LLAMBOSampler])
def test_long_names_work_as_short_ones_do(sampler: Callable[..., Any]) -> None:
    sources = []
    for length in (60, 150, 201, 300):
        names = long_names(length)
        study = optuna.create_study(sampler=sampler(copying, seed=0))
        study.optimize(lambda t, names=names: sum(t.suggest_float(n, 0, 1) for n in names), 14)
        sources.append([t.user_attrs["llm:source"] for t in study.trials])
        assert all(set(t.params) == set(names) for t in study.trials)
    assert "llm" in sources[0]
    assert sources[1:] == sources[:1] * 3
