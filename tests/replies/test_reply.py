from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.replies.repair import repair
from optuna_llm.replies.reply import RawProposal
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.space.search_space import SearchSpace


SPACE = SearchSpace(
    {
        "lr": FloatDistribution(1e-5, 1.0, log=True),
        "max_depth": IntDistribution(1, 20),
        "act": CategoricalDistribution(("relu", "tanh", None)),
        "bias": CategoricalDistribution((True, False)),
    }
)
FULL = {"lr": 0.01, "max_depth": 5, "act": "relu", "bias": True}


def parse(text: str) -> list[dict[str, Any]]:
    return [proposal.params for proposal in parse_proposals(text, SPACE)]


def repaired(text: str) -> list[dict[str, Any]]:
    return [repair(SPACE, params).params for params in parse(text)]


# ---- the format that was asked for


def test_the_requested_format_is_read_with_its_reasons() -> None:
    reply = {
        "analysis": "lr = 0.5 was too high",
        "candidates": [
            {"reason": "refine\nit", "params": FULL},
            {"reason": "explore", "params": {**FULL, "lr": 0.1}},
        ],
    }
    assert parse_proposals(json.dumps(reply), SPACE) == [
        RawProposal(FULL, "refine it"),
        RawProposal({**FULL, "lr": 0.1}, "explore"),
    ]


@pytest.mark.parametrize("key", ["reason", "rationale", "Explanation", "why"])
def test_reasons_have_several_names(key: str) -> None:
    (proposal,) = parse_proposals(json.dumps({"config": FULL, key: "because"}), SPACE)
    assert proposal.reason == "because"


def test_values_are_handed_over_raw() -> None:
    assert parse('{"lr": "1e-3", "max_depth": "5 levels", "act": "0=relu"}') == [
        {"lr": "1e-3", "max_depth": "5 levels", "act": "0=relu"}
    ]


# ---- other shapes


@pytest.mark.parametrize(
    "shape",
    [
        FULL,
        [FULL],
        {"params": FULL},
        {"configuration": FULL, "confidence": 0.9},
        {"suggestion": {"hyperparameters": FULL}},
        {"result": [{"config": FULL}]},
        {"model": {"max_depth": 5, "act": "relu", "bias": True}, "optimizer": {"lr": 0.01}},
        {"lr": 0.01, "model": {"max_depth": 5, "act": "relu", "bias": True}},
        [{"name": k, "value": v} for k, v in FULL.items()],
        {k: {"value": v} for k, v in FULL.items()},
        {"params": json.dumps(FULL)},
        {"LR": 0.01, "Max Depth": 5, "act": "relu", "bias": True, "extra": 3},
    ],
)
def test_one_proposal_in_many_shapes(shape: Any) -> None:
    for text in (json.dumps(shape), json.dumps(shape, indent=2), repr(shape)):
        assert repaired(text) == [FULL]


@pytest.mark.parametrize(
    "shape",
    [
        [FULL, {**FULL, "lr": 0.1}],
        {"anything": [FULL, {**FULL, "lr": 0.1}]},
        {"candidate_1": FULL, "candidate_2": {**FULL, "lr": 0.1}},
        {"first": FULL, "second": {**FULL, "lr": 0.1}},
        {"1": {"params": FULL}, "2": {"params": {**FULL, "lr": 0.1}}},
    ],
)
def test_two_proposals_in_many_shapes(shape: Any) -> None:
    assert repaired(json.dumps(shape)) == [FULL, {**FULL, "lr": 0.1}]


def test_numbered_proposals_that_share_no_parameter_stay_apart() -> None:
    text = '{"candidate 1": {"lr": 0.1}, "candidate 2": {"max_depth": 3}}'
    assert parse(text) == [{"lr": 0.1}, {"max_depth": 3}]


def test_a_repeated_key_loses_no_candidate() -> None:
    text = '{"candidate": {"lr": 0.1}, "candidate": {"lr": 0.2}, "candidate": {"lr": 0.3}}'
    assert [p["lr"] for p in parse(text)] == [0.1, 0.2, 0.3]
    assert parse('{"lr": 0.1, "lr": 0.2}') == [{"lr": 0.2}]


def test_the_exact_name_counts_more_than_a_similar_one() -> None:
    assert parse('{"max_depth": 3, "Max Depth": 9}') == [{"max_depth": 3}]
    assert parse('{"Max Depth": 9, "max_depth": 3}') == [{"max_depth": 3}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no idea",
        "{}",
        "[]",
        "null",
        "[1, 2, 3]",
        '{"learning": 3}',
        '{"lr": {"type": "number", "minimum": 0}}',
        '{"lr": [0.001, 0.1]}',
        "lr: number from 1e-05 to 1, log scale",
        "act: one of [relu, tanh]",
        '{"reason": "lr = 0.1 is best"}',
    ],
)
def test_what_is_no_proposal(text: str) -> None:
    assert parse(text) == []


