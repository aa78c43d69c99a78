from __future__ import annotations

import inspect
import re

import pytest

from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.sharing.options import SharedArguments


SAMPLERS = [LLMSampler, LLAMBOSampler]
SHARED = list(SharedArguments.__annotations__)


def described(docstring: str | None, section: str) -> list[str]:
    """Return the names that a section of a docstring describes, in order."""
    text = inspect.cleandoc(docstring or "").split(f"{section}:\n")[1].split("\n\n")[0]
    return re.findall(r"^    (\w+): \S", text, re.MULTILINE)


def test_every_shared_argument_is_described_where_it_is_defined() -> None:
    assert described(SharedArguments.__doc__, "Attributes") == SHARED


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_signature_and_help_show_every_argument(sampler: type) -> None:
    parameters = inspect.signature(sampler).parameters
    assert list(parameters)[-len(SHARED) :] == SHARED
    assert described(sampler.__doc__, "Args") == list(parameters)
    assert parameters["timeout"].default is None
    assert parameters["seed"].annotation == int | None


def test_a_subclass_shows_its_own_constructor() -> None:
    class Mine(LLMSampler):
        def __init__(self, budget: int) -> None:
            super().__init__(max_requests=budget)

    assert list(inspect.signature(Mine).parameters) == ["budget"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_unknown_argument_is_named_with_the_nearest(sampler: type) -> None:
    with pytest.raises(TypeError, match=r"argument 'max_cots'. Did you mean 'max_cost'\?"):
        sampler(max_cots=1)
    with pytest.raises(TypeError, match=r"argument 'wholly_unknown'$"):
        sampler(wholly_unknown=1)
