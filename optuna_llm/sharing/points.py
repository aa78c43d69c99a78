"""Points of the base sampler, drawn until the model has no objection, and shown to it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
import functools
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.history.announcement import decode_params
from optuna_llm.history.announcement import encode_params
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.statement import Rule
from optuna_llm.history.statement import Statement
from optuna_llm.history.statement import rules_in_force
from optuna_llm.history.statement import statements
from optuna_llm.prompts.advice import MAX_POINTS
from optuna_llm.prompts.advice import Point
from optuna_llm.prompts.roles import OPTIMIZER
from optuna_llm.space.words import letters


if TYPE_CHECKING:
    from optuna_llm.prompts import View
    from optuna_llm.replies.statement import Said
    from optuna_llm.sharing.assistant import Exchange
    from optuna_llm.sharing.base import Base
    from optuna_llm.sharing.base_point import BasePoint
    from optuna_llm.sharing.proposal import Turn
    from optuna_llm.space.search_space import SearchSpace


# Points that are drawn at most, until the model has no objection to as many as are wanted.
_MAX_DRAWS = 4
# Mean distance of unit coordinates within which a point is the one that the model turned down.
_NEAR = 0.05


@dataclass(frozen=True)
class Objections:
    """What the model has against configurations of the base sampler.

    Attributes:
        turn: The trial.
    """

    turn: Turn

    @functools.cached_property
    def _rules(self) -> tuple[Rule, ...]:
        return rules_in_force(self.turn.history)

    @functools.cached_property
    def _turned_down(self) -> list[dict[str, Any]]:
        known = self.turn.space.distributions
        answers = statements(self.turn.history)[:1]
        return [decode_params(known, params) for _, said in answers for params in said.vetoed]

    def broken(self, params: Mapping[str, Any]) -> list[Rule]:
        """Return the rules that a configuration breaks, as far as results bear them out."""
        if not self._rules:
            return []
        active = self.turn.outlook.active(params)
        return [rule for rule in self._rules if rule.is_broken(active)]

    def is_turned_down(self, params: Mapping[str, Any]) -> bool:
        """Whether the model has turned down a point like it in its last answer."""
        space = self.turn.space
        down = space.coordinates(self._turned_down)
        (own,) = space.coordinates([params])
        return bool((space.distances(down, own) < _NEAR).any())

    def count(self, params: Mapping[str, Any]) -> int:
        """Return how many objections there are to a configuration."""
        return len(self.broken(params)) + self.is_turned_down(params)


def drawn(base: Base, turn: Turn, ahead: int = 0, n: int = 1) -> list[BasePoint]:
    """Return points of the base sampler, those with the fewest objections first.

    Up to four are drawn, until the model has no objection to ``n`` of them. The first one is what
    is run where it is the base sampler's turn.

    Args:
        base: The base sampler.
        turn: The trial.
        ahead: 1 for the trial after it.
        n: How many are wanted.
    """
    count = Objections(turn).count
    points: list[BasePoint] = []
    objected: list[int] = []
    while objected.count(0) < n and len(points) < max(n, _MAX_DRAWS):
        points.append(base.point(turn, ahead + len(points)))
        objected.append(count(points[-1].params))
    return [points[i] for i in sorted(range(len(points)), key=lambda i: objected[i])]


def to_judge(base: Base, turn: Turn, ahead: int) -> list[dict[str, Any]]:
    """Return some new points that the base sampler would run next, for the model to judge.

    None while it knows too little to expect anything of them.
    """
    points: list[dict[str, Any]] = []
    known = turn.tried
    for point in drawn(base, turn, ahead, MAX_POINTS):
        params = turn.outlook.active(point.params)
        if turn.outlook.interval(params) is None or len(points) == MAX_POINTS:
            break
        if params and not known.repeats(params):
            points.append(params)
            known = known.and_also(params)
    return points


def in_words(turn: Turn, view: View, points: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return points as they are told: what is expected of them, and the rules that they break."""
    objections = Objections(turn)
    told = []
    for params in points:
        interval = turn.outlook.interval(params)
        parts = [] if interval is None else [f"expected {turn.outlook.in_words(interval)}"]
        broken = [str(r.renamed(view.shown_name)) for r in objections.broken(params)]
        parts += [f"breaks your rule {' and '.join(broken)}"] if broken else []
        told.append(Point(view.hide(params), "; ".join(parts)))
    return told


def with_points(
    answer: Exchange,
    why: str,
    key: str,
    space: SearchSpace,
    points: Sequence[Mapping[str, Any]],
) -> Exchange:
    """Return an answer with what it says of the base sampler's points.

    The one that it likes best competes with its own candidates; the ones that it leaves out are
    turned down.

    Args:
        answer: The answer.
        why: Why it was asked for.
        key: Under which names its notes are written.
        space: The user's parameters.
        points: What it was shown, in the order of their letters.
    """
    liked = answer.said.optimizer
    candidates = answer.candidates
    preferred: Mapping[str, Any] = {}
    vetoed: list[Mapping[str, Any]] = []
    if points and liked is not None and answer.error is None:
        named = dict(zip(letters(len(points)), points, strict=True))
        vetoed = [params for letter, params in named.items() if letter not in liked]
        preferred = next((named[letter] for letter in liked if letter in named), {})
        if preferred:
            reason = "The statistical sampler's point, which the model prefers of several."
            candidates = (*candidates, Candidate(dict(preferred), reason, role=OPTIMIZER))
    statement = _statement_of(answer.said, why, key, space, vetoed, preferred)
    return replace(answer, candidates=candidates, statement=statement)


def _statement_of(
    said: Said,
    occasion: str,
    key: str,
    space: SearchSpace,
    vetoed: Sequence[Mapping[str, Any]],
    preferred: Mapping[str, Any],
) -> Statement:
    """Return what is to be stored of an answer.

    Args:
        said: What it says beside its candidates, under the user's names.
        occasion: Why it was asked for.
        key: Under which names its notes are written.
        space: The user's parameters.
        vetoed: Points of the optimizer that it turned down.
        preferred: The one that it liked best; empty for none.
    """
    structure = {}
    for name, stated in said.structure.items():
        entry = {k: v for k, v in asdict(stated).items() if v not in (None, (), "medium")}
        if "usual" in entry:
            entry["usual"] = encode_params(space.distributions, {name: stated.usual})[name]
        structure[name] = entry
    rules = [{k: v for k, v in asdict(r).items() if v not in (None, (), "")} for r in said.rules]
    turned_down = [encode_params(space.distributions, params) for params in vetoed]
    liked = encode_params(space.distributions, preferred)
    return Statement(occasion, said.notes, key, rules, structure, turned_down, liked)
