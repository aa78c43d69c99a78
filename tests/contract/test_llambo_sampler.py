"""Optuna's own contract for samplers, for LLAMBOSampler: without a model, and with one."""

from __future__ import annotations

from collections.abc import Iterator

from optuna.samplers import TPESampler
import pytest

from optuna_llm import LLAMBOSampler
from tests.contract.test_llm_sampler import Build
from tests.contract.test_llm_sampler import Contract
from tests.contract.test_llm_sampler import served
from tests.support.neighbours import Neighbours


pytestmark = pytest.mark.slow  # All together.


def build(model: str | None = None, base_url: str | None = None) -> LLAMBOSampler:
    return LLAMBOSampler(
        model,
        base_url=base_url,
        base_sampler=TPESampler(n_startup_trials=0),
        n_startup_trials=1,
        max_retries=0,
    )


class TestLLAMBOSampler(Contract):
    @pytest.fixture(params=[None, Neighbours], ids=["no model", "reads examples"])
    def sampler(self, request: pytest.FixtureRequest) -> Iterator[Build]:
        yield from served(build, request.param)
