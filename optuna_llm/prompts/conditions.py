"""When parameters apply, as far as trials show it: what was seen, and nothing guessed."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution

from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.prompts.statistics import evenly
from optuna_llm.prompts.text import show_row
from optuna_llm.space.choices import choice_index
from optuna_llm.space.choices import labels
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import show_name
from optuna_llm.space.words import show_value
from optuna_llm.surrogate.activity import Activity


class Begun:
    """Trials that are not over, or have failed, as a row: without what they would not ask for.

    Their sampler has announced a value of every parameter, in case that it is asked for.

    Args:
        space: The parameters.
        history: The trials.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self._space = space
        self._optional = [n in space.optional for n in space.names]
        x = space.coordinates(o.params for o in (*history.complete, *history.pruned))
        self._activity = Activity(
            np.where(self._optional, x, np.nan_to_num(x)), self._space.n_choices
        )

    def cells(self, o: Observation) -> list[str]:
        """Return a cell for each parameter: "-" where it is inactive, "?" where it is unknown."""
        own = self._space.coordinates([o.intended])
        idle = (np.isnan(self._activity.apply(own)) & ~np.isnan(own))[0] & self._optional
        cells = show_row(self._space, o.intended, "?")
        return ["-" if i else cell for i, cell in zip(idle, cells, strict=True)]


def condition_lines(space: SearchSpace, history: History) -> list[str]:
    """Say when optional parameters have been active, and which ones no trial has asked for.

    What trials with a parameter have that those without it lack is told as it was seen, with the
    number of trials. Where chance may show it, or several parameters explain it, that is said.

    Args:
        space: The parameters.
        history: The trials.

    Returns:
        A few lines.
    """
    whole = evenly((*history.complete, *history.pruned))
    seen: dict[str, list[str]] = {}
    unclear: list[str] = []
    for name in space.names:
        having = [o for o in whole if name in o.params]
        lacking = [o for o in whole if name not in o.params]
        if name not in space.optional or not having or not lacking:
            continue
        found = sorted(_conditions(space, name, having, lacking))
        if not found or (len(found) > 1 and found[0][0] == found[1][0]):
            unclear.append(show_name(name))
            continue
        counts = f"{found[0][1]} ({len(having)} with, {len(lacking)} without)"
        seen.setdefault(counts, []).append(show_name(name))
    lines = [f"Seen so far: {', '.join(names)} only with {gate}." for gate, names in seen.items()]
    if unclear:
        lines.append(f"Not in every trial, for no reason that is clear: {', '.join(unclear)}.")
    if whole:
        new = [show_name(n) for n in space.names if n not in history.asked]
        if new:
            lines.append(
                f"Announced, but asked for by no trial yet: {', '.join(new)}; "
                "they may apply only under choices not yet tried."
            )
    return lines


def _conditions(
    space: SearchSpace, name: str, having: Sequence[Observation], lacking: Sequence[Observation]
) -> Iterator[tuple[int, str]]:
    """Yield in how many ways a parameter's values could be split, and the split that explains.

    The fewer ways, the less it is owed to chance: two choices have two, whole numbers many.
    """
    others = [n for n in space.names if n != name and n not in space.optional]
    for other in others:
        if all(other in o.params for o in (*having, *lacking)):
            with_it, without = ([o.params[other] for o in group] for group in (having, lacking))
            found = _separated(space, other, with_it, without)
            if found is not None:
                yield found


def _separated(
    space: SearchSpace, name: str, with_it: Sequence[Any], without: Sequence[Any]
) -> tuple[int, str] | None:
    """Return in how many ways values can be split, and the split in words; None if they mix."""
    distribution = space.distributions[name]
    if isinstance(distribution, CategoricalDistribution):
        some = {choice_index(distribution, v) for v in with_it}
        others = {choice_index(distribution, v) for v in without}
        if some & others:
            return None
        shown = [
            show_name(labels(distribution)[i]) for i in sorted(i for i in some if i is not None)
        ]
        return 2 ** len(some | others) - 2, f"{show_name(name)} = {' or '.join(shown)}"
    if isinstance(distribution, IntDistribution):
        n_splits = 2 * len({*with_it, *without}) - 2
        if min(with_it) > max(without):
            return n_splits, f"{show_name(name)} >= {show_value(space, name, min(with_it))}"
        if max(with_it) < min(without):
            return n_splits, f"{show_name(name)} <= {show_value(space, name, max(with_it))}"
    return None
