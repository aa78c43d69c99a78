"""Optuna's own contract for samplers, for CQRSampler."""

from __future__ import annotations

from collections.abc import Callable

from optuna.samplers import BaseSampler
import pytest

from optuna_llm import CQRSampler
from tests.contract.test_llm_sampler import Contract


pytestmark = pytest.mark.slow  # All together.


class TestCQR(Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: CQRSampler(n_startup_trials=0)
