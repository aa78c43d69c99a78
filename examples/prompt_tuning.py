"""Tune the prompt of a language-model task: a model writes prompts from what the best ones share.

pip install optuna-llm
OPTUNA_LLM_MODEL=gpt-5-mini python examples/prompt_tuning.py

It needs a model: a name, a provider's key, or OPTUNA_LLM_BASE_URL for any server that speaks as
OpenAI's does. That a model writes instructions and they are judged by their results is the idea of
APE (Zhou et al. 2023, arXiv 2211.01910); that it sees earlier ones with their scores, the best
last, of OPRO (Yang et al. 2024, arXiv 2309.03409). Here a sampler decides how often each prompt is
run, and with how many worked examples.
"""

from __future__ import annotations

import sys

import optuna

from optuna_llm import CQRSampler
from optuna_llm import suggest_open_categorical
from optuna_llm.chat import connect


# The task: the last letters of the words, put together. Real ones have hundreds of questions.
NAMES = ["Ada King", "Alan Turing", "Kurt Gödel", "Emmy Noether", "Grace Brewster Hopper"]
NAMES += ["John von Neumann", "Edsger Dijkstra", "Barbara Liskov", "Sofja Kowalewskaja"]
SHOWN = [("Max Born", "xn"), ("Lise Meitner", "er"), ("Maria Goeppert Mayer", "atr")]
FIRST = [
    "Answer the question.",
    "Think step by step, then give the answer alone on the last line.",
]
MODEL = connect()


def ask(text: str) -> str:
    """Return what the model answers."""
    assert MODEL is not None
    return MODEL.complete([{"role": "user", "content": text}]).text.strip()


def run(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the finished trials, the best last."""
    return sorted(
        study.get_trials(states=[optuna.trial.TrialState.COMPLETE]), key=lambda t: t.value
    )


def prompt_of(trial: optuna.trial.FrozenTrial) -> str:
    """Return the prompt that a trial has run."""
    return str(trial.user_attrs["llm:choice:prompt"])


def objective(trial: optuna.Trial) -> float:
    """Return the share of right answers."""
    known = dict.fromkeys([*FIRST, *map(prompt_of, run(trial.study))])
    prompt = suggest_open_categorical(trial, "prompt", list(known))
    shown = SHOWN[: trial.suggest_int("n_shown", 0, len(SHOWN))]
    worked = "".join(f"Q: {words}\nA: {letters}\n\n" for words, letters in shown)
    replies = [ask(f"{prompt}\n\n{worked}Q: {words}\nA:").split() for words in NAMES]
    right = ["".join(word[-1] for word in words.split()) for words in NAMES]
    hits = sum(reply[-1:] == [letters] for reply, letters in zip(replies, right, strict=True))
    return hits / len(NAMES)


def written(study: optuna.Study) -> str:
    """Return a prompt that the model has written from the best ones."""
    best: dict[str, float | None] = {}
    for trial in reversed(run(study)):
        best.setdefault(prompt_of(trial), trial.value)
    shown = list(reversed(list(best.items())[:6]))
    lines = [f"{score:.2f} of the answers are right with: {text}" for text, score in shown]
    examples = [f"{words} -> {letters}" for words, letters in SHOWN]
    reply = ask(
        "These prompts ask a language model to do a task, the best one comes last:\n"
        + "\n".join(lines)
        + "\nThe task by example: "
        + "; ".join(examples)
        + "\nSay to yourself what the best ones have in common and the others lack. Then write one"
        " new prompt that you expect to be better, on the last line, without quotes."
    )
    return (reply.splitlines() or FIRST)[-1]


if __name__ == "__main__":
    if MODEL is None:
        sys.exit("This example needs a language model: set OPTUNA_LLM_MODEL or a provider's key.")
    study = optuna.create_study(direction="maximize", sampler=CQRSampler(seed=0))
    study.optimize(objective, n_trials=4)
    for _ in range(4):
        study.enqueue_trial({"prompt": written(study)})
        study.optimize(objective, n_trials=2)
    print(
        f"{len(study.trials)} trials, best {study.best_value:.3f}: {prompt_of(study.best_trial)}"
    )
