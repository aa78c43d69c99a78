"""Optuna's own contract for samplers, with a model that is good, useless, away, or not given."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import functools
import socket

from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase
from optuna.testing.pytest_samplers import MultiObjectiveSamplerTestCase
from optuna.testing.pytest_samplers import RelativeSamplerTestCase
import pytest

from optuna_llm import LLMSampler
from tests.models import well_behaved
from tests.server import ChatServer
from tests.server import Script


Build = Callable[[], BaseSampler]


class Contract(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """The 126 cases."""


def build(model: str | None = None, base_url: str | None = None) -> LLMSampler:
    base = TPESampler(n_startup_trials=0)
    return LLMSampler(model, base_url=base_url, base_sampler=base, max_retries=0)


def served(script: Script) -> Iterator[Build]:
    with ChatServer(script) as server:
        yield functools.partial(build, "stand-in", server.base_url)


class TestWithoutModel(Contract):
    @pytest.fixture
    def sampler(self) -> Build:
        return build


class TestModelThatAnswersWell(Contract):
    @pytest.fixture
    def sampler(self) -> Iterator[Build]:
        yield from served(well_behaved())


class TestModelThatAnswersGarbage(Contract):
    @pytest.fixture
    def sampler(self) -> Iterator[Build]:
        yield from served(lambda request: "I would try a smaller learning rate. ]}{")


class TestModelThatIsDown(Contract):
    @pytest.fixture
    def sampler(self) -> Build:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        return functools.partial(build, "stand-in", f"http://127.0.0.1:{port}/v1")
