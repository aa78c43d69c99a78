"""What a language model holds of a study's parameters, by all that it has proposed and stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optuna_llm.history.announcement import decode_params
from optuna_llm.history.history import History
from optuna_llm.history.statement import Stated
from optuna_llm.history.statement import statements
from optuna_llm.space.search_space import SearchSpace


# A stated usual value counts as so many candidates.
_USUAL = 3
# The spread of candidates is unknown: a wide one counts as so many of them.
_WIDE, _UNSEEN = 0.3, 2
_NARROWEST = 0.05
# A plausible range holds nineteen values of twenty: four standard deviations.
_RANGE = 4.0


@dataclass(frozen=True)
class StatedBelief:
    """Where a model expects good configurations, parameter by parameter.

    Attributes:
        centre: Unit coordinates (parameters,); NaN for a choice without an order, and where the
            model has said nothing.
        spread: Standard deviations in unit coordinates, (parameters,); infinite in these places.
        weights: For a choice without an order, the weight of each choice, (choices,), sum 1; it
            is missing where the model has said nothing.
        relevance: How much depends on each parameter, (parameters,): 1, 0.5 or 0.25; 0.5 where
            the model did not say.
        n_answers: Answers that this is read from.
    """

    centre: np.ndarray
    spread: np.ndarray
    weights: Mapping[str, np.ndarray]
    relevance: np.ndarray
    n_answers: int


_RELEVANCE = {"high": 1.0, "medium": 0.5, "low": 0.25}


def stated_belief(history: History, space: SearchSpace) -> StatedBelief | None:
    """Return what a model holds of the parameters; None where none has answered.

    Its candidates count as draws from what it believes; so do usual values, three times. A
    plausible range, if it has stated one, is four standard deviations wide. Of several
    statements about a parameter the newest counts.

    Args:
        history: The study.
        space: The parameters.
    """
    answers = statements(history)
    if not answers:
        return None
    stated: dict[str, Stated] = {}
    for _, said in reversed(answers):
        stated |= said.stated_structure
    candidates = [c.params for o, _ in answers for c in o.queue.waiting(space)]
    rows = space.coordinates(candidates)
    centre, spread = np.full(len(space), np.nan), np.full(len(space), np.inf)
    weights: dict[str, np.ndarray] = {}
    for i, (name, n_choices) in enumerate(zip(space.names, space.n_choices, strict=True)):
        said_of = stated.get(name, Stated())
        usual = _coordinate(space, name, said_of)
        drawn = np.append(rows[:, i], np.full(_USUAL, usual))
        drawn = drawn[~np.isnan(drawn)]
        if n_choices and len(drawn):
            counts = 1.0 + np.bincount(drawn.astype(int), minlength=n_choices)
            weights[name] = counts / counts.sum()
        elif not n_choices:
            centre[i], spread[i] = _normal(drawn, _ends(space, name, said_of))
    relevance = [_RELEVANCE[stated.get(n, Stated()).relevance] for n in space.names]
    return StatedBelief(centre, spread, weights, np.array(relevance), len(answers))


def _coordinate(space: SearchSpace, name: str, stated: Stated) -> float:
    """Return the coordinate of a usual value; that of a choice is stored by its index."""
    if stated.usual is None:
        return np.nan
    known = SearchSpace({name: space.distributions[name]})
    usual = decode_params(known.distributions, {name: stated.usual})
    return float(known.coordinates([usual])[0, 0])


def _ends(space: SearchSpace, name: str, stated: Stated) -> np.ndarray:
    known = SearchSpace({name: space.distributions[name]})
    return known.coordinates([{name: stated.low}, {name: stated.high}])[:, 0]


def _normal(drawn: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Return centre and spread of draws (n,) and a range (2,), either of which may be unknown."""
    has_range = not np.isnan(ends).any()
    if len(drawn) == 0 and not has_range:
        return np.nan, np.inf
    centre = float(drawn.mean()) if len(drawn) else float(ends.mean())
    if has_range:
        return centre, max(float(np.ptp(ends)) / _RANGE, _NARROWEST)
    variance = (((drawn - centre) ** 2).sum() + _UNSEEN * _WIDE**2) / (len(drawn) + _UNSEEN)
    return centre, max(float(np.sqrt(variance)), _NARROWEST)
