"""Trials that repeat one another, and what they tell of noise."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence

from optuna_llm.history.history import Observation


def repeated(observations: Iterable[Observation]) -> list[list[Observation]]:
    """Return the complete trials, those with equal parameters together, by their first number."""
    groups: dict[tuple[tuple[str, str], ...], list[Observation]] = {}
    for o in observations:
        if o.values is not None:
            # As text, for 1, 1.0 and True are equal, and choices may be of any kind.
            key = tuple(sorted((name, repr(value)) for name, value in o.params.items()))
            groups.setdefault(key, []).append(o)
    return list(groups.values())


def least_run(
    good: Sequence[Observation], observations: Iterable[Observation]
) -> Observation | None:
    """Return the trial whose parameters were run least often, if there is any.

    Args:
        good: Complete trials to choose from, those first that are preferred.
        observations: All trials.
    """
    n_runs = {id(o): len(group) for group in repeated(observations) for o in group}
    return min(good, key=lambda o: n_runs[id(o)], default=None)


def is_noisy(observations: Iterable[Observation]) -> bool | None:
    """Say whether equal parameters have had different values; None while nothing was repeated.

    One difference proves noise. That all repeats agree is taken for the proof of the opposite.
    """
    values = [{o.values for o in group} for group in repeated(observations) if len(group) > 1]
    return any(len(v) > 1 for v in values) if values else None
