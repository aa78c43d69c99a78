"""670 recorded replies of a 0.8B model, and its replies in LLAMBO's role of candidate sampler."""

from __future__ import annotations

from collections import Counter
import gzip
import json
from pathlib import Path
import re
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.replies.repair import repair
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.space.search_space import SearchSpace


@pytest.fixture(scope="module")
def space(data_folder: Path) -> SearchSpace:
    known: dict[str, BaseDistribution] = {}
    for name, entry in json.loads((data_folder / "llm_replies/space.json").read_text()).items():
        if entry[0] == "cat":
            known[name] = CategoricalDistribution(entry[1])
        elif entry[0] == "int":
            known[name] = IntDistribution(entry[1], entry[2], log=entry[3])
        else:
            known[name] = FloatDistribution(entry[1], entry[2], log=entry[3])
    return SearchSpace(known)


def recorded(folder: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(folder / "llm_replies" / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def count(texts: list[str], space: SearchSpace) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        found = parse_proposals(text, space)
        counts.update(replies=1, replies_with_proposals=bool(found), proposals=len(found))
        for proposal in found:
            outcome = repair(space, proposal.params)
            counts.update(
                kept=len(outcome.kept),
                repaired=len(outcome.repaired),
                dropped=len(outcome.dropped),
                missing=len(outcome.missing),
            )
    return counts


def test_every_reply_with_a_parameter_gives_a_proposal(
    data_folder: Path, space: SearchSpace
) -> None:
    texts = [r["reply"] for r in recorded(data_folder, "qwen3.5-0.8b.jsonl.gz")]
    named = [t for t in texts if any(name in t for name in space.names)]
    counts = count(texts, space)
    print(dict(counts))
    assert counts["replies"] == 670
    assert counts["replies_with_proposals"] == len(named) == 667
    assert set(texts) - set(named) == {"{}"}
    values = counts["kept"] + counts["repaired"] + counts["dropped"]
    assert values + counts["missing"] == counts["proposals"] * len(space)
    assert counts["kept"] / values > 0.99


_PAIR = re.compile(r'"([A-Z_]+)"\s*:\s*("[^"]*"|[-+0-9.eE]+)(?=\s*[,}])')


def legal(space: SearchSpace, name: str, value: Any) -> bool:
    distribution = space.distributions[name]
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return (
        isinstance(value, int | float)
        and distribution.low <= value <= distribution.high
        and (isinstance(distribution, FloatDistribution) or value == int(value))
    )


def test_no_legal_value_of_the_first_object_is_lost(data_folder: Path, space: SearchSpace) -> None:
    n_values = 0
    for reply in recorded(data_folder, "qwen3.5-0.8b.jsonl.gz"):
        text = reply["reply"]
        start = text.find("{")
        body = text[start : text.find("}", start) + 1 or len(text)]
        # As in JSON, the last of several pairs with one name counts.
        expected = {
            name: json.loads(raw)
            for name, raw in _PAIR.findall(body)
            if name in space.distributions
        }
        expected = {n: v for n, v in expected.items() if legal(space, n, v)}
        if not expected:
            continue
        outcome = repair(space, parse_proposals(text, space)[0].params)
        for name, value in expected.items():
            assert outcome.params[name] == value, reply["id"]
            assert name in outcome.kept, reply["id"]
        n_values += len(expected)
    print({"legal values found by the pattern": n_values})
    assert n_values > 8000


def test_llambo_transcripts_give_each_candidate(data_folder: Path, space: SearchSpace) -> None:
    records = recorded(data_folder, "llambo_qwen3.5-0.8b.jsonl.gz")
    replies = [r["replies"] for r in records if r["kind"] == "acquisition"]
    counts = count([text for texts in replies for text in texts], space)
    print(dict(counts))
    assert counts["proposals"] == counts["replies"] == sum(map(len, replies))
    assert counts["dropped"] == counts["missing"] == 0
    # The same candidates within one reply: as a Python list, as JSON, as lines.
    for texts in replies:
        one_by_one = [p.params for text in texts for p in parse_proposals(text, space)]
        for together in (repr(texts), json.dumps(texts), "\n".join(texts)):
            assert [p.params for p in parse_proposals(together, space)] == one_by_one
