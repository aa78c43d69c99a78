"""What the candidates of a reply are to do: roles that follow the state of the search.

At the start they are of diverse kinds; then they refine, combine, and test single parameters
around the best; in the last quarter of an announced number of trials nothing is explored any
more. No role sends the model to a region that the results speak against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools

from optuna_llm.history.history import History
from optuna_llm.history.progress import spent_share
from optuna_llm.prompts.comparisons import single_changes
from optuna_llm.prompts.comparisons import unvaried
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import show_name


# The names that a reply may give its candidates.
ROLES = ("usual", "diverse", "refine", "vary", "combine", "basin", "repeat")
# Results from which on there is something to combine, and the search is no start any more.
_MIN_TO_COMBINE = 4
# Share of an announced number of trials after which nothing is explored any more.
LAST_PART = 0.75
_MAX_NAMED = 6
_N_GOOD = 4


@dataclass(frozen=True)
class Role:
    """What one candidate is to do.

    Attributes:
        name: One of :data:`ROLES`.
        text: The same in words.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}."


_REFINE, _VARY, _COMBINE, _BASIN, _DIVERSE, REPEAT = (
    "refine",
    "vary",
    "combine",
    "basin",
    "diverse",
    "repeat",
)
# What a point of the statistical sampler has that a model prefers to its own candidates.
OPTIMIZER = "optimizer"
# Roles that lead away from the best trials.
ELSEWHERE = (_BASIN, _DIVERSE)
_START = (_REFINE, _DIVERSE, _VARY, _DIVERSE)
_MIDDLE = (_REFINE, _COMBINE, _VARY, _REFINE, _BASIN)
_END = (_REFINE, _COMBINE, _REFINE, _VARY)


def is_last_part(history: History, n_trials: int | None) -> bool:
    """Whether the last quarter of an announced number of trials has begun."""
    return spent_share(history, n_trials) >= LAST_PART


def roles(
    space: SearchSpace,
    history: History,
    n_candidates: int,
    *,
    n_trials: int | None = None,
    is_noisy: bool = False,
) -> list[Role]:
    """Return what each of some candidates is to do, given at least one result.

    Args:
        space: The parameters.
        history: The study.
        n_candidates: Their number.
        n_trials: How many trials the study will have, if that is known.
        is_noisy: Whether one more evaluation of the best would tell something.
    """
    is_end = is_last_part(history, n_trials)
    kinds: Sequence[str] = _MIDDLE
    if is_end:
        kinds = (*_END[:3], REPEAT, *_END[3:]) if is_noisy else _END
    elif len(history.complete) < _MIN_TO_COMBINE:
        kinds = _START
    words = _Words(space, history, is_end)
    chosen = itertools.islice(itertools.cycle(kinds), n_candidates)
    return [Role(kind, words.of(kind)) for kind in chosen]


class _Words:
    """The roles in words, for one state of a study."""

    def __init__(self, space: SearchSpace, history: History, is_end: bool) -> None:
        self._space = space
        self._history = history
        self._is_end = is_end
        best = history.best
        self._best = "the best trial" if best is None else f"trial {best.number}, the best"

    def of(self, kind: str) -> str:
        """Return the words for one role."""
        best = self._history.best
        small = " (factors of at most 1.5)" if self._is_end else ""
        if kind == _REFINE:
            if best is not None and best.violation > 0:
                return f"change {self._best}, so that its violated constraints are met"
            if self._history.is_multi_objective:
                return "go beyond one end of the Pareto front, or fill its widest gap"
            return f"improve on {self._best}, by small steps{small} that the results speak for"
        if kind == _COMBINE:
            good = [str(o.number) for o in self._history.ranking[:_N_GOOD]]
            return f"join what good trials ({', '.join(good)}) do right in a way not yet tried"
        if kind == _VARY:
            return f"{self._best}, with exactly one parameter changed{small}{self._unvaried()}"
        if kind == _BASIN:
            return (
                "the best that you can think of in another region that the results leave open; "
                "where they leave none open, refine another good trial"
            )
        if kind == REPEAT:
            return f"{self._best}, exactly once more, to tell noise from effects"
        return "what you expect to work well of a clearly different kind"

    def _unvaried(self) -> str:
        best = self._history.best
        if best is None:
            return ""
        changes = single_changes(self._space, self._history)
        left = [show_name(n) for n in unvaried(self._space, best, changes)]
        named = ""
        if 0 < len(left) <= _MAX_NAMED and len(left) < len(self._space):
            named = f" (never varied alone: {', '.join(left)})"
        return f", one that is not settled by the results{named}"
