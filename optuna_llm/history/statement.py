"""What a model has said beside its candidates: notes, rules, and what it holds usual."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import math
from typing import Any
from typing import Literal

from optuna_llm.history.attributes import Part
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import is_number
from optuna_llm.space.words import show_name


Relevance = Literal["high", "medium", "low"]
# Trials on either side of a rule from which on results say whether it is borne out.
_MIN_ON_A_SIDE = 2
# Digits of a bound are few: what rounding alone breaks is kept.
_TOLERANCE = 0.01
_KEY = "statement"


@dataclass(frozen=True)
class Rule:
    """Bounds of one parameter, or of a product and quotient of several.

    Attributes:
        multiply: Names of the parameters that are multiplied.
        divide: Names of those that it is divided by.
        low, high: The bounds; None where there is none. Without any it is only a quantity to show.
        why: The model's reason.
    """

    multiply: tuple[str, ...]
    divide: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All parameters of it."""
        return (*self.multiply, *self.divide)

    @property
    def quantity(self) -> str:
        """The product in words, such as ``lr x rounds``."""
        text = " x ".join(map(show_name, self.multiply)) or "1"
        return text + "".join(f" / {show_name(name)}" for name in self.divide)

    def __str__(self) -> str:
        low = "" if self.low is None else f"{format_number(self.low)} <= "
        high = "" if self.high is None else f" <= {format_number(self.high)}"
        return f"{low}{self.quantity}{high}"

    def value(self, params: Mapping[str, Any]) -> float | None:
        """Return the quantity of a configuration; None where it lacks a part, or is no number."""
        if not all(is_number(params.get(name)) for name in self.names):
            return None
        factors = [float(params[name]) for name in self.multiply]
        divisors = [float(params[name]) for name in self.divide]
        if 0.0 in divisors:
            return None
        value = math.prod(factors) / math.prod(divisors)
        return value if math.isfinite(value) else None

    def is_broken(self, params: Mapping[str, Any]) -> bool:
        """Whether a configuration lies outside the bounds; one that lacks a part does not."""
        value = self.value(params)
        if value is None:
            return False
        room = _TOLERANCE * abs(value)
        return (self.low is not None and value < self.low - room) or (
            self.high is not None and value > self.high + room
        )

    def renamed(self, rename: Callable[[str], str]) -> Rule:
        """Return the same rule about parameters of other names."""
        return replace(
            self,
            multiply=tuple(map(rename, self.multiply)),
            divide=tuple(map(rename, self.divide)),
        )

    def standing(self, history: History) -> Standing:
        """Return what the finished trials of a study say of this rule.

        A rule that the best trial breaks is refuted. Else trials that keep it and trials that
        break it are compared in pairs; a failed trial is worse than any other. It is borne out
        while either are too few, or if those that keep it win at least half of the comparisons.
        """
        places = {id(o): i for i, o in enumerate(history.ranking)}
        worst = len(places)
        kept: list[int] = []
        broken: list[int] = []
        for o in (*history.ranking, *history.failures_of_parameters):
            if self.value(o.intended) is not None:
                place = places.get(id(o), worst)
                (broken if self.is_broken(o.intended) else kept).append(place)
        wins = sum((k < b) + 0.5 * (k == b) for k in kept for b in broken)
        few = min(len(kept), len(broken)) < _MIN_ON_A_SIDE
        is_borne_out = few or wins >= 0.5 * len(kept) * len(broken)
        best = [min(side) + 1 if side and min(side) < worst else None for side in (kept, broken)]
        is_borne_out &= best[1] != 1
        return Standing(len(kept), len(broken), best[0], best[1], is_borne_out)


@dataclass(frozen=True)
class Standing:
    """What results say of a rule.

    Attributes:
        n_kept, n_broken: Number of trials that keep and that break it.
        best_kept, best_broken: Rank of the best of them; None where none has a result.
        is_borne_out: Whether the search respects it.
    """

    n_kept: int
    n_broken: int
    best_kept: int | None
    best_broken: int | None
    is_borne_out: bool


@dataclass(frozen=True)
class Stated:
    """What a model holds of one parameter.

    Attributes:
        usual: Its usual value, native; None where the model named none.
        low, high: The range of a number that it holds plausible; None where it named none.
        relevance: How much depends on the parameter.
        rises_with, falls_with: Parameters with which its best value grows, and shrinks.
    """

    usual: Any = None
    low: float | None = None
    high: float | None = None
    relevance: Relevance = "medium"
    rises_with: tuple[str, ...] = ()
    falls_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement(Part):
    """What a reply held beside candidates, as it is stored with the trial that asked.

    Attributes:
        occasion: Why the model was asked.
        notes: The model's own analysis, under the names that it was shown.
        shown: Which names these were; empty for the user's own.
        rules: Rules, as :class:`Rule` has them.
        structure: By parameter, as :class:`Stated` has it.
        vetoed: Configurations of the base sampler that the model would not run.
        preferred: The one of them that it liked best; empty for none.
    """

    occasion: str = ""
    notes: str = ""
    shown: str = ""
    rules: list[dict[str, Any]] = field(default_factory=list)
    structure: dict[str, dict[str, Any]] = field(default_factory=dict)
    vetoed: list[dict[str, Any]] = field(default_factory=list)
    preferred: dict[str, Any] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """Return what it holds, under one key."""
        own = super().entry()
        return {_KEY: own} if own else {}

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Statement:
        """Return what :meth:`entry` has described, perhaps together with other parts."""
        return super().of(entry.get(_KEY, {}))

    @property
    def stated_rules(self) -> tuple[Rule, ...]:
        """The rules."""
        return tuple(
            Rule(**{**r, "multiply": tuple(r["multiply"]), "divide": tuple(r.get("divide", ()))})
            for r in self.rules
        )

    @property
    def stated_structure(self) -> dict[str, Stated]:
        """The structure, by parameter."""
        return {
            name: Stated(
                **{
                    **s,
                    "rises_with": tuple(s.get("rises_with", ())),
                    "falls_with": tuple(s.get("falls_with", ())),
                }
            )
            for name, s in self.structure.items()
        }


def statements(history: History) -> list[tuple[Observation, Statement]]:
    """Return the trials for which a model answered, and what it said then, the newest first."""
    asked = [o for o in reversed(history.observations) if o.cost.requests and not o.cost.error]
    return [(o, Statement.read(o.trial)) for o in asked]


def rules_in_force(history: History) -> tuple[Rule, ...]:
    """Return the rules with bounds of the newest reply, as far as results bear them out."""
    for _, said in statements(history)[:1]:
        bounded = [r for r in said.stated_rules if r.low is not None or r.high is not None]
        return tuple(r for r in bounded if r.standing(history).is_borne_out)
    return ()
