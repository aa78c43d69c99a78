"""The failed trials of a study in a few lines: why they failed, and where in the space."""

from __future__ import annotations

from collections.abc import Sequence
import re

import numpy as np

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.regions import MIN_FAILURES
from optuna_llm.prompts.regions import failure_boundary
from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import quote


_MAX_REASONS = 4
# Failed trials that are shown: so many of the newest, and as many of those nearest to the best.
_N_NEWEST = _N_NEAREST = 3


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def cause_of(o: Observation) -> str:
    """Return why a trial failed, numbers left aside."""
    return _NUMBER.sub("#", o.failure)


def _cause_in_words(group: Sequence[Observation]) -> str:
    """Return why some trials of one cause failed, with the ranges of the numbers that differ."""
    numbers = zip(*(_NUMBER.findall(o.failure) for o in group), strict=True)
    ranges = (sorted(set(column), key=float) for column in numbers)
    shown = (r[0] if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in ranges)
    return _NUMBER.sub(lambda _: next(shown), group[0].failure)


def causes_of(history: History) -> list[list[Observation]]:
    """Group the failed trials by cause, the most frequent first; without interrupted ones."""
    reasons: dict[str, list[Observation]] = {}
    for o in history.failures_of_parameters:
        reasons.setdefault(cause_of(o), []).append(o)
    return sorted(reasons.values(), key=lambda group: -len(group))


def telling_failures(space: SearchSpace, history: History) -> list[Observation]:
    """Return a few failed trials: the newest ones, then those nearest to the best trial."""
    failed = history.failures_of_parameters[::-1]
    newest, older = failed[:_N_NEWEST], failed[_N_NEWEST:]
    if history.best is None or not older:
        return list(failed[: _N_NEWEST + _N_NEAREST])
    encoded = Encoding(space).features(
        space.coordinates([history.best.params, *(o.intended for o in older)])
    )
    best, *others = np.nan_to_num(encoded, nan=0.5)
    distances = ((np.array(others) - best) ** 2).sum(axis=1)
    nearest = np.argsort(distances, kind="stable")[:_N_NEAREST]
    return [*newest, *(older[i] for i in nearest)]


def failure_lines(space: SearchSpace, history: History) -> list[str]:
    """Sum up the failed trials: reasons with counts, and where in the space they lie."""
    causes = causes_of(history)
    if not causes:
        return []
    named = causes[:_MAX_REASONS]
    shown = ", ".join(f"{len(g)} x {quote(_cause_in_words(g), 160)}" for g in named)
    rest = sum(len(g) for g in causes[_MAX_REASONS:])
    n_failed = len(history.failures_of_parameters)
    others = f", {rest} others" if rest else ""
    lines = [f"FAILED {n_failed}: {shown}{others}. Stay away from what failed."]
    ranking = history.ranking
    # Each cause has its own boundary; rare ones are looked at together.
    frequent = [g for g in named if len(g) >= MIN_FAILURES]
    for group in frequent or [list(history.failures_of_parameters)]:
        box = failure_boundary(space, group, ranking)
        if box is None:
            continue
        share = "all" if box.n_inside == box.n_trials else f"{box.n_inside} of"
        sampled = " sampled" if box.n_trials < len(group) or box.n_others < len(ranking) else ""
        cause = "" if len(group) == n_failed else f" with {quote(_cause_in_words(group), 40)}"
        lines.append(
            f"In common: {share} {box.n_trials}{sampled} failures{cause} had {box}; "
            f"{box.n_others_inside} of {box.n_others}{sampled} other trials did."
        )
    return lines
