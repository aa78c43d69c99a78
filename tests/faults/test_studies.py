"""2,000 random studies: whatever happens in them, every parameter is legal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm.errors import ModelError
from tests.faults.hostile import PIECES
from tests.faults.legal import assert_labelled
from tests.faults.random_studies import FOREIGN
from tests.faults.random_studies import RandomStudy
from tests.faults.samplers import MODEL_SAMPLERS


N_STUDIES = 2_000
N_BLOCKS = 10

Space = dict[str, BaseDistribution] | None


def small_cqr(rng: Random, space: Space = None) -> CQRSampler:
    return CQRSampler(
        search_space=space, seed=rng.randint(0, 99), n_startup_trials=2, n_candidates=32
    )


def moody_model(rng: Random) -> Callable[[str], str]:
    """Return a model that answers with parts of the prompt, breaks off, or fails."""
    rng = Random(rng.random())  # Its own: it may be asked in the background.

    def model(prompt: str) -> str:
        mood = rng.random()
        if mood < 0.15:
            raise ModelError("not now")
        if mood < 0.3:
            raise KeyError(rng.choice(PIECES))
        if mood < 0.5:
            return rng.choice(PIECES) * 3
        form = next(line for line in prompt.splitlines() if line.startswith('{"'))
        known = form[form.index('"params": ') + 10 :].split(", ...")[0].rstrip("]}")
        values = ("1", "0.5", "1e-3", '"adam"', "null", "true", "-7", "1e30")
        pieces = [part.partition("<")[0] + rng.choice(values) for part in known.split(", ")]
        return '{"candidates": [{"params": ' + ", ".join(pieces) + "}}]}"

    return model


def sampler_of(kind: str) -> Callable[[Random, Space], BaseSampler]:
    def make(rng: Random, space: Space) -> BaseSampler:
        if kind == "CQR":
            return small_cqr(rng, space)
        bases: list[Callable[[], BaseSampler]] = [
            lambda: RandomSampler(seed=0),
            lambda: TPESampler(seed=0, n_startup_trials=2),
            lambda: small_cqr(rng),
        ]
        options: dict[str, Any] = {
            "search_space": space,
            "seed": rng.randint(0, 99),
            "base_sampler": rng.choices(bases, (3, 1, 1))[0](),
            "n_startup_trials": rng.choice((0, 3, 10)),
            "n_candidates": rng.choice((1, 3)),
        }
        name, _, none = kind.partition(", ")
        return MODEL_SAMPLERS[name](None if none else moody_model(rng), **options)

    return make


# A third without the model: of each sampler that speaks to one, and CQRSampler.
KINDS = ["CQR", *(n + more for n in MODEL_SAMPLERS for more in ("", ", no model"))]


@pytest.mark.slow
@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_parameters_are_legal_and_trials_labelled(block: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    states: Counter[TrialState] = Counter()
    for seed in range(block, N_STUDIES, N_BLOCKS):
        kind = KINDS[seed // N_BLOCKS % len(KINDS)]
        random_study = RandomStudy(seed, sampler_of(kind))
        try:
            random_study.run()
        except BaseException as error:
            error.add_note(f"seed {seed}, {kind}") if hasattr(error, "add_note") else print(
                seed, kind
            )
            raise
        for trial in random_study.study.get_trials(deepcopy=False):
            states[trial.state] += 1
            own = trial.params and trial.state.is_finished() and FOREIGN not in trial.user_attrs
            if kind != "CQR" and own:
                assert_labelled(trial)
    assert set(states) >= set(TrialState) - {TrialState.WAITING}
