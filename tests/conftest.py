from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path

from hypothesis import HealthCheck
from hypothesis import settings
import optuna
import pytest


pytest.register_assert_rewrite("optuna.testing.pytest_samplers")

# Bare times say nothing on a busy machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _quiet_and_keyless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees a key or a model of the machine it runs on."""
    for name in os.environ:
        if name.endswith("_API_KEY") or name.startswith(("OPTUNA_LLM_MODEL", "OPTUNA_LLM_BASE")):
            monkeypatch.delenv(name)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with recorded replies and benchmark data, if the machine has one."""
    folder = os.environ.get("OPTUNA_LLM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set OPTUNA_LLM_DATA to the folder with recorded replies and benchmark data")
    return Path(folder)
