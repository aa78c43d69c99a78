"""The example that tunes prompts, with a server that stands in for a model, and without any."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.support.server import ChatServer


EXAMPLE = Path(__file__).parents[1] / "examples" / "prompt_tuning.py"
GOOD = "Put together the last letter of each word."


class StandIn:
    """Does the task where it is told what that is; writes what the best prompt lacks."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: dict[str, Any]) -> str:
        text = request["messages"][-1]["content"]
        if "have in common" not in text:
            words = re.findall(r"Q: (.*)", text)[-1].split()
            return "".join(w[-1] for w in words) if GOOD in text else f"It is {words[0]}."
        self.asked.append(text)
        return f"The best ones say little.\n{GOOD if len(self.asked) == 2 else 'Do it.'}"


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", str(EXAMPLE)]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_model_writes_prompts_from_the_best_ones() -> None:
    model = StandIn()
    with ChatServer(model) as server:
        done = run(OPTUNA_LLM_MODEL="m", OPTUNA_LLM_BASE_URL=server.base_url)
    assert done.returncode == 0, done.stderr
    assert f"12 trials, best 1.000: {GOOD}" in done.stdout
    assert len(model.asked) == 4
    # The best one comes last, with its score; so does the idea that it has.
    scores = [[float(s) for s in re.findall(r"([\d.]+) of the answers", t)] for t in model.asked]
    assert all(shown == sorted(shown) for shown in scores)
    assert f"1.00 of the answers are right with: {GOOD}" in model.asked[-1]


@pytest.mark.slow
def test_without_a_model_it_says_so() -> None:
    done = run()
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("This example needs a language model")