# ---- around the object


def test_fences_prose_and_several_objects() -> None:
    body = json.dumps(FULL)
    assert repaired(f"```json\n{body}\n```") == [FULL]
    assert repaired(f"Sure! I suggest {{as you said}}: {body} Good luck {{}}.") == [FULL]
    assert repaired(f"{body}\n{body}") == [FULL, FULL]
    assert repaired(f"For depth in [4, 24) and lr in [0.1, I take\n{body}") == [FULL]
    assert repaired(f"\ufeff{body}") == [FULL]


def test_thinking_does_not_count() -> None:
    body = json.dumps(FULL)
    draft = '{"lr": 0.5}'
    assert repaired(f"<think>maybe {draft}</think>{body}") == [FULL]
    assert repaired(f"maybe {draft}</think>\n{body}") == [FULL]
    assert repaired(f"<think>maybe {draft} and then") == []
    assert repaired(f"<Thinking>{draft}</Thinking>{body}") == [FULL]


# ---- nearly JSON


@pytest.mark.parametrize(
    "text",
    [
        # Nearly JSON.
        "{'lr': 0.01, 'max_depth': 5, 'act': 'relu', 'bias': True}",
        "{'lr': 0.01, 'max_depth': 5, 'act': 'relu', 'bias': True,}",
        "{lr: 0.01, max_depth: 5, act: relu, bias: true}",
        "{lr = 0.01, max_depth = 5, act = 'relu', bias = True}",
        '{"lr": 1e-2, // small\n "max_depth": 5, # deep\n /* x */ "act": "relu",\n"bias": true}',
        '{"lr": 0.01 "max_depth": 5 "act": "relu" "bias": true}',
        '{"lr": 0.01;\n"max_depth": 5;\n"act": "relu";\n"bias": true;}',
        '{"why": "the "big" one\nis", "lr": .01, "max_depth": +5, "act": "relu", "bias": true}',
        "{'why': 'it isn't deep', 'lr': 0.01, 'max_depth': 5, 'act': 'relu', 'bias': True}",
        '{"params": {"lr": 0.01, "max_depth": 5, "act": "relu", "bias": true}',
        "({'lr': 0.01, 'max_depth': 5, 'act': 'relu', 'bias': True})",
        # Plain text.
        "lr: 0.01\nmax_depth: 5\nact: relu\nbias: True",
        "lr = 0.01\nmax_depth = 5\nact = relu\nbias = True",
        "## lr: 0.01, max_depth: 5, act: relu, bias: True ##",
        "lr is 0.01, max_depth is 5, act is relu and bias is True.",
        "- **lr**: 0.01\n- **max depth**: 5\n- **act**: `relu`\n- **bias**: True",
        "1. The lr is 0.01.\n2. The max depth is 5.\n3. act -> relu\n4. bias -> true",
        "dict(lr=0.01, max_depth=5, act='relu', bias=True)",
        "Candidate 1: lr=0.01; max_depth=5; act=relu; bias=True",
        "lr:0.01,max_depth:5,act:relu,bias:True",
        "lr=.01 max depth=5 act=relu bias=True",
        "lr ≈ 10⁻², max depth ~ 5, act := relu, bias => yes",
        'Here: {{"lr": 0.01, "max_depth": 5, "act": "relu", "bias": true}}',
    ],
)
def test_nearly_json_and_plain_text_are_read(text: str) -> None:
    assert repaired(text) == [FULL]


def test_thousands_separators_are_one_number() -> None:
    space = SearchSpace({"n": IntDistribution(1, 10**6), "x": IntDistribution(1, 9)})
    (proposal,) = parse_proposals('{"n": 524,288, "x": 3}', space)
    assert repair(space, proposal.params).params == {"n": 524288, "x": 3}
    assert parse_proposals("n: 524,288, x: 3", space)[0].params == {"n": "524,288", "x": "3"}


def test_null_and_none_are_values() -> None:
    assert repaired('{"act": null}') == [{"act": None}]
    assert repaired("{'act': None}") == [{"act": None}]


def test_every_cut_keeps_what_is_whole() -> None:
    candidates = [
        {"reason": f"number {i}", "params": {"lr": 0.25, "max_depth": 11 + i, "act": "tanh"}}
        for i in range(3)
    ]
    text = json.dumps({"analysis": "well", "candidates": candidates})
    for end in range(len(text)):
        found = parse_proposals(text[:end], SPACE)
        # Every pair that is whole is there, and nothing that the whole text does not hold.
        for name, expected in (("lr", 0.25), ("act", "tanh")):
            shown = f'"{name}": {json.dumps(expected)}'
            whole = text[: max(end - 1, 0)].count(shown)
            assert sum(name in p.params for p in found) >= whole
            assert all(p.params.get(name, expected) == expected for p in found)
        for i, proposal in enumerate(found):
            assert proposal.params.get("max_depth", 11 + i) == 11 + i


