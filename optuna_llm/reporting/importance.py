"""How much each parameter matters, by Optuna's own evaluator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
import warnings

from optuna_llm.expectations.in_units import MIN_TRIALS
from optuna_llm.expectations.in_units import usable


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from optuna_llm.history.history import History


def importances(study: Study, history: History, target: int = 0) -> dict[str, float]:
    """Return how much each parameter matters for reaching good values of an objective.

    By PED-ANOVA (Watanabe et al. 2023), the default of :mod:`optuna.importance`, which also
    knows conditional parameters: how much the best tenth of the trials differs from all others
    in that parameter.

    Args:
        study: The study.
        history: The same, as it was read.
        target: Index of the objective.

    Returns:
        Shares that add up to 1, by name, the largest first; those of parameters with a single
        value are left out. Empty while fewer than ten trials have a finite value, or where values
        do not differ.
    """
    trials = usable(history, target)
    values = {(o.values or ())[target] for o in trials}
    if len(trials) < MIN_TRIALS or len(values) < 2:
        return {}
    from optuna.importance import get_param_importances

    sign = trials[0].signs[target]

    def loss(trial: FrozenTrial) -> float:
        return float(sign * trial.values[target])

    with warnings.catch_warnings():
        # That an evaluator takes lower values for better is what is meant.
        warnings.simplefilter("ignore")
        found = get_param_importances(study, target=loss)
    known = {n: v for n, v in found.items() if n in history.parameters and math.isfinite(v)}
    total = sum(known.values())
    return {n: v / total for n, v in sorted(known.items(), key=lambda p: -p[1])} if total else {}


def in_order(history: History, found: dict[str, float]) -> list[str]:
    """Return all parameters, what matters most first; what is not known as it was defined."""
    defined = list(dict.fromkeys(n for o in history.observations for n in o.trial.distributions))
    rest = [n for n in (*defined, *history.parameters) if n in history.parameters]
    return list(dict.fromkeys([*found, *rest]))
