"""What the candidates of a reply are to do: roles that follow the state of the search.

At the start they are of diverse kinds; then they refine, combine, and test single parameters
around the best; in the last quarter of an announced number of trials nothing is explored any
more, but choices that were hardly tried. No role sends the model to a region that the results
speak against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
from typing import Any

from optuna.distributions import CategoricalDistribution

from optuna_llm.history.history import History
from optuna_llm.history.progress import spent_share
from optuna_llm.history.repeats import least_run
from optuna_llm.prompts.comparisons import Change
from optuna_llm.prompts.comparisons import lost_to
from optuna_llm.prompts.comparisons import single_changes
from optuna_llm.prompts.comparisons import unvaried
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.versions import VersionDistribution
from optuna_llm.space.words import show_name
from optuna_llm.space.words import show_value


# The names that a reply may give its candidates.
ROLES = ("usual", "diverse", "refine", "vary", "combine", "basin", "repeat")
# Results from which on there is something to combine, and the search is no start any more.
_MIN_TO_COMBINE = 4
# Share of an announced number of trials after which nothing is explored any more.
LAST_PART = 0.75
_MAX_NAMED = 6
_N_GOOD = 4
_MAX_HARDLY_TRIED = 4
_SMALL = "at most a twentieth of a range, a factor of 1.5 on a log scale"


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
    changes = single_changes(space, history)
    left = hardly_tried(space, history, changes)
    if is_end and left:
        kinds = [_BASIN if i == _END.index(_REFINE, 1) else kind for i, kind in enumerate(kinds)]
    words = _Words(space, history, is_end, changes, left)
    chosen = itertools.islice(itertools.cycle(kinds), n_candidates)
    return [Role(kind, words.of(kind)) for kind in chosen]


@dataclass(frozen=True)
class HardlyTried:
    """A choice that nobody can know yet.

    Attributes:
        name: The parameter.
        choice: The choice, native.
        words: The same in words, with the number of its trials.
    """

    name: str
    choice: Any
    words: str


def hardly_tried(
    space: SearchSpace, history: History, changes: Sequence[Change]
) -> list[HardlyTried]:
    """Return the choices that nobody can know yet.

    Such a choice has no more trials than there are parameters to set beside it, and no pair of
    trials that differ in it alone tells that it is worse than that of the best trial.
    """
    best = history.best
    found: list[HardlyTried] = []
    if best is None:
        return found
    columns = space.coordinates(o.params for o in history.ranking).T
    for name, k, column in zip(space.names, space.n_choices, columns, strict=True):
        distribution = space.distributions[name]
        # Choices with an order have neighbours; versions of code are not the model's to choose.
        if k == 0 or isinstance(distribution, VersionDistribution) or name not in best.params:
            continue
        assert isinstance(distribution, CategoricalDistribution)
        known = [best.params[name], *lost_to(name, best.params[name], changes)]
        settled = set(space.coordinates({name: c} for c in known)[:, space.names.index(name)])
        for i, choice in enumerate(distribution.choices):
            trials = [o for o, x in zip(history.ranking, column, strict=True) if x == i]
            n_beside = max((len(o.params) for o in trials), default=len(space)) - 1
            if i not in settled and len(trials) <= n_beside:
                shown = f"{show_name(name)} {show_value(space, name, choice)}"
                words = f"{shown} ({len(trials)} of {history.n_ranked} trials)"
                found.append(HardlyTried(name, choice, words))
    return found


class _Words:
    """The roles in words, for one state of a study."""

    def __init__(
        self,
        space: SearchSpace,
        history: History,
        is_end: bool,
        changes: Sequence[Change],
        hardly_tried: Sequence[HardlyTried],
    ) -> None:
        self._space = space
        self._history = history
        self._is_end = is_end
        self._changes = changes
        self._hardly_tried = hardly_tried
        best = history.best
        self._best = "the best trial" if best is None else f"trial {best.number}, the best"

    def of(self, kind: str) -> str:
        """Return the words for one role."""
        best = self._history.best
        if kind == _REFINE:
            if best is not None and best.violation > 0:
                return f"change {self._best}, so that its violated constraints are met"
            if self._history.is_multi_objective:
                return "go beyond one end of the Pareto front, or fill its widest gap"
            small = f" ({_SMALL})" if self._is_end else ""
            return f"improve on {self._best}, by small steps{small} that the results speak for"
        if kind == _COMBINE:
            good = [str(o.number) for o in self._history.ranking[:_N_GOOD]]
            return f"join what good trials ({', '.join(good)}) do right in a way not yet tried"
        if kind == _VARY:
            return f"{self._best}, with exactly one parameter changed{self._unvaried()}"
        if kind == _BASIN and self._hardly_tried:
            left = " or ".join(h.words for h in self._hardly_tried[:_MAX_HARDLY_TRIED])
            return f"the best that you can think of with {left}; or refine another good trial"
        if kind == _BASIN:
            return (
                "the best that you can think of in another region that the results leave open; "
                "where they leave none open, refine another good trial"
            )
        if kind == REPEAT:
            # One lucky result is overtaken by another: the good ones are repeated in turn.
            complete = [o for o in self._history.ranking if o.values is not None]
            once = least_run(complete[:_N_GOOD], self._history.complete)
            again = "the best trial" if once is None else f"trial {once.number}"
            return f"{again}, exactly once more, to tell noise from effects"
        return "what you expect to work well of a clearly different kind"

    def _unvaried(self) -> str:
        best = self._history.best
        if best is None:
            return ""
        left = [show_name(n) for n in unvaried(self._space, best, self._changes)]
        named = ""
        if 0 < len(left) <= _MAX_NAMED and len(left) < len(self._space):
            named = f" (never varied alone: {', '.join(left)})"
        return f", one that is not settled by the results{named}"