# ---- plain text


@pytest.mark.parametrize(
    "text",
    [
        "log10(lr) = -3",
        "lr < 0.1",
        "lr >= 0.1",
        "lr != 0.1",
        "lr: 1e-3 to 1e-2",
        "lr: 0.1 is too high",
        "lr: not 0.1",
        '{"lr": -3}',
    ],
)
def test_what_names_no_value_is_none(text: str) -> None:
    assert all(not params for params in repaired(text))


def test_plain_text_holds_several_proposals() -> None:
    text = "## lr: 0.1, max_depth: 3 ##\n## lr: 0.2, max_depth: 4 ##\nlr: 0.3\nlr: 0.4"
    assert [p["lr"] for p in parse(text)] == ["0.1", "0.2", "0.3", "0.4"]
    listed = json.dumps(["## lr: 0.1 ##", "## lr: 0.2 ##"])
    assert [p["lr"] for p in parse(listed)] == ["0.1", "0.2"]


def test_a_longer_name_is_not_taken_for_a_shorter_one() -> None:
    assert parse("warmup_lr: 0.3, lr_decay = 0.1, embedding_lr is 2") == []


# ---- hostile replies

HOSTILE = [
    "[" * 10**6,
    "{" * 10**6,
    '{"lr":' * 10**5,
    '{"a":[' * 10**5,
    "{'lr':'" * 10**5,
    '{"' * 10**6,
    '"' * 10**6,
    "lr:" * 10**6,
    "lr is is " * 10**5,
    " " * 10**7,
    "{" + " " * 10**7,
    "{a /* " * 10**5,
    "{#" * 10**6,
    "<think>" * 10**5,
    "</think>" * 10**5,
    '{"lr": "' + "\\" * 10**6,
    '{"lr": ' + "9" * 10**6 + "}",
    '{"lr": 1e' + "9" * 100 + "}",
    "[1," * 10**5 + '{"lr": 1}',
    ('{"lr":' * 23 + "[") * 10**4,
    "\ud800\udfff" * 10**5,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: repr(t[:12]))
def test_hostile_replies_end_and_are_bounded(text: str) -> None:
    found = parse_proposals(text, SPACE)
    assert len(found) <= 50
    for proposal in found:
        repair(SPACE, proposal.params)


def test_a_million_candidates_are_fifty() -> None:
    text = "[" + ",".join(['{"lr":0.1}'] * 10**6) + "]"
    assert parse(text) == [{"lr": 0.1}] * 50


def test_impossible_numbers_do_no_harm() -> None:
    text = '{"lr": NaN, "max_depth": 1e999, "act": -Infinity, "bias": ' + "1" * 5000 + "}"
    (params,) = parse(text)
    assert math.isnan(params["lr"])
    assert repair(SPACE, params).kept == ()
    assert len(str(params)) < 1000


def test_values_are_of_bounded_size() -> None:
    text = json.dumps({"act": "x" * 10**5, "bias": ["y" * 10**4] * 5, "lr": [[[[1]]]]})
    (params,) = parse(text)
    assert len(str(params)) < 3000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*FULL, "params", "reason", "value", "name", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
_GARBAGE = st.sampled_from(
    [*"{}[]()\"'`:=,;#/*\\ \n", "lr", "max_depth", "is", "##", "```", "<think>", "</think>", "NaN"]
)


@settings(max_examples=2000)
@given(value=_JSON, edits=st.lists(st.tuples(st.integers(0, 400), _GARBAGE), max_size=6))
def test_mutated_replies_never_raise(value: Any, edits: list[tuple[int, str]]) -> None:
    text = json.dumps({"candidates": [{"reason": "x", "params": FULL}, value]})
    for place, garbage in edits:
        place %= len(text) + 1
        text = text[:place] + garbage + text[place + place % 3 :]
    found = parse_proposals(text, SPACE)
    for proposal in found:
        assert proposal.params
        assert proposal.params.keys() <= SPACE.distributions.keys()
        assert "\n" not in proposal.reason
        assert repair(SPACE, proposal.params).unknown == ()


@settings(max_examples=1200)
@given(st.text(max_size=200) | st.lists(_GARBAGE, max_size=60).map("".join))
def test_any_text_is_read_without_harm(text: str) -> None:
    for proposal in parse_proposals(text, SPACE):
        repair(SPACE, proposal.params)


_PLAIN = st.text("abcxyz ", max_size=8)
_PLAIN_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*FULL, "params", "reason", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(value=_PLAIN_JSON)
def test_both_readers_agree(value: Any) -> None:
    # JSON is read by the standard library, what Python prints by the tolerant reader.
    assert parse_proposals(repr([value]), SPACE) == parse_proposals(json.dumps([value]), SPACE)
