"""10,000 trials of 20 parameters: what a proposal costs, beside TPE's in the same run."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import time
import tracemalloc

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState
from optuna.trial import create_trial
import pytest

from optuna_llm.chat import estimate_tokens
from optuna_llm.history.history import History
from optuna_llm.prompts import DEFAULT_TOKEN_BUDGET
from optuna_llm.prompts import history_text
from optuna_llm.space.search_space import SearchSpace
from tests.faults.samplers import MODEL_SAMPLERS
from tests.faults.samplers import SAMPLERS
from tests.faults.samplers import model
from tests.support.models import Local


SPACE: dict[str, BaseDistribution] = {
    **{f"float{i}": FloatDistribution(0.0, 1.0) for i in range(8)},
    **{f"log{i}": FloatDistribution(1e-5, 1.0, log=True) for i in range(4)},
    **{f"int{i}": IntDistribution(1, 100) for i in range(4)},
    **{f"kind{i}": CategoricalDistribution(["a", "b", "c"]) for i in range(4)},
}
SIZES = (1_000, 10_000)
_N_PROPOSALS = 3


@pytest.fixture(scope="module")
def studies() -> Mapping[int, optuna.Study]:
    """Studies of each size, with trials of random parameters."""
    rng = np.random.default_rng(0)
    space = SearchSpace(SPACE)
    made = {}
    for size in SIZES:
        study = optuna.create_study()
        unit = rng.random((size, len(SPACE)))
        rows = np.where(space.n_choices > 0, np.floor(unit * space.n_choices), unit)
        for row in rows:
            value = float(np.sum((row[:12] - 0.4) ** 2))
            params = space.configuration(row)
            study.add_trial(create_trial(params=params, distributions=SPACE, value=value))
        made[size] = study
    return made


def seconds(study: optuna.Study, make: Callable[[], BaseSampler]) -> float:
    """Return the processor time of one proposal, the median of some."""
    times = []
    for _ in range(_N_PROPOSALS):
        study.sampler = make()
        started = time.process_time()
        study.ask(SPACE)
        times.append(time.process_time() - started)
    return float(np.median(times))


def peak(study: optuna.Study, make: Callable[[], BaseSampler]) -> int:
    """Return the most memory that one proposal takes, in bytes."""
    study.sampler = make()
    tracemalloc.start()
    study.ask(SPACE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_proposal_costs_at_most_ten_times_as_much_after_ten_times_as_many_trials(
    name: str, studies: Mapping[int, optuna.Study]
) -> None:
    chat = Local(model())

    def make() -> BaseSampler:
        # A new one: nothing is left in memory from the proposal before.
        if name in MODEL_SAMPLERS:
            return MODEL_SAMPLERS[name](chat, seed=0, search_space=SPACE)
        return SAMPLERS[name](seed=0, search_space=SPACE)

    own = {size: seconds(study, make) for size, study in studies.items()}
    tpe = {size: seconds(study, lambda: TPESampler(seed=0)) for size, study in studies.items()}
    memory = {size: peak(study, make) for size, study in studies.items()}
    small, large = SIZES
    print(f"\n{name}:")
    for size in SIZES:
        print(
            f"after {size} trials {1000 * own[size]:.0f} ms (TPE {1000 * tpe[size]:.0f} ms),"
            f" at most {memory[size] / 2**20:.0f} MiB"
        )
    assert own[large] <= 1.2 * large / small * own[small]
    assert memory[large] <= 1.2 * large / small * memory[small]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_prompts_stay_within_their_budget(name: str, studies: Mapping[int, optuna.Study]) -> None:
    longest = {}
    for size in SIZES:
        # Without what other tests have asked: a model that has answered waits for an occasion.
        study = optuna.create_study()
        study.add_trials(studies[size].get_trials(states=[TrialState.COMPLETE]))
        told = history_text(SearchSpace(SPACE), History.from_study(study))
        assert 0.5 * DEFAULT_TOKEN_BUDGET <= estimate_tokens(told) <= DEFAULT_TOKEN_BUDGET
        chat = Local(model())
        study.sampler = MODEL_SAMPLERS[name](chat, seed=0, search_space=SPACE)
        study.ask(SPACE)
        longest[size] = max(map(estimate_tokens, chat.prompts))
    # What comes beside the history does not grow with it.
    assert longest[SIZES[1]] <= 1.1 * longest[SIZES[0]]
