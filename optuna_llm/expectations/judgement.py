"""What is to be said of a configuration before it is run: for agents and people who ask."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.expectations.outlook import MIN_TRIALS_TO_VETO
from optuna_llm.expectations.outlook import N_RIVALS
from optuna_llm.expectations.outlook import Outlook
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation


LEVELS = (0.1, 0.5, 0.9)
# More digits than these say nothing of an expectation.
_DIGITS = 4


@dataclass(frozen=True)
class Judgement:
    """What is to be said of one configuration.

    Attributes:
        params: Native values by name.
        verdict: ``worth a trial``, ``vetoed``, or ``too early`` to tell.
        why: The reason of a veto, or what is missing to tell.
        expected: For each objective its quantiles by level, as the objective would return them;
            None while too little is known.
        risk: The probability to fail, as far as parameters explain it; None before any trial.
        feasible: The probability to meet all constraints; None without any.
        nearest: The finished trial that is most like it.
        distance: The mean distance in unit coordinates to that one.
        rank, of: Its place among the candidates of a search, 1 is best; None while too little is
            known.
    """

    params: Mapping[str, Any]
    verdict: str
    why: str
    expected: tuple[dict[float, float], ...] | None = None
    risk: float | None = None
    feasible: float | None = None
    nearest: Observation | None = None
    distance: float = 0.0
    rank: int | None = None
    of: int = N_RIVALS + 1


def judge(
    space: SearchSpace, history: History, configurations: Sequence[Mapping[str, Any]]
) -> list[Judgement]:
    """Return what the surrogate of a study expects of configurations.

    Args:
        space: The parameters.
        history: The study, without the trials that are to run these configurations: what runs
            counts as observed.
        configurations: Native values by name.
    """
    finished = [o for o in history.observations if o.state.is_finished()]
    n_known = history.n_ranked + len(history.failures_of_parameters)
    if n_known == 0 or len(space) == 0:
        why = "no trial has finished yet"
        return [Judgement(c, "too early", why) for c in configurations]
    outlook = Outlook(space, history, 0)
    told = outlook.told(configurations, LEVELS)
    places = outlook.places(configurations)
    risks, feasible = outlook.risk(configurations), outlook.feasible(configurations)
    rows = space.coordinates(o.intended for o in finished)
    found = []
    for i, params in enumerate(configurations):
        objection = outlook.objection(params)
        verdict, why = "worth a trial", ""
        if objection:
            verdict, why = "vetoed", objection
        elif n_known < MIN_TRIALS_TO_VETO:
            verdict = "too early"
            why = f"vetoes begin with {MIN_TRIALS_TO_VETO} finished trials, there are {n_known}"
        distances = space.distances(rows, space.coordinates([params])[0])
        k = int(np.argmin(distances))
        found.append(
            Judgement(
                params,
                verdict,
                why,
                None if told is None else tuple(map(_by_level, told[i])),
                round(float(risks[i]), _DIGITS),
                None if feasible is None else round(float(feasible[i]), _DIGITS),
                finished[k],
                round(float(distances[k]), _DIGITS),
                None if places is None else int(places[i]) + 1,
            )
        )
    return found


def _by_level(quantiles: np.ndarray) -> dict[float, float]:
    shown = (float(f"{q:.{_DIGITS + 1}g}") for q in quantiles)
    return dict(zip(LEVELS, shown, strict=True))
