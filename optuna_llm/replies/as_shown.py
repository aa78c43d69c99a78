"""From digits that a model was shown to the very values of the trials that it means.

A prompt shows four digits of a number. A configuration that is copied from there would be a new
one, whose last digits differ: no repeat, and no trial that differs in one parameter alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from optuna_llm.history.history import History
from optuna_llm.space.search_space import SearchSpace


_MAX_TRIALS = 500
# In unit coordinates: a repeat may be written with three digits, as models are told to.
_NEAR = 0.01


def as_shown(
    space: SearchSpace, history: History, params: Mapping[str, Any], *, is_repeat: bool = False
) -> dict[str, Any]:
    """Return a configuration with the very values of the trials that it was copied from.

    A value that reads as a trial's does is that trial's: of several trials the one that reads the
    same in most parameters, of these the best.

    Args:
        space: The parameters, under the names that the model was shown.
        history: The study, as it was shown.
        params: What the model proposes, native legal values.
        is_repeat: Whether it is to be a trial once more, and so the whole of the nearest one.
    """
    trials = [o.params for o in (*history.ranking, *history.failures_of_parameters)][:_MAX_TRIALS]
    if not trials:
        return dict(params)
    if is_repeat:
        (own,), known = space.coordinates([params]), space.coordinates(trials)
        apart = np.where(np.isnan(known) & np.isnan(own), 0.0, np.abs(known - own))
        farthest = np.nan_to_num(apart, nan=np.inf).max(axis=1)
        if farthest.min() < _NEAR:
            trial = trials[int(farthest.argmin())]
            return {n: trial[n] for n in space.names if n in trial}
    read = {n: space.label(n, v) for n, v in params.items()}
    alike = [{n for n in read if n in t and space.label(n, t[n]) == read[n]} for t in trials]
    # Sorting is stable: among equals the better trial comes first.
    closest = sorted(range(len(trials)), key=lambda i: -len(alike[i]))
    return {
        n: next((trials[i][n] for i in closest if n in alike[i]), v) for n, v in params.items()
    }
