"""The answer counts, not the drafts before it, whatever marks the reasoning has."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.replies.reasoning import without_reasoning
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.space.search_space import SearchSpace


SPACE = SearchSpace({"x": FloatDistribution(0, 1), "k": IntDistribution(1, 9)})
DRAFT, ANSWER = {"x": 0.75, "k": 1}, {"x": 0.125, "k": 4}
MARKS = [
    ("<think>", "</think>"),
    ("<Thinking>", "</Thinking>"),
    ("<thinking>", "</think>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratch_pad>", "</scratch_pad>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ('<think time="3">', "</think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
    ("", "</think>"),
    (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    ("<|channel|>analysis<|message|>", "<|channel|>final <|constrain|>json<|message|>"),
    ("analysisWe", "assistantfinal"),
    ("```thinking\n", "\n```\n"),
    ("```reasoning\n", "\n```\n"),
    ("< think >", "< / think >"),
    ("[BEGIN THINKING]", "[END THINKING]"),
    ("《think》", "《/think》"),
    ("<think>", "<answer>"),
    ("Thinking...\n", "\n...done thinking.\n\n"),
    ("<unused94>thought\n", "<unused95>"),
]


def read(text: str) -> list[dict[str, object]]:
    return [proposal.params for proposal in parse_proposals(text, SPACE)]


@pytest.mark.parametrize("form", ["asked", "bare", "sentence"])
@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_marked_reasoning_does_not_count(opening: str, closing: str, form: str) -> None:
    def shown(params: dict[str, float]) -> str:
        if form == "sentence":
            return "\n".join(f"{k}: {v}" for k, v in params.items()) + "\n"
        return json.dumps({"candidates": [{"params": params}]} if form == "asked" else params)

    answer = [{"x": "0.125", "k": "4"}] if form == "sentence" else [ANSWER]
    thought = f"{opening}Maybe {shown(DRAFT)}, no, that diverges.{closing}"
    assert read(f"{thought}{shown(ANSWER)}") == answer
    assert read(f"{thought}\nSo:\n```json\n{shown(ANSWER)}\n```") == answer
    if opening:
        # What has begun and not ended is reasoning, too.
        assert read(f"{opening}Maybe {shown(DRAFT)}, no") == []


@pytest.mark.parametrize(
    "text",
    [
        "Thought: maybe {draft}, which diverges.\nAnswer: {answer}",
        "Let me think: {draft}? Too high.\n\n**Final answer:**\n{answer}",
        "<ponder>Perhaps {draft}. No, that diverges.</ponder>{answer}",
        "First I would try {draft}. Wait, trial 3 failed there. {answer}",
        "Here is my thought process: {draft} is bad.\nHere is my response: {answer}",
        "<musing>{draft}</musing>\n<answer>{answer}</answer>",
        "<deep-think>{draft}</deep-think>{answer}",
        "<|ponder_start|>{draft}<|ponder_end|>{answer}",
        "<pensée>{draft}</pensée>{answer}",
        "<思考>{draft}</思考>{answer}",
        "<details><summary>Plan</summary>{draft}</details>\n{answer}",
        "<!-- {draft} -->\n{answer}",
        "/* {draft} */ {answer}",
        "==thinking==\n{draft}\n==/thinking==\n{answer}",
        "--- thinking ---\n{draft}\n--- answer ---\n{answer}",
        "Attempt 1: {draft}\nAttempt 2: {answer}",
        "I will not use {draft}. I will use {answer}",
    ],
)
def test_a_draft_without_known_marks_does_not_count(text: str) -> None:
    for wrap in (lambda p: json.dumps({"candidates": [{"params": p}]}), json.dumps):
        told = text.replace("{draft}", wrap(DRAFT)).replace("{answer}", wrap(ANSWER))
        assert read(told) == [ANSWER]


@pytest.mark.parametrize(
    "text",
    [
        "(thinking: {draft}) {answer}",
        "{{{{think}}}}{draft}{{{{/think}}}}{answer}",
        "<!-- {draft} -->{answer}",
        "~~~thinking\n{draft}\n~~~\n{answer}",
        "Reasoning: {draft}\n\n{answer}",
        "《思考》{draft}《/思考》{answer}",
        "思考：{draft}\n答案：{answer}",
    ],
)
def test_the_last_answer_in_the_form_that_was_asked_for_counts(text: str) -> None:
    draft, answer = (json.dumps({"candidates": [{"params": p}]}) for p in (DRAFT, ANSWER))
    assert read(text.replace("{draft}", draft).replace("{answer}", answer)) == [ANSWER]


def test_a_draft_within_the_answer_does_not_count() -> None:
    draft = json.dumps({"candidates": [{"params": DRAFT}]})
    reply = {"analysis": f"maybe {draft}, no", "candidates": [{"params": ANSWER}]}
    assert read(json.dumps(reply)) == [ANSWER]
    assert read(json.dumps({"draft": DRAFT, "candidates": [ANSWER]})) == [ANSWER]


def test_the_last_whole_answer_counts() -> None:
    first, second = ({"candidates": [{"params": p}]} for p in (DRAFT, ANSWER))
    cut = json.dumps(second)[:-30]
    assert read(f"{json.dumps(first)} Better: {json.dumps(second)}") == [ANSWER]
    assert read(f"{json.dumps(second)} Or rather: {cut}") == [ANSWER]
    # Candidates that stand side by side are no drafts.
    assert read(f"{json.dumps(first)}\n{json.dumps(second)}") == [DRAFT, ANSWER]
    assert read(f"1. {json.dumps(DRAFT)}\n2. {json.dumps(ANSWER)}") == [DRAFT, ANSWER]


def test_tags_around_the_candidates_hide_none() -> None:
    first, second = json.dumps(DRAFT), json.dumps(ANSWER)
    for text in (
        f"<response><candidate>{first}</candidate><candidate>{second}</candidate></response>",
        f"<b>Candidate 1</b> {first} <b>Candidate 2</b> {second}",
        f"Candidate 1 (as before): {first}\nCandidate 2: {second}",
        f"<br>{first}<br>{second}",
    ):
        assert read(text) == [DRAFT, ANSWER]


@given(st.lists(st.sampled_from([*(m for pair in MARKS for m in pair), "a", "{}", "\n"])))
def test_blanks_stand_for_reasoning(pieces: list[str]) -> None:
    text = "".join(pieces)
    answer = without_reasoning(text)
    assert len(answer) == len(text)
    assert all(a == b or a.isspace() for a, b in zip(answer, text, strict=True))
