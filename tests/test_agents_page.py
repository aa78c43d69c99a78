"""The session on the page "Agents" runs, and its commands answer as the page says.

Numbers may differ, and names that are drawn; everything else is compared.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.test_docs import DOCS
from tests.test_docs import ROOT
from tests.test_docs import Block
from tests.test_docs import blocks


pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "examples" / "agent"


def session() -> list[tuple[Block, Block | None]]:
    """Return the commands of the page, each block with the answers that follow it."""
    found = blocks(DOCS / "agents.md")
    pairs = zip(found, [*found[1:], None], strict=True)
    return [(b, after) for b, after in pairs if b.language == "sh"]


def form(text: str) -> str:
    """Return a text with what may differ masked, objects of JSON on one line."""
    objects = re.sub(r"\n +", " ", text)
    objects = re.sub(r"\b[0-9a-f]{8}-\d+\b", "NAME", objects)
    return re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", objects)


def run(script: str, folder: Path, timeout: float = 800) -> str:
    """Run a script with the commands of this checkout and return what it prints."""
    command = folder / "bin" / "optuna-llm"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m optuna_llm "$@"\n')
    command.chmod(0o755)
    environment = {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HOME": str(folder),
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_session_of_the_page_answers_as_it_says(tmp_path: Path) -> None:
    shown = session()
    assert len(shown) >= 7
    for block, answers in shown:
        printed = run(block.text, tmp_path)
        assert answers is not None, block.place
        assert form(printed) == form(answers.text), answers.place


def test_the_text_for_repositories_is_short_and_names_commands_that_exist() -> None:
    text = (EXAMPLE / "AGENTS.md").read_text()
    assert len(text.splitlines()) <= 60
    named = set(re.findall(r"`optuna-llm (\w+)", text))
    assert named >= {"new", "ask", "tell", "judge", "enqueue", "state", "done", "best", "run"}
    shown = subprocess.run(
        [sys.executable, "-m", "optuna_llm", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(re.search(rf"^    {name}\b", shown, re.M) for name in named)
    space = re.search(r"`(\{\"lr\": \{.*?\}\})`", text, re.S)
    assert space is not None
    assert json.loads(re.sub(r"`\s+`", "", space[1])).keys() == {"lr", "depth", "optimizer"}


def test_the_scripted_agent_tunes_its_script(tmp_path: Path) -> None:
    script = f"{sys.executable} {EXAMPLE}/scripted_agent.py --trials 3"
    *trials, best = run(script, tmp_path).splitlines()
    assert [line.split(":")[0] for line in trials] == [
        "trial 0 by prior",
        "trial 1 by prior",
        "trial 2 by prior",
    ]
    assert "'params'" in best
