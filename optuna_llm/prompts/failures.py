"""The failed trials of a study in a few lines: why they failed, and where in the space."""

from __future__ import annotations

import re

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.regions import MIN_FAILURES
from optuna_llm.prompts.regions import failure_boundary
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import quote


_MAX_REASONS = 4


def cause_of(o: Observation) -> str:
    """Return why a trial failed, numbers left aside."""
    return re.sub(r"\d+(\.\d+)?", "#", o.failure)


def causes_of(history: History) -> list[list[Observation]]:
    """Group the failed trials by cause, the most frequent first; without interrupted ones."""
    reasons: dict[str, list[Observation]] = {}
    for o in history.failures_of_parameters:
        reasons.setdefault(cause_of(o), []).append(o)
    return sorted(reasons.values(), key=lambda group: -len(group))


def failure_lines(space: SearchSpace, history: History) -> list[str]:
    """Sum up the failed trials: reasons with counts, and where in the space they lie."""
    causes = causes_of(history)
    if not causes:
        return []
    shown = ", ".join(f"{len(g)} x {quote(g[-1].failure, 160)}" for g in causes[:_MAX_REASONS])
    rest = sum(len(g) for g in causes[_MAX_REASONS:])
    n_failed = len(history.failures_of_parameters)
    lines = [f"FAILED {n_failed}: {shown}" + (f", {rest} others" if rest else "") + "."]
    others = history.ranking
    # Each cause has its own boundary; rare ones are looked at together.
    frequent = [g for g in causes[:_MAX_REASONS] if len(g) >= MIN_FAILURES]
    for group in frequent or [list(history.failures_of_parameters)]:
        box = failure_boundary(space, group, others)
        if box is None:
            continue
        share = "all" if box.n_inside == box.n_trials else f"{box.n_inside} of"
        sampled = " sampled" if box.n_trials < len(group) or box.n_others < len(others) else ""
        cause = "" if len(group) == n_failed else f" with {quote(group[-1].failure, 40)}"
        lines.append(
            f"In common: {share} {box.n_trials}{sampled} failures{cause} had {box}; "
            f"{box.n_others_inside} of {box.n_others}{sampled} other trials did."
        )
    return lines
