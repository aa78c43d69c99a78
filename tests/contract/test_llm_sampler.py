"""Optuna's own contract for samplers, with a model that is good, useless, away, or not given."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import functools

from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase
from optuna.testing.pytest_samplers import MultiObjectiveSamplerTestCase
from optuna.testing.pytest_samplers import RelativeSamplerTestCase
import pytest

from optuna_llm import LLMSampler
from tests.support.models import well_behaved
from tests.support.ports import closed_port
from tests.support.server import ChatServer
from tests.support.server import Script


pytestmark = pytest.mark.slow  # All together.

Build = Callable[[], BaseSampler]


class Contract(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """The 126 cases."""


def build(model: str | None = None, base_url: str | None = None) -> LLMSampler:
    base = TPESampler(n_startup_trials=0)
    return LLMSampler(model, base_url=base_url, base_sampler=base, max_retries=0)


def served(
    build: Callable[..., BaseSampler], make_script: Callable[[], Script] | None
) -> Iterator[Build]:
    """Yield what builds a sampler, with a model that plays the script or without one."""
    if make_script is None:
        yield build
        return
    with ChatServer(make_script()) as server:
        yield functools.partial(build, "stand-in", server.base_url)


def garbage() -> Script:
    return lambda request: "I would try a smaller learning rate. ]}{"


class TestLLMSampler(Contract):
    @pytest.fixture(params=[None, well_behaved, garbage], ids=["no model", "good", "garbage"])
    def sampler(self, request: pytest.FixtureRequest) -> Iterator[Build]:
        yield from served(build, request.param)


class TestModelThatIsDown(Contract):
    @pytest.fixture
    def sampler(self) -> Iterator[Build]:
        with closed_port() as port:
            yield functools.partial(build, "stand-in", f"http://127.0.0.1:{port}/v1")
