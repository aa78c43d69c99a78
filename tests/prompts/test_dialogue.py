from __future__ import annotations

import json

from optuna.trial import Trial

from optuna_llm.history.history import History
from optuna_llm.prompts import Advice
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import proposal_messages
from optuna_llm.replies.repair import repair
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.space.tried import Tried
from tests.prompts.building import run


def objective(trial: Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("c", ["a", "b"])
    if trial.number % 10 == 4:
        raise RuntimeError(f"boom {trial.number}\n```")
    return x


def by_model(number: int) -> bool:
    return number % 2 == 0


def talk(history: History, token_budget: int = 3000) -> list[dict[str, str]]:
    messages = proposal_messages(
        history.search_space(),
        history,
        PromptOptions(style="chat", token_budget=token_budget),
        n_candidates=2,
        advice=Advice(),
        trial_number=len(history.observations),
    )
    return [{"role": m["role"], "content": m["content"]} for m in messages]


def test_user_and_model_speak_in_turn() -> None:
    roles = [m["role"] for m in talk(run(objective, 20, by_model=by_model))]
    assert roles[0] == "system"
    assert roles[1::2] == ["user"] * (len(roles) // 2)
    assert roles[2::2] == ["assistant"] * (len(roles) // 2 - 1)


def test_each_proposal_of_the_model_is_a_turn_with_its_result() -> None:
    history = run(objective, 20, by_model=by_model)
    space = history.search_space()
    messages = talk(history)
    own = [o for o in history.observations if by_model(o.number)]
    said = [m["content"] for m in messages if m["role"] == "assistant"]
    assert len(said) == len(own)
    for o, content, answer in zip(own, said, messages[3::2], strict=True):
        (proposal,) = parse_proposals(content, space)
        assert proposal.reason == f"because {o.number}"
        tried = Tried.of(space, [(o.params, space.optional)])
        assert tried.repeats(repair(space, proposal.params).params)
        assert answer["content"].startswith(f"Trial {o.number}: ")
        if o.values is None:
            assert f'failed, "boom {o.number}\\n```"' in answer["content"].replace(
                " ```", "\\n```"
            )
        else:
            assert f"value {o.values[0]:.6g}" in answer["content"]


def test_other_trials_are_summed_up_in_the_users_turns() -> None:
    messages = talk(run(objective, 20, by_model=lambda n: n in (5, 12)))
    first, second, third = (m["content"] for m in messages if m["role"] == "user")
    assert "Trials before yours: 5; the best, trial " in first
    assert 'failed, the last with "boom 4' in first
    assert "Other trials since then: 6; the best, trial " in second
    assert "Other trials since then: 7" in third


def test_dialogue_only_grows_at_its_end() -> None:
    def prefix(n_trials: int) -> list[dict[str, str]]:
        return talk(run(objective, n_trials, by_model=by_model))[:-1]

    short, long = prefix(11), prefix(21)
    assert long[: len(short)] == short
    assert len(long) > len(short)


def test_oldest_turns_fall_out_in_blocks_into_statistics() -> None:
    def kept(n_trials: int) -> list[str]:
        history = run(objective, n_trials, by_model=lambda n: True)
        messages = talk(history, token_budget=2500)
        assert "HISTORY" in messages[-1]["content"]
        return [m["content"].split(":")[0] for m in messages[3::2]]

    starts = [kept(n)[0] for n in range(60, 72)]
    assert all(kept(n)[-1] == f"Trial {n - 1}" for n in (60, 71))
    assert 1 < len(set(starts)) <= 3
    assert all(int(start.split()[1]) % 8 == 0 for start in starts)


def test_a_dialogue_that_tells_all_needs_no_table() -> None:
    messages = talk(run(objective, 6, by_model=lambda n: True))
    assert all("HISTORY" not in m["content"] for m in messages)
    assert "REQUEST" in messages[-1]["content"]


def test_inactive_parameters_are_null_in_the_models_turns() -> None:
    def conditional(trial: Trial) -> float:
        if trial.suggest_categorical("kernel", ["linear", "rbf"]) == "rbf":
            return trial.suggest_float("gamma", 0, 1)
        return 1.0

    history = run(conditional, 10, by_model=lambda n: True)
    for o, message in zip(history.observations, talk(history)[2::2], strict=True):
        params = json.loads(message["content"])["candidates"][0]["params"]
        assert (params["gamma"] is None) == (o.params["kernel"] == "linear")
