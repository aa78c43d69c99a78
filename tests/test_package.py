from __future__ import annotations

from pathlib import Path
import statistics
import subprocess
import sys

import pytest

import optuna_llm


ROOT = Path(__file__).parent.parent


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.slow
def test_import_costs_under_one_and_a_half_times_optunas() -> None:
    code = (
        "import time; start = time.process_time(); import optuna; between = time.process_time()\n"
        "import optuna_llm; print((time.process_time() - between) / (between - start))"
    )
    assert statistics.median(float(python(code)) for _ in range(3)) < 0.5


def test_building_a_sampler_imports_nothing_heavy() -> None:
    heavy = {"openai", "litellm", "torch", "xgboost", "plotly", "sklearn"}
    code = (
        "import sys, optuna_llm\n"
        "optuna_llm.LLMSampler('gpt-5-mini', api_key='k')\n"
        f"print({heavy} & set(sys.modules))"
    )
    assert python(code).strip() == "set()"


def test_public_names() -> None:
    for name in optuna_llm.__all__:
        assert getattr(optuna_llm, name) is not None
    assert set(optuna_llm.__all__) <= set(dir(optuna_llm))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = optuna_llm.no_such_name


@pytest.mark.parametrize("module", ["errors", "visualization"])
def test_public_modules_are_there_without_an_import_of_their_own(module: str) -> None:
    code = f"import optuna_llm; print(optuna_llm.{module}.__name__, {module!r} in dir(optuna_llm))"
    assert python(code) == f"optuna_llm.{module} True\n"
