"""Optuna's own contract for samplers, for AgentSampler."""

from __future__ import annotations

from collections.abc import Callable

from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
import pytest

from optuna_llm import AgentSampler
from tests.contract.test_llm_sampler import Contract


pytestmark = pytest.mark.slow  # All together.


class TestAgent(Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: AgentSampler(base_sampler=TPESampler(n_startup_trials=0))
