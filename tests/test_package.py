from __future__ import annotations

import importlib.metadata
from pathlib import Path
import statistics
import subprocess
import sys

import pytest

import optuna_llm
from optuna_llm.chat.providers import PROVIDERS


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_import_costs_under_one_and_a_half_times_optunas() -> None:
    timed = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    ours, theirs = [], []
    for _ in range(5):
        theirs.append(float(python(timed.format("optuna"))))
        ours.append(float(python(timed.format("optuna, optuna_llm"))))
    assert statistics.median(ours) < 1.5 * statistics.median(theirs)


@pytest.mark.parametrize("name", ["openai", "litellm", "torch", "xgboost", "plotly", "sklearn"])
def test_building_a_sampler_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys, optuna_llm\n"
        "optuna_llm.LLMSampler('gpt-5-mini', api_key='k')\n"
        f"print({name!r} in sys.modules)"
    )
    assert python(code).strip() == "False"


def test_readme_names_the_default_models() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    shown = [
        f"`{p.default_model}` (`{p.variable}`)" for p in PROVIDERS.values() if p.default_model
    ]
    positions = [" ".join(readme.split()).find(text) for text in shown]
    assert min(positions) > 0
    assert positions == sorted(positions)


def test_public_names_and_version() -> None:
    for name in optuna_llm.__all__:
        assert getattr(optuna_llm, name) is not None
    assert set(optuna_llm.__all__) <= set(dir(optuna_llm))
    assert optuna_llm.__version__ == importlib.metadata.version("optuna-llm")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = optuna_llm.no_such_name
