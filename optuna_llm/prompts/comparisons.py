"""Trials that differ in one parameter: what no statistics can tell as plainly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import TrialState

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.text import Results
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import show_name
from optuna_llm.space.words import show_value


_MAX_GOOD = 100
# A smaller step, of unit coordinates, says nothing.
_LEAST = 0.02
_MAX_FAILED = 30
_MAX_PAIRS = 10
_MAX_OF_ONE = 3


@dataclass(frozen=True)
class Change:
    """Two trials that differ in one parameter alone.

    Attributes:
        name: The parameter.
        better: The better one of the trials.
        worse: The other one, which may have failed.
    """

    name: str
    better: Observation
    worse: Observation


def single_changes(space: SearchSpace, history: History) -> list[Change]:
    """Return the pairs of trials that differ in one parameter alone, the best trials' first.

    Values that read the same are the same. Both have the same parameters: a choice that switches
    others on or off is not varied alone. Of the complete trials the best hundred are looked at, of
    the failed ones the newest thirty.
    """
    good = [o for o in history.ranking if o.values is not None][:_MAX_GOOD]
    trials = [*good, *history.failures_of_parameters[-_MAX_FAILED:]]
    if len(trials) < 2 or not len(space):
        return []
    x = space.coordinates(o.intended for o in trials)
    failed = np.array([o.state == TrialState.FAIL for o in trials])
    # One parameter at a time: all pairs of all parameters at once would be large.
    n_different, which = np.zeros((2, len(trials), len(trials)), dtype=int)
    step = np.zeros(which.shape)
    unlike = np.zeros(which.shape, dtype=bool)
    for i, (name, column) in enumerate(zip(space.names, x.T, strict=True)):
        apart = np.nan_to_num(np.abs(column[:, None] - column))
        read = [
            show_value(space, name, o.intended[name]) if name in o.intended else "-"
            for o in trials
        ]
        _, code = np.unique(read, return_inverse=True)
        # A narrow range far from zero may need more digits than are shown.
        differs = ((code[:, None] != code) & (apart > 0)) | (apart >= _LEAST)
        n_different += differs
        which[differs] = i
        np.maximum(step, apart, out=step)
        unlike |= np.isnan(column)[:, None] != np.isnan(column)
    single = (n_different == 1) & (step >= _LEAST) & ~unlike & ~failed[:, None]
    pairs = zip(*np.nonzero(np.triu(single, k=1)), strict=True)
    return [Change(space.names[which[i, j]], trials[i], trials[j]) for i, j in pairs]


def comparison_lines(
    space: SearchSpace, history: History, results: Results, changes: Sequence[Change]
) -> list[list[str]]:
    """Show pairs of trials that differ in one parameter, and what was never varied alone.

    Args:
        space: The parameters.
        history: The study.
        results: How results are shown.
        changes: What :func:`single_changes` has found.

    Returns:
        Blocks of lines, to be shown as a whole each; none where there are several objectives.
    """
    best = history.best
    if best is None or history.is_multi_objective:
        return []
    shown: list[str] = []
    counts: Counter[str] = Counter()
    for c in changes:
        counts[c.name] += 1
        if counts[c.name] > _MAX_OF_ONE or len(shown) == _MAX_PAIRS:
            continue
        values = [show_value(space, c.name, o.intended[c.name]) for o in (c.better, c.worse)]
        before, after = (
            "failed" if o.values is None else results.show(0, o.values[0])
            for o in (c.better, c.worse)
        )
        shown.append(
            f"- {show_name(c.name)} {values[0]} -> {values[1]}: {before} -> {after} "
            f"(trials {c.better.number}, {c.worse.number})"
        )
    blocks = []
    if shown:
        blocks.append(["Trials that differ in one parameter alone (better -> worse):", *shown])
    left = [show_name(n) for n in unvaried(space, best, changes)]
    if changes and left:
        blocks.append([f"Never varied alone at the best, trial {best.number}: {', '.join(left)}."])
    return blocks


def lost_to(name: str, choice: Any, changes: Sequence[Change]) -> list[Any]:
    """Return the choices of a parameter that are worse than another one where all else is equal.

    Args:
        name: The parameter.
        choice: The other one.
        changes: What :func:`single_changes` has found.
    """
    pairs = [(c.better.intended[name], c.worse.intended[name]) for c in changes if c.name == name]
    return [worse for better, worse in pairs if better == choice]


def unvaried(space: SearchSpace, best: Observation, changes: Sequence[Change]) -> list[str]:
    """Return the parameters of the best trial that no other trial has varied alone.

    Where parameters are optional, a choice that has nowhere been varied alone may switch them.
    """
    alone = {c.name for c in changes}
    varied = {c.name for c in changes if best in (c.better, c.worse)}
    switches = set()
    if space.optional:
        choices = {n for n, k in zip(space.names, space.n_choices, strict=True) if k > 0}
        switches = choices - alone
    return [n for n in space.names if n in best.params and n not in varied | switches]
