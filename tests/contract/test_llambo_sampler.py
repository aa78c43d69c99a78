"""Optuna's own contract for samplers, for LLAMBOSampler: without a model, and with one."""

from __future__ import annotations

from collections.abc import Iterator
import functools

from optuna.samplers import TPESampler
import pytest

from optuna_llm import LLAMBOSampler
from tests.contract.test_llm_sampler import Build
from tests.contract.test_llm_sampler import Contract
from tests.neighbours import Neighbours
from tests.server import ChatServer


def build(model: str | None = None, base_url: str | None = None) -> LLAMBOSampler:
    return LLAMBOSampler(
        model,
        base_url=base_url,
        base_sampler=TPESampler(n_startup_trials=0),
        n_startup_trials=1,
        max_retries=0,
    )


class TestWithoutModel(Contract):
    @pytest.fixture
    def sampler(self) -> Build:
        return build


class TestModelThatReadsExamples(Contract):
    @pytest.fixture
    def sampler(self) -> Iterator[Build]:
        with ChatServer(Neighbours()) as server:
            yield functools.partial(build, "stand-in", server.base_url)
