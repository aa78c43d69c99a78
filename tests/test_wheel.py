"""The wheel in an environment with nothing else: `make wheel`, on the oldest and newest Python.

What docs/installation.md promises of size and import time is read there and held to.
"""

from __future__ import annotations

from dataclasses import dataclass
import functools
import json
import os
from pathlib import Path
import re
import shutil
import statistics
import subprocess
import sys

import pytest

from tests.support.distribution import ROOT
from tests.support.distribution import build_distribution


pytestmark = [pytest.mark.apart, pytest.mark.slow]

OLDEST, NEWEST = 10, 14
SEARCH = """
import optuna
from optuna_llm import AgentSampler, CQRSampler, LLAMBOSampler, LLMSampler, report

def objective(trial):
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    if trial.suggest_categorical("booster", ["tree", "linear"]) == "tree":
        return (rate - 0.1) ** 2 + trial.suggest_int("max_depth", 1, 9) / 10
    return rate + 1

def answer(prompt):
    return '{"candidates": [{"learning_rate": 0.2, "booster": "tree", "max_depth": 2}]}'

for sampler in (CQRSampler(seed=0), LLMSampler(seed=0), LLMSampler(answer, seed=0),
                LLAMBOSampler(answer, seed=0), AgentSampler(seed=0)):
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=14)
    failed = [t.number for t in study.trials if t.state.name != "COMPLETE"]
    assert not failed, (sampler, failed)
    sources = [t.user_attrs["llm:source"] for t in study.trials]
    assert "fallback" not in sources, (sampler, sources)
    print(type(sampler).__name__, len(study.trials), study.best_value)
report(study, "report.html")
"""
MEASURE = """
import importlib.metadata, json, re, sys, time
start = time.process_time(); import optuna
between = time.process_time(); import optuna_llm
imported = time.process_time(); optuna_llm.LLMSampler("a-model", api_key="k")
built = time.process_time()

from packaging.requirements import Requirement

def closure(name, found):
    if name in found:
        return found
    found.add(name)
    for line in importlib.metadata.requires(name) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            closure(re.sub("[-_.]+", "-", requirement.name).lower(), found)
    return found

def megabytes(names):
    files = (f for n in names for f in importlib.metadata.files(n) or () if f.suffix != ".pyc")
    return sum(p.stat().st_size for p in {f.locate() for f in files} if p.exists()) / 1e6

optunas, ours = closure("optuna", set()), closure("optuna-llm", set())
print(json.dumps({
    "packages": sorted(ours), "optunas": len(optunas),
    "size": megabytes(ours), "optunas size": megabytes(optunas),
    "own": megabytes({"optuna-llm"}),
    "import": (imported - start) / (between - start),
    "sampler": (built - start) / (between - start),
}))
"""


@functools.cache
def pythons() -> tuple[Path, ...]:
    """Return the oldest and the newest Python of this machine that the package supports."""
    found: dict[int, Path] = {sys.version_info.minor: Path(sys.executable).resolve()}
    versions = Path.home() / ".pyenv" / "versions"
    for minor in range(OLDEST, NEWEST + 1):
        places = [shutil.which(f"python3.{minor}"), *versions.glob(f"3.{minor}.*/bin/python")]
        for place in filter(None, places):
            code = "import ensurepip, sys; print(sys.version_info.minor)"
            done = subprocess.run([place, "-c", code], capture_output=True, text=True, check=False)
            if done.stdout.strip() == str(minor):
                found.setdefault(minor, Path(place))
    return tuple(dict.fromkeys([found[min(found)], found[max(found)]]))


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel and what it demands."""

    folder: Path

    def run(self, *command: str) -> str:
        """Run a program of the environment away from the sources, and return what it prints."""
        program, *arguments = command
        done = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            # Nothing but its own packages, and modules compiled once.
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_distribution(tmp_path_factory.mktemp("release")).wheel


@pytest.fixture(scope="module", params=pythons(), ids=lambda path: path.parents[1].name)
def bare(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([request.param, "-m", "venv", folder], check=True)
    environment = Environment(folder)
    environment.run("pip", "install", "--quiet", "--no-compile", str(wheel))
    return environment


@pytest.fixture(scope="module")
def measured(bare: Environment) -> dict[str, float]:
    found = json.loads(bare.run("python", "-c", MEASURE))
    print(found)
    return found


def bound(row: str) -> float:
    """Return the last number of a row of the page's table: what it promises."""
    page = (ROOT / "docs" / "installation.md").read_text()
    (line,) = re.findall(rf"^\| {re.escape(row)}.*$", page, re.M)
    return float(re.findall(r"[\d.]+", line)[-1])


def test_every_sampler_searches(bare: Environment) -> None:
    said = bare.run("python", "-c", SEARCH)
    assert len(said.splitlines()) == 5
    assert "<table" in (bare.folder / "report.html").read_text()


def test_the_command_is_there(bare: Environment) -> None:
    assert "estimate" in bare.run("optuna-llm", "--help")


def test_what_is_left_out_is_named_with_what_installs_it(bare: Environment) -> None:
    code = (
        "from optuna_llm import CQRSampler\nfrom optuna_llm.errors import MissingExtraError\n"
        "try:\n    CQRSampler(surrogate='gbt')\nexcept MissingExtraError as error:\n"
        "    print(error)"
    )
    assert 'pip install "scikit-learn>=' in bare.run("python", "-c", code)


def test_scikit_learn_and_pandas_are_not_needed(measured: dict[str, list[str]]) -> None:
    assert not {"scikit-learn", "pandas", "plotly"} & set(measured["packages"])


def test_its_size_is_what_the_page_says(measured: dict[str, float]) -> None:
    assert measured["size"] / measured["optunas size"] < bound("All that is installed")
    assert measured["own"] < bound("This package itself")


def test_its_import_is_what_the_page_says(measured: dict[str, float], bare: Environment) -> None:
    # The first one, `measured`, has written the bytecode.
    again = [json.loads(bare.run("python", "-c", MEASURE)) for _ in range(3)]
    rows = {"import": "`import optuna_llm` after", "sampler": "The same, and an `LLMSampler`"}
    for key, row in rows.items():
        assert statistics.median(run[key] for run in again) < bound(row), again
