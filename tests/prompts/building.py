"""Histories of real studies, of every kind, for the tests of prompts."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial
from optuna.trial import Trial
from optuna.trial import TrialState
from optuna.trial import create_trial

from optuna_llm.history.attributes import write_parts
from optuna_llm.history.history import History
from optuna_llm.history.origin import Origin
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import history_text
from optuna_llm.prompts import proposal_messages
from optuna_llm.space.numbers import from_unit
from optuna_llm.space.search_space import SearchSpace


DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "depth": IntDistribution(2, 24),
    "batch": IntDistribution(16, 256, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "optimizer": CategoricalDistribution(("adam", "sgd", "rmsprop")),
    "width": IntDistribution(32, 512, step=32),
}
Direction = Literal["minimize", "maximize"]
DIRECTIONS: tuple[Direction, ...] = ("minimize", "maximize", "minimize")
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate {} GiB"


def draw(rng: np.random.Generator, distributions: dict[str, BaseDistribution]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, distribution in distributions.items():
        if isinstance(distribution, CategoricalDistribution):
            params[name] = distribution.choices[rng.integers(len(distribution.choices))]
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            params[name] = from_unit(distribution, rng.random())
    return params


def study_of(
    trials: list[FrozenTrial], directions: Sequence[Direction] = ("minimize",)
) -> History:
    study = optuna.create_study(directions=directions)
    study.add_trials(trials)
    return History.from_study(study)


def random_history(
    n_trials: int,
    *,
    seed: int = 0,
    distributions: dict[str, BaseDistribution] | None = None,
    n_objectives: int = 1,
    constrained: bool = False,
    conditional: bool = False,
    troubled: bool = True,
    scale: float = 1.0,
) -> History:
    """A study with finished, stopped and failed trials, ``lr`` best near 0.001."""
    rng = np.random.default_rng(seed)
    known = DISTRIBUTIONS if distributions is None else distributions
    trials = []
    for i in range(n_trials):
        params = draw(rng, known)
        if conditional and params.get("optimizer") == "adam":
            del params["dropout"]
        value = scale * ((np.log10(params.get("lr", 1e-3)) + 3) ** 2 + 0.1 * rng.random())
        options: dict[str, Any] = {
            "params": params,
            "distributions": {name: known[name] for name in params},
        }
        if constrained:
            options["constraints"] = {"memory": float(rng.normal()), "time": float(rng.normal())}
        if troubled and params.get("depth", 0) >= 16 and params.get("batch", 0) >= 100:
            reason = OUT_OF_MEMORY.format(rng.integers(1, 40))
            options.pop("constraints", None)
            options |= {"state": TrialState.FAIL, "user_attrs": {"fail_reason": reason}}
        elif troubled and n_objectives == 1 and i % 9 == 4:
            options |= {"state": TrialState.PRUNED, "intermediate_values": {1: 9.0, 5: value}}
        else:
            # Independent of each other beyond the first.
            options["values"] = [float(value), *rng.normal(size=n_objectives - 1).tolist()]
        trials.append(create_trial(**options))
    return study_of(trials, DIRECTIONS[:n_objectives])


def run(
    objective: Callable[[Trial], Any],
    n_trials: int,
    *,
    directions: Sequence[Direction] = ("minimize",),
    by_model: Callable[[int], bool] = lambda number: False,
    n_running: int = 0,
) -> History:
    """Run a study by ask and tell; some trials count as the model's; some stay unfinished."""
    study = optuna.create_study(
        directions=directions, sampler=optuna.samplers.RandomSampler(seed=7)
    )
    for number in range(n_trials + n_running):
        trial = study.ask()
        if by_model(number):
            frozen = study._storage.get_trial(trial._trial_id)
            origin = Origin("llm", f"because {number}")
            write_parts(study, frozen, origin)
            origin.label(study, frozen)
        try:
            values = objective(trial)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except RuntimeError as error:
            trial.set_user_attr("fail_reason", str(error))
            study.tell(trial, state=TrialState.FAIL)
        else:
            if number < n_trials:
                study.tell(trial, values)
    return History.from_study(study)


def rows(text: str) -> list[dict[str, str]]:
    """Read the table of trials back; for plain names and labels only."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("TRIALS"))
    header = lines[start + 1].split(",")
    return [dict(zip(header, line.split(","), strict=True)) for line in lines[start + 2 :]]


def ask(history: History, space: SearchSpace | None = None, **options: Any) -> str:
    """Return the text of the whole request."""
    request: dict[str, Any] = {
        "n_candidates": 5,
        "advice": None,
        "trial_number": len(history.observations),
    }
    named = (*request, "occasion", "beside", "memory")
    request |= {key: options.pop(key) for key in list(options) if key in named}
    messages = proposal_messages(
        space or history.search_space(), history, PromptOptions(**options), **request
    )
    return "\n".join(message["content"] for message in messages)


X: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0)}


def on_line(values: list[Any], direction: Direction = "minimize", **options: Any) -> History:
    """One parameter, evenly spaced, and the given values."""
    trials = [
        create_trial(params={"x": i / len(values)}, distributions=X, value=value, **options)
        for i, value in enumerate(values)
    ]
    return study_of(trials, (direction,))


def show(history: History, **options: Any) -> str:
    return history_text(history.search_space(), history, **options)
