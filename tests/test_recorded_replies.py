"""Replies of a real, weak model go all the way through the sampler."""

from __future__ import annotations

from collections import Counter
import gzip
import json
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm import LLMSampler


def read_space(folder: Path) -> dict[str, BaseDistribution]:
    space: dict[str, BaseDistribution] = {}
    for name, (kind, *limits) in json.loads((folder / "space.json").read_text()).items():
        if kind == "cat":
            space[name] = CategoricalDistribution(limits[0])
        else:
            numeric = IntDistribution if kind == "int" else FloatDistribution
            space[name] = numeric(limits[0], limits[1], log=limits[2])
    return space


@pytest.mark.slow
def test_every_reply_becomes_a_complete_valid_configuration(data_folder: Path) -> None:
    folder = data_folder / "llm_replies"
    space = read_space(folder)
    with gzip.open(folder / "qwen3.5-0.8b.jsonl.gz", "rt") as file:
        replies = [json.loads(line)["reply"] for line in file]
    assert len(replies) == 670
    counts: Counter[str] = Counter()
    for reply in replies:
        # Trial 0 makes the space known; trial 1 is the model's.
        sampler = LLMSampler(lambda _, r=reply: r, seed=0, n_candidates=1)
        study = optuna.create_study(sampler=sampler)
        for _ in range(2):
            trial = study.ask(space)
            study.tell(trial, 0.0)
        params: dict[str, Any] = study.trials[1].params
        assert set(params) == set(space)
        for name, distribution in space.items():
            assert distribution._contains(distribution.to_internal_repr(params[name]))
        record = study.trials[1].system_attrs["llm:proposal"]
        counts[record["source"]] += 1
        if record["source"] == "llm":
            completed = record.get("completed", 0)
            counts["completed"] += completed - record.get("dropped", 0)
            counts["dropped"] += record.get("dropped", 0)
            counts["repaired"] += record.get("repaired", 0)
            counts["kept"] += len(space) - completed - record.get("repaired", 0)
    values = {k: counts[k] for k in ("kept", "repaired", "completed", "dropped")}
    assert sum(values.values()) == len(space) * counts["llm"]
    # Three replies name no parameter at all. All others are used, each usable value of them.
    assert (counts["llm"], counts["fallback"]) == (667, 3)
    assert values == {"kept": 9031, "repaired": 7, "completed": 295, "dropped": 5}
